"""LeNet (LeCun et al. 1998), as in Ortiz-Jimenez et al. 2020 (Hold me tight)."""

from torch import nn


def lenet(num_classes: int = 10, channels: int = 1, side: int = 28) -> nn.Module:
    """Build LeNet as in Ortiz-Jimenez et al. 2020 (Hold me tight).

    Two 5x5 convolutions (6 padded, 16), each max-pooled by 2, then 120-84-`num_classes`, ReLU.
    Takes `(B, channels, side, side)` with side >= 12; 61,706 parameters at 28 x 28.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        side: height and width of the images, in pixels.
    """
    if side < 12:
        raise ValueError(f"lenet needs images of at least 12 x 12; got {side} x {side}")
    end = (side // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * end**2, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, num_classes),
    )  # fmt: skip
