"""Wide residual networks (Zagoruyko and Komodakis 2016)."""

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.networks.initialisation import conv3, he


def wide_resnet(
    num_classes: int = 10, channels: int = 3, depth: int = 28, width: int = 10, dropout: float = 0.0
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
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(
            f"the depth of a wide_resnet is 6 n + 4, 10 or more; got {depth}, take "
            f"{max(10, depth - (depth - 4) % 6)}"
        )
    return he(WideResNet(num_classes, channels, (depth - 4) // 6, width, dropout))


class WideResNet(nn.Module):
    """A 3x3 convolution, three stages of `blocks` blocks each, and a linear layer.

    Batch norm, ReLU and the mean over pixels stand before the linear layer.
    """

    def __init__(
        self, num_classes: int, channels: int, blocks: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = conv3(channels, 16)
        self.block1 = Stage(16, 16 * width, blocks, 1, dropout)
        self.block2 = Stage(16 * width, 32 * width, blocks, 2, dropout)
        self.block3 = Stage(32 * width, 64 * width, blocks, 2, dropout)
        self.bn1, self.fc = nn.BatchNorm2d(64 * width), nn.Linear(64 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        out = self.block3(self.block2(self.block1(self.conv1(images))))
        return self.fc(F.relu(self.bn1(out)).mean((2, 3)))


class Stage(nn.Module):
    """Blocks of equal width, the first of which changes it, and the side by `stride`."""

    def __init__(self, inputs: int, outputs: int, blocks: int, stride: int, dropout: float) -> None:
        super().__init__()
        first = WideBlock(inputs, outputs, stride, dropout)
        self.layer = nn.Sequential(
            first, *(WideBlock(outputs, outputs, 1, dropout) for _ in range(blocks - 1))
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs)


class WideBlock(nn.Module):
    """`x + conv(dropout(relu(bn(conv(a)))))`, `a = relu(bn(x))`.

    A 1x1 convolution of a stands in the place of x where the width changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv3(outputs, outputs)
        self.dropout = nn.Dropout(dropout)
        self.convShortcut = (
            None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        active = F.relu(self.bn1(inputs))
        skipped = inputs if self.convShortcut is None else self.convShortcut(active)
        return skipped + self.conv2(self.dropout(F.relu(self.bn2(self.conv1(active)))))
