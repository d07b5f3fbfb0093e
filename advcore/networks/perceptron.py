"""A perceptron with one hidden layer."""

from torch import nn


def perceptron(
    num_classes: int = 10, channels: int = 1, side: int = 8, width: int = 64
) -> nn.Module:
    """Build one hidden layer of `width` ReLUs on `(B, channels, side, side)`.

    It is the smallest network with a curved boundary.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        side: height and width of the images, in pixels.
        width: number of ReLUs.
    """
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * side**2, width), nn.ReLU(), nn.Linear(width, num_classes)
    )
