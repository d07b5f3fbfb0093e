"""LeNet (LeCun et al. 1998), as in Ortiz-Jimenez et al. 2020 (Hold me tight)."""

from torch import nn

from advcore.networks.layers import (
    ActivationName,
    NormName,
    PoolingName,
    activation_layer,
    dropout_layers,
    norm_layers,
    pooling_layer,
    scaled,
)


def lenet(
    num_classes: int = 10,
    channels: int = 1,
    side: int = 28,
    width: float = 1.0,
    depth: int = 5,
    activation: ActivationName = "relu",
    dropout: float = 0.0,
    norm: NormName = "none",
    pooling: PoolingName = "max",
    kernel: int = 5,
    padded: bool = True,
) -> nn.Module:
    """Build LeNet, by default as in Ortiz-Jimenez et al. 2020 (Hold me tight).

    Two 5x5 convolutions (6 padded, 16), each max-pooled by 2, then 120-84-`num_classes`, ReLU.
    Takes `(B, channels, side, side)` with side >= 12; 61,706 parameters at 28 x 28.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        side: height and width of the images, in pixels.
        width: factor of the channels and of the hidden units.
        depth: number of layers with weights, 3 or more: two convolutions, hidden layers of 120, 84,
            84, ... units, and the last layer.
        activation: function after each layer but the last.
        dropout: probability that dropout sets a hidden unit to 0.
        norm: normalisation before each activation: none, batch, group or layer.
        pooling: summary of 2 x 2 pixels: their maximum, or their average.
        kernel: height and width of the filters of both convolutions, in pixels: 3 or 5.
        padded: pad the first convolution, so that its channels are as large as the image. Without,
            at 32 x 32, this is the network of LeCun et al., and side is 16 or more.
    """
    smallest = 12 if padded else 16
    if side < smallest:
        pixels = f"{smallest} x {smallest}"
        raise ValueError(f"lenet needs images of at least {pixels}; got {side} x {side}")
    if depth < 3:
        raise ValueError(f"the depth of a lenet is 3 or more; got {depth}")
    if kernel not in (3, 5):
        raise ValueError(f"the kernel of a lenet is 3 or 5; got {kernel}")
    first, second = scaled(6, width), scaled(16, width)
    margin = kernel // 2 if padded else 0
    layers = [
        nn.Conv2d(channels, first, kernel, padding=margin), *norm_layers(norm, first),
        activation_layer(activation), pooling_layer(pooling),
        nn.Conv2d(first, second, kernel), *norm_layers(norm, second),
        activation_layer(activation), pooling_layer(pooling), nn.Flatten(),
    ]  # fmt: skip
    inputs = second * (((side - kernel + 1 + 2 * margin) // 2 - kernel + 1) // 2) ** 2
    for units in (120, *[84] * (depth - 4))[: depth - 3]:
        outputs = scaled(units, width)
        layers += [
            nn.Linear(inputs, outputs),
            *norm_layers(norm, outputs, rows=True),
            activation_layer(activation),
            *dropout_layers(dropout),
        ]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, num_classes))
