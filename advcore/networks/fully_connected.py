"""A perceptron with hidden layers of one width, or none: a linear classifier."""

from torch import nn

from advcore.networks.layers import (
    ActivationName,
    NormName,
    activation_layer,
    dropout_layers,
    norm_layers,
)


def perceptron(
    num_classes: int = 10,
    channels: int = 1,
    side: int = 8,
    width: int = 64,
    depth: int = 1,
    activation: ActivationName = "relu",
    dropout: float = 0.0,
    norm: NormName = "none",
    bias: bool = True,
) -> nn.Module:
    """Build hidden layers of `width` units, by default one, on `(B, channels, side, side)`.

    With one hidden layer of ReLUs it is the smallest network with a curved boundary; with none a
    linear classifier.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        side: height and width of the images, in pixels.
        width: number of units of each hidden layer.
        depth: number of hidden layers, 0 for a linear classifier.
        activation: function after each hidden layer.
        dropout: probability that dropout sets a hidden unit to 0.
        norm: normalisation before each activation: none, batch, group or layer.
        bias: give each linear layer a bias.
    """
    if depth < 0:
        raise ValueError(f"the depth of a perceptron is 0 or more; got {depth}")
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = channels * side**2
    for _ in range(depth):
        layers += [
            nn.Linear(inputs, width, bias),
            *norm_layers(norm, width, rows=True),
            activation_layer(activation),
            *dropout_layers(dropout),
        ]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, num_classes, bias))
