"""Elastic transform: a random affine map, and a smooth random displacement of each pixel."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from advcore.corruptions.corruption import Corruption
from advcore.corruptions.filters import gaussian_blur
from advcore.randomness import Randomness

_OF_224 = 244 / 224
"""Length by which ImageNet-C multiplies its shares, of images of 224 pixels, over their side."""


def elastic_transform(
    images: Tensor, randomness: Randomness, alpha: float, sigma: float, affine: float
) -> Tensor:
    """Return the images after an affine map and a displacement, both bilinear.

    Three points around the centre move by up to `affine` along each axis; then each pixel is read
    at a place displaced by `alpha` times uniform noise of [-1, 1] behind a Gaussian filter of
    `sigma`. All three are shares of the shorter side, which makes them those of the original for
    its squares. It reflects at the edges.
    """
    side = min(images.shape[-2:])
    moved = _affine(images, randomness.stream("affine"), affine * side)
    noise = 2 * randomness.stream("displacement").uniform((2, *images.shape[-2:])).double() - 1
    noise = gaussian_blur(noise, sigma * side, truncate=3, border="symmetric")
    down, across = (
        (torch.arange(size, dtype=torch.float64, device=images.device) * 2 + 1) / size - 1
        for size in images.shape[-2:]
    )
    rows, columns = (
        lines.mul(2 * alpha * side / size).add_(rest)
        for lines, size, rest in zip(
            noise.unbind(1), images.shape[-2:], (down[:, None], across), strict=True
        )
    )
    return _read(moved, torch.stack([columns, rows], -1), about_the_edge=True)


def _affine(images: Tensor, randomness: Randomness, reach: float) -> Tensor:
    """Return the images after the affine map that takes three points to places near them."""
    height, width = images.shape[-2:]
    middle, half = (width // 2, height // 2), min(height, width) // 3
    corners = [(1, 1), (1, -1), (-1, -1)]
    points = images.new_tensor([[middle[0] + a * half, middle[1] + b * half] for a, b in corners])
    moved = points + reach * (2 * randomness.uniform((3, 2)).double() - 1)
    ends = images.new_tensor([width - 1, height - 1])  # of pixels, which are -1 and 1 from here on
    one = torch.ones(len(moved), 3, 1, dtype=moved.dtype, device=moved.device)
    moved, points = (2 * places / ends - 1 for places in (moved, points))
    back = torch.linalg.solve(torch.cat([moved, one], 2), points.expand_as(moved))
    grid = affine_grid(back.mT, list(images.shape), align_corners=True)
    return _read(images, grid, about_the_edge=False)


def _read(images: Tensor, grid: Tensor, about_the_edge: bool) -> Tensor:
    """Return images `(B, C, H, W)` between their pixels at places `(B, H, W, 2)`, columns first.

    The places are -1 to 1 from edge to edge, or else from the first pixel to the last. Outside the
    images are reflected, about the edge, or else about the pixel at the edge.
    """
    return grid_sample(
        images,
        grid,
        mode="bilinear",
        padding_mode="reflection",
        align_corners=not about_the_edge,
    )


ELASTIC_TRANSFORM = Corruption(
    elastic_transform,
    small=(
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    ),
    medium=(
        (0, 0, 0.08),
        (0.05, 0.3, 0.06),
        (0.1, 0.08, 0.06),
        (0.1, 0.03, 0.03),
        (0.16, 0.03, 0.02),
    ),
    large=(
        (2 * _OF_224, 0.7 * _OF_224, 0.1 * _OF_224),
        (2 * _OF_224, 0.08 * _OF_224, 0.2 * _OF_224),
        (0.05 * _OF_224, 0.01 * _OF_224, 0.02 * _OF_224),
        (0.07 * _OF_224, 0.01 * _OF_224, 0.02 * _OF_224),
        (0.12 * _OF_224, 0.01 * _OF_224, 0.02 * _OF_224),
    ),
)
