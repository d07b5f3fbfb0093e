"""VGG with batch norm for small images (Simonyan and Zisserman 2015)."""

from torch import Tensor, nn

from advcore.networks.initialisation import he

STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
}
"""Channels of the 3x3 convolutions of each stage, by depth."""


def vgg(num_classes: int = 10, channels: int = 3, depth: int = 16) -> nn.Module:
    """Build VGG-11 or VGG-16 with batch norm.

    One linear layer follows the convolutions instead of three.

    For CIFAR-10, VGG-16 has 14,728,266 parameters, VGG-11 9,231,114. Images `(B, channels, H, W)`
    of any size: pooling by 2 keeps what is left over at an edge. Names of weights as in the
    widespread CIFAR networks of kuangliu. Raises ValueError for another depth.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        depth: number of layers with weights of the published network: 11 or 16.
    """
    if depth not in STAGES:
        raise ValueError(f"the depth of a vgg is {' or '.join(map(str, STAGES))}; got {depth}")
    return he(VGG(num_classes, channels, STAGES[depth]))


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each pooled by 2; the mean over pixels; a linear layer."""

    def __init__(
        self, num_classes: int, channels: int, stages: tuple[tuple[int, ...], ...]
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for stage in stages:
            for outputs in stage:
                layers += [
                    nn.Conv2d(channels, outputs, 3, padding=1),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(),
                ]
                channels = outputs
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean((2, 3)))
