"""PreAct-ResNet-18 for small images.

Source: He et al. 2016, Identity mappings in deep residual networks.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.networks.initialisation import conv3, he


def preact_resnet18(num_classes: int = 10, channels: int = 3) -> nn.Module:
    """ResNet-18 for small images whose blocks begin with batch norm and ReLU.

    11,171,146 parameters for CIFAR-10.

    The network of much work on fast adversarial training, in its form without batch norm after the
    last block. Images `(B, channels, H, W)` of any size; names of weights as in the widespread
    CIFAR networks of kuangliu.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
    """
    return he(PreActResNet(num_classes, channels))


class PreActResNet(nn.Module):
    """Four stages of two blocks, the mean over pixels, a linear layer.

    The stages have 64 to 512 channels, each but the first half the side.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3(channels, 64)
        self.layer1 = nn.Sequential(PreActBlock(64, 64, 1), PreActBlock(64, 64, 1))
        self.layer2 = nn.Sequential(PreActBlock(64, 128, 2), PreActBlock(128, 128, 1))
        self.layer3 = nn.Sequential(PreActBlock(128, 256, 2), PreActBlock(256, 256, 1))
        self.layer4 = nn.Sequential(PreActBlock(256, 512, 2), PreActBlock(512, 512, 1))
        self.linear = nn.Linear(512, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(images)))))
        return self.linear(out.mean((2, 3)))


class PreActBlock(nn.Module):
    """`x + conv(relu(bn(conv(a))))`, `a = relu(bn(x))`.

    A 1x1 convolution of a stands in the place of x where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv3(outputs, outputs)
        self.shortcut = None
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, inputs: Tensor) -> Tensor:
        active = F.relu(self.bn1(inputs))
        skipped = inputs if self.shortcut is None else self.shortcut(active)
        return skipped + self.conv2(F.relu(self.bn2(self.conv1(active))))
