"""A small U-Net: one logit a pixel (Ronneberger et al. 2015)."""

import torch
from torch import Tensor, nn

from advcore.networks.layers import ActivationName, activation_layer, check_width


def unet(
    num_classes: int = 2, channels: int = 1, width: int = 16, activation: ActivationName = "relu"
) -> nn.Module:
    """Build two halvings and two doublings, each level seeing what stood there on the way down.

    Images `(B, channels, H, W)` of any sides that 4 divides become `(B, H W)`, a logit for each
    pixel, row by row: above 0 for what belongs to the object. It is for tasks of dense outputs.

    Args:
        num_classes: number of classes of the data, which says nothing here.
        channels: channels of the images.
        width: channels of the first level; the next ones have 2 and 4 times as many.
        activation: function after each convolution.
    """
    check_width(width)
    return _UNet(channels, width, activation)


class _UNet(nn.Module):
    def __init__(self, channels: int, width: int, activation: ActivationName) -> None:
        super().__init__()
        self.first = _block(channels, width, activation)
        self.second = _block(width, 2 * width, activation)
        self.bottom = _block(2 * width, 4 * width, activation)
        self.second_up = _block(6 * width, 2 * width, activation)
        self.first_up = _block(3 * width, width, activation)
        self.last = nn.Conv2d(width, 1, 1)
        self.down, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def forward(self, images: Tensor) -> Tensor:
        if images.dim() != 4 or images.shape[2] % 4 or images.shape[3] % 4:
            raise ValueError(
                "a unet needs images (B, C, H, W) with sides that 4 divides; got "
                f"{tuple(images.shape)}"
            )
        first = self.first(images)
        second = self.second(self.down(first))
        bottom = self.bottom(self.down(second))
        second = self.second_up(torch.cat([self.up(bottom), second], 1))
        first = self.first_up(torch.cat([self.up(second), first], 1))
        return self.last(first).flatten(1)


def _block(inputs: int, outputs: int, activation: ActivationName) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), activation_layer(activation))
