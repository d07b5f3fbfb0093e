"""A LeNet behind a front end like the first visual cortex: a bank of filters, and noise.

Source: Dapello et al. 2020, Simulating a primary visual cortex at the front of CNNs improves
robustness to image perturbations (VOneNet), simplified.
"""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.networks.lenet_network import lenet
from advcore.randomness import Randomness
from advcore.smoothed_classifier import log_mean_probabilities

BankName = Literal["gabor", "random", "learned"]
FREQUENCIES = (0.25, 0.125)
"""Frequencies of the Gabor filters in turn, cycles a pixel."""
SPREAD = 0.3
"""Standard deviation of a Gabor filter's envelope, in periods."""
FLOOR = 1e-4
"""Addition to a rate under the root, where its slope would be infinite."""


def gabor_bank(pairs: int, channels: int, kernel: int) -> Tensor:
    """Return `pairs` of Gabor filters in quadrature, `(2 pairs, channels, kernel, kernel)`.

    The cosines come first. Orientations are equally spaced, half of them at each of two
    frequencies, the same in all channels. Each filter has mean 0 and l2 norm 1.
    """
    at = torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2
    down, across = torch.meshgrid(at, at, indexing="ij")
    filters = []
    for phase in (0.0, math.pi / 2):
        for pair in range(pairs):
            frequency = FREQUENCIES[pair % len(FREQUENCIES)]
            angle = math.pi * (pair // len(FREQUENCIES)) / math.ceil(pairs / len(FREQUENCIES))
            along = across * math.cos(angle) + down * math.sin(angle)
            envelope = torch.exp(-(down**2 + across**2) * (frequency / SPREAD) ** 2 / 2)
            filters.append(envelope * torch.cos(2 * math.pi * frequency * along - phase))
    return _of_norm_1(torch.stack(filters)[:, None].expand(-1, channels, -1, -1)).float()


class FrontEnd(nn.Module):
    """Rates of simple and complex cells with noise, and a network that reads them.

    With the responses c, s of a pair of filters the simple cell's rate is `max(c, 0)`, the complex
    cell's `sqrt((c^2 + s^2) / 2)`. Noise is that of a count: `rate + noise sqrt(rate) v`, v
    standard normal. In training mode v is new in each pass, from torch's own generators. In
    evaluation mode the network is one function of the image, the log of the mean probabilities over
    `draws` fixed v, the same for all images: an attack averages over all the noise there is, as
    Athalye et al. 2018 ask for.

    Raises ValueError for images of another shape than the one that it is made for.
    """

    fixed: Tensor

    def __init__(self, filters: Tensor, body: nn.Module, fixed: Tensor, noise: float) -> None:
        """Take the filters, a parameter if they are learned, and the v, `(draws, C, H, W)`."""
        super().__init__()
        self.body, self.noise = body, noise
        if isinstance(filters, nn.Parameter):
            self.filters: Tensor = filters
        else:
            self.register_buffer("filters", filters)
        self.register_buffer("fixed", fixed, persistent=False)

    def rates(self, images: Tensor) -> Tensor:
        """Return the rates `(B, 2 pairs, H, W)` without noise: simple cells, complex cells."""
        responses = F.conv2d(images, self.filters, padding=self.filters.shape[-1] // 2)
        cosine, sine = responses.chunk(2, 1)
        energy = (cosine.square() + sine.square()) / 2
        return torch.cat([cosine.relu(), (energy + FLOOR**2).sqrt()], 1)

    def forward(self, images: Tensor) -> Tensor:
        shape = (self.filters.shape[1], *self.fixed.shape[2:])
        if images.shape[1:] != shape:
            raise ValueError(
                f"this front end is made for images (B, {', '.join(map(str, shape))}); got "
                f"{tuple(images.shape)}"
            )
        rates = self.rates(images)
        if self.noise == 0:
            return self.body(rates)
        deviation = self.noise * (rates + FLOOR).sqrt()
        if self.training:
            return self.body(rates + deviation * torch.randn_like(rates))
        noisy = rates[:, None] + deviation[:, None] * self.fixed
        logits = self.body(noisy.flatten(0, 1)).unflatten(0, (len(images), len(self.fixed)))
        return log_mean_probabilities(logits)


def front_end(
    num_classes: int = 10,
    channels: int = 1,
    side: int = 28,
    bank: BankName = "gabor",
    pairs: int = 8,
    kernel: int = 7,
    noise: float = 0.35,
    draws: int = 4,
    seed: int = 0,
) -> nn.Module:
    """Build a LeNet on the rates of `pairs` simple and as many complex cells.

    Images are `(B, channels, side, side)` with side >= 12. The filters are no parameters unless
    they are learned.

    Args:
        num_classes: number of logits K.
        channels: channels of the images.
        side: height and width of the images, in pixels.
        bank: filters of l2 norm 1: fixed `gabor` or `random` ones of mean 0, or `learned` ones that
            begin as random ones.
        pairs: number of pairs of filters.
        kernel: height and width of a filter, in pixels, odd.
        noise: standard deviation of the noise at a rate of 1; 0 for none.
        draws: fixed draws of the noise in evaluation mode, each a pass of the LeNet.
        seed: seed of those draws, and of random filters.
    """
    if bank not in get_args(BankName):
        raise ValueError(f"bank must be one of {', '.join(get_args(BankName))}; got {bank!r}")
    for name, count in {"pairs": pairs, "draws": draws}.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1; got {count}")
    if kernel < 3 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd and at least 3, in pixels; got {kernel}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be finite and not negative; got {noise}")
    source = Randomness(seed, torch.zeros(1, dtype=torch.int64)).stream("front_end")
    random = source.stream("filters").normal((2 * pairs, channels, kernel, kernel))[0]
    filters = gabor_bank(pairs, channels, kernel) if bank == "gabor" else _of_norm_1(random)
    if bank == "learned":
        filters = nn.Parameter(filters)
    fixed = source.stream("noise").normal((draws, 2 * pairs, side, side))[0]
    return FrontEnd(filters, lenet(num_classes, 2 * pairs, side), fixed, noise)


def _of_norm_1(filters: Tensor) -> Tensor:
    """Return filters without their means over the pixels, of l2 norm 1."""
    centred = filters - filters.mean((2, 3), keepdim=True)
    return F.normalize(centred.flatten(1)).view_as(filters)
