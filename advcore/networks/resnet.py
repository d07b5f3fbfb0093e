"""ResNet-18 for small images (He et al. 2016)."""

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.networks.initialisation import conv3, he


def small_resnet18(num_classes: int = 10, channels: int = 3) -> nn.Module:
    """ResNet-18 with a stem for small images: one 3x3 convolution of stride 1, no pooling.

    11,173,962 parameters for CIFAR-10.

    torchvision's `resnet18` is the same from there on; its stem for ImageNet divides the side by 4.
    Images `(B, channels, H, W)` of any size; names of weights as in the widespread CIFAR networks
    of kuangliu.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
    """
    return he(ResNet(num_classes, channels))


class ResNet(nn.Module):
    """Four stages of two blocks, the mean over pixels, a linear layer.

    The stages have 64 to 512 channels, each but the first half the side.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(channels, 64), nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))
        self.linear = nn.Linear(512, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(images)))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return self.linear(out.mean((2, 3)))


class Block(nn.Module):
    """`relu(x + bn(conv(relu(bn(conv(x))))))`.

    Where the shape changes, x passes through a 1x1 convolution and batch norm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(inputs)))))
        return F.relu(out + self.shortcut(inputs))
