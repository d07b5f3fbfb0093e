"""Random Fourier features.

Source: Rahimi and Recht 2007, Random features for large-scale kernel machines.
"""

import math

import torch
from torch import Tensor, nn


class RandomFourier(nn.Module):
    """The n features `sqrt(2 / n) cos(w_i x + b_i)`.

    The w_i ~ N(0, I / bandwidth^2) and the b_i, uniform in [0, 2 pi), are fixed. The features'
    inner products are about the Gaussian kernel `exp(-||x - y||^2 / (2 bandwidth^2))`, to some
    sqrt(1 / n). No parameter is trained: w and b are buffers, which a checkpoint holds.
    """

    weight: Tensor
    phase: Tensor

    def __init__(self, inputs: int, features: int, bandwidth: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(features, inputs) / bandwidth)
        self.register_buffer("phase", 2 * math.pi * torch.rand(features))

    def forward(self, images: Tensor) -> Tensor:
        waves = nn.functional.linear(images.flatten(1), self.weight, self.phase)
        return math.sqrt(2 / len(self.phase)) * torch.cos(waves)


def random_features(
    num_classes: int = 10,
    channels: int = 1,
    side: int = 28,
    features: int = 2000,
    bandwidth: float = 7.0,
) -> nn.Module:
    """Build a kernel machine: `features` random Fourier features and a linear layer.

    Images are `(B, channels, side, side)`; the linear layer alone learns.

    With the objective `squared_error` and weight decay it is ridge regression on the features, and
    nearly so with the Gaussian kernel of that `bandwidth` (pixels in [0, 1], l2; two digits lie
    some 10 apart).

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        side: height and width of the images, in pixels.
        features: number of random Fourier features.
        bandwidth: bandwidth of the Gaussian kernel, l2, pixel units.
    """
    if features < 1:
        raise ValueError(f"features must be at least 1; got {features}")
    if not bandwidth > 0:
        raise ValueError(f"bandwidth must be positive, in pixel units; got {bandwidth}")
    return nn.Sequential(
        RandomFourier(channels * side**2, features, bandwidth), nn.Linear(features, num_classes)
    )
