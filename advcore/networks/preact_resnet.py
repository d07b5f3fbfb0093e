"""PreAct-ResNet-18 for small images.

Source: He et al. 2016, Identity mappings in deep residual networks.
"""

from torch import Tensor, nn

from advcore.networks.initialisation import conv3
from advcore.networks.layers import ActivationName, NormName, PoolingName, over_pixels, scaled
from advcore.networks.residual import BlockLayers, four_stages, residual_weights


def preact_resnet18(
    num_classes: int = 10,
    channels: int = 3,
    width: float = 1.0,
    depth: int = 18,
    activation: ActivationName = "relu",
    dropout: float = 0.0,
    norm: NormName = "batch",
    pooling: PoolingName = "average",
) -> nn.Module:
    """ResNet-18 for small images whose blocks begin with batch norm and ReLU.

    11,171,146 parameters for CIFAR-10.

    The network of much work on fast adversarial training, in its form without batch norm after the
    last block. Images `(B, channels, H, W)` of any size; names of weights as in the widespread
    CIFAR networks of kuangliu. Raises ValueError for another depth.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        width: factor of the channels.
        depth: number of layers with weights of the published network: 10, 18 or 34.
        activation: function before each convolution of a block.
        dropout: probability that dropout inside a block sets a number to 0.
        norm: normalisation before each activation: none, batch, group or layer. Without any, the
            last weights of each block begin smaller, by the root of the number of blocks.
        pooling: summary of all pixels before the linear layer: their average or maximum.
    """
    layers = BlockLayers(activation, dropout, norm)
    network = PreActResNet(num_classes, channels, scaled(64, width), depth, layers, pooling)
    return residual_weights(network, norm)


class PreActResNet(nn.Module):
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
        self.conv1 = conv3(channels, base)
        self.layer1, self.layer2, self.layer3, self.layer4 = four_stages(
            PreActBlock, layers, base, depth
        )
        self.linear = nn.Linear(8 * base, num_classes)
        self.over_pixels = over_pixels(pooling)

    def forward(self, images: Tensor) -> Tensor:
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(images)))))
        return self.linear(self.over_pixels(out))


class PreActBlock(nn.Module):
    """`x + conv(relu(bn(conv(a))))`, `a = relu(bn(x))`, or with other layers in place of these.

    A 1x1 convolution of a stands in the place of x where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, layers: BlockLayers) -> None:
        super().__init__()
        self.bn1, self.conv1 = layers.new_norm(inputs), conv3(inputs, outputs, stride)
        self.bn2, self.conv2 = layers.new_norm(outputs), conv3(outputs, outputs)
        self.shortcut = None
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
        self.activation, self.dropout = layers.new_activation(), layers.new_dropout()

    def forward(self, inputs: Tensor) -> Tensor:
        active = self.activation(self.bn1(inputs))
        skipped = inputs if self.shortcut is None else self.shortcut(active)
        out = self.dropout(self.activation(self.bn2(self.conv1(active))))
        return skipped + self.conv2(out)
