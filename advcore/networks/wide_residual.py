"""Wide residual networks (Zagoruyko and Komodakis 2016)."""

from torch import Tensor, nn

from advcore.networks.initialisation import conv3
from advcore.networks.layers import ActivationName, NormName, PoolingName, over_pixels, scaled
from advcore.networks.residual import BlockLayers, residual_weights


def wide_resnet(
    num_classes: int = 10,
    channels: int = 3,
    depth: int = 28,
    width: float = 10,
    dropout: float = 0.0,
    activation: ActivationName = "relu",
    norm: NormName = "batch",
    pooling: PoolingName = "average",
) -> nn.Module:
    """Build WRN-`depth`-`width`: three stages of `(depth - 4) / 6` blocks.

    The stages have 16, 32 and 64 times `width` channels.

    For CIFAR-10, WRN-28-10 has 36,479,194 parameters, WRN-34-10, that of much adversarial training,
    46,160,474. Images `(B, channels, H, W)` of any size; names of weights as in the widespread code
    of xternalz. Raises ValueError for a depth that makes no whole blocks.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        depth: number of layers: 6 n + 4 with n blocks a stage.
        width: factor of the channels.
        dropout: probability that dropout inside a block sets a number to 0.
        activation: function before each convolution of a block, and after the last block.
        norm: normalisation before each activation: none, batch, group or layer. Without any, the
            last weights of each block begin smaller, by the root of the number of blocks.
        pooling: summary of all pixels before the linear layer: their average or maximum.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(
            f"the depth of a wide_resnet is 6 n + 4, 10 or more; got {depth}, take "
            f"{max(10, depth - (depth - 4) % 6)}"
        )
    layers = BlockLayers(activation, dropout, norm)
    network = WideResNet(num_classes, channels, (depth - 4) // 6, width, layers, pooling)
    return residual_weights(network, norm)


class WideResNet(nn.Module):
    """A 3x3 convolution, three stages of `blocks` blocks each, and a linear layer.

    Normalisation, activation and one vector for all pixels stand before the linear layer.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        blocks: int,
        width: float,
        layers: BlockLayers,
        pooling: PoolingName,
    ) -> None:
        super().__init__()
        first, second, third = (scaled(count, width) for count in (16, 32, 64))
        self.conv1 = conv3(channels, 16)
        self.block1 = Stage(16, first, blocks, 1, layers)
        self.block2 = Stage(first, second, blocks, 2, layers)
        self.block3 = Stage(second, third, blocks, 2, layers)
        self.bn1, self.fc = layers.new_norm(third), nn.Linear(third, num_classes)
        self.activation, self.over_pixels = layers.new_activation(), over_pixels(pooling)

    def forward(self, images: Tensor) -> Tensor:
        out = self.block3(self.block2(self.block1(self.conv1(images))))
        return self.fc(self.over_pixels(self.activation(self.bn1(out))))


class Stage(nn.Module):
    """Blocks of equal width, the first of which changes it, and the side by `stride`."""

    def __init__(
        self, inputs: int, outputs: int, blocks: int, stride: int, layers: BlockLayers
    ) -> None:
        super().__init__()
        first = WideBlock(inputs, outputs, stride, layers)
        self.layer = nn.Sequential(
            first, *(WideBlock(outputs, outputs, 1, layers) for _ in range(blocks - 1))
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs)


class WideBlock(nn.Module):
    """`x + conv(dropout(relu(bn(conv(a)))))`, `a = relu(bn(x))`, or with other layers.

    A 1x1 convolution of a stands in the place of x where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, layers: BlockLayers) -> None:
        super().__init__()
        self.bn1, self.conv1 = layers.new_norm(inputs), conv3(inputs, outputs, stride)
        self.bn2, self.conv2 = layers.new_norm(outputs), conv3(outputs, outputs)
        self.dropout = layers.new_dropout()
        self.convShortcut = None
        if inputs != outputs or stride != 1:
            self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.activation = layers.new_activation()

    def forward(self, inputs: Tensor) -> Tensor:
        active = self.activation(self.bn1(inputs))
        skipped = inputs if self.convShortcut is None else self.convShortcut(active)
        out = self.dropout(self.activation(self.bn2(self.conv1(active))))
        return skipped + self.conv2(out)
