"""VGG with batch norm for small images (Simonyan and Zisserman 2015)."""

from torch import Tensor, nn

from advcore.networks.initialisation import he
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

STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
}
"""Channels of the 3x3 convolutions of each stage, by depth."""


def vgg(
    num_classes: int = 10,
    channels: int = 3,
    depth: int = 16,
    width: float = 1.0,
    activation: ActivationName = "relu",
    dropout: float = 0.0,
    norm: NormName = "batch",
    pooling: PoolingName = "max",
) -> nn.Module:
    """Build VGG-11 or VGG-16, by default with batch norm.

    One linear layer follows the convolutions instead of three.

    For CIFAR-10, VGG-16 has 14,728,266 parameters, VGG-11 9,231,114. Images `(B, channels, H, W)`
    of any size: pooling by 2 keeps what is left over at an edge. Names of weights as in the
    widespread CIFAR networks of kuangliu. Raises ValueError for another depth.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        depth: number of layers with weights of the published network: 11 or 16.
        width: factor of the channels.
        activation: function after each convolution.
        dropout: probability that dropout, after the pooling of a stage, sets a number to 0.
        norm: normalisation before each activation: none, batch, group or layer.
        pooling: summary of 2 x 2 pixels at the end of a stage: their maximum, or their
            average. The mean over all pixels stands before the linear layer.
    """
    if depth not in STAGES:
        raise ValueError(f"the depth of a vgg is {' or '.join(map(str, STAGES))}; got {depth}")
    layers: list[nn.Module] = []
    for stage in STAGES[depth]:
        for outputs in (scaled(count, width) for count in stage):
            layers += [
                nn.Conv2d(channels, outputs, 3, padding=1),
                *norm_layers(norm, outputs),
                activation_layer(activation),
            ]
            channels = outputs
        layers += [pooling_layer(pooling, ceil_mode=True), *dropout_layers(dropout)]
    return he(VGG(layers, channels, num_classes))


class VGG(nn.Module):
    """Convolutional layers, the mean over pixels, a linear layer."""

    def __init__(self, layers: list[nn.Module], channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean((2, 3)))
