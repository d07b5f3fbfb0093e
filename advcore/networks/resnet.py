"""ResNet-18 for small images (He et al. 2016)."""

from torch import Tensor, nn

from advcore.networks.initialisation import conv3
from advcore.networks.layers import ActivationName, NormName, PoolingName, over_pixels, scaled
from advcore.networks.residual import BlockLayers, four_stages, residual_weights


def small_resnet18(
    num_classes: int = 10,
    channels: int = 3,
    width: float = 1.0,
    depth: int = 18,
    activation: ActivationName = "relu",
    dropout: float = 0.0,
    norm: NormName = "batch",
    pooling: PoolingName = "average",
) -> nn.Module:
    """ResNet-18 with a stem for small images: one 3x3 convolution of stride 1, no pooling.

    11,173,962 parameters for CIFAR-10.

    torchvision's `resnet18` is the same from there on; its stem for ImageNet divides the side by 4.
    Images `(B, channels, H, W)` of any size; names of weights as in the widespread CIFAR networks
    of kuangliu. Raises ValueError for another depth.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        width: factor of the channels.
        depth: number of layers with weights of the published network: 10, 18 or 34.
        activation: function in and after each block.
        dropout: probability that dropout inside a block sets a number to 0.
        norm: normalisation after each convolution: none, batch, group or layer. Without any, the
            last weights of each block begin smaller, by the root of the number of blocks.
        pooling: summary of all pixels before the linear layer: their average or maximum.
    """
    layers = BlockLayers(activation, dropout, norm)
    network = ResNet(num_classes, channels, scaled(64, width), depth, layers, pooling)
    return residual_weights(network, norm)


class ResNet(nn.Module):
    """Four stages of blocks, one vector for all pixels, a linear layer.

    The stages have `base` to `8 base` channels, each but the first half the side.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        base: int,
        depth: int,
        layers: BlockLayers,
        pooling: PoolingName,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(channels, base), layers.new_norm(base)
        self.layer1, self.layer2, self.layer3, self.layer4 = four_stages(Block, layers, base, depth)
        self.linear = nn.Linear(8 * base, num_classes)
        self.activation, self.over_pixels = layers.new_activation(), over_pixels(pooling)

    def forward(self, images: Tensor) -> Tensor:
        out = self.activation(self.bn1(self.conv1(images)))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return self.linear(self.over_pixels(out))


class Block(nn.Module):
    """`relu(x + bn(conv(relu(bn(conv(x))))))`, or with other layers in place of these.

    Where the shape changes, x passes through a 1x1 convolution and batch norm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, layers: BlockLayers) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(inputs, outputs, stride), layers.new_norm(outputs)
        self.conv2, self.bn2 = conv3(outputs, outputs), layers.new_norm(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), layers.new_norm(outputs)
            )
        self.activation, self.dropout = layers.new_activation(), layers.new_dropout()

    def forward(self, inputs: Tensor) -> Tensor:
        active = self.dropout(self.activation(self.bn1(self.conv1(inputs))))
        return self.activation(self.bn2(self.conv2(active)) + self.shortcut(inputs))
