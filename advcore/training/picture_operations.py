"""Operations on pictures, as PIL makes them on 8 bits, for a batch at once.

Each has a number of its own for each picture.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.norms import per_sample

GREYS = 256
"""The greys of 8 bits."""


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each channel of images `(B, C, H, W)` to all of [0, 1], unless it is one grey."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).where(high > low, 1), images)


def equalised(images: Tensor) -> Tensor:
    """Map the 8-bit greys of each channel by their cumulated histogram, as PIL does.

    A step is 1/255 of the pixels without those of the last grey, in whole pixels; a channel in
    which that is none stays as it is.
    """
    greys = _greys(images).flatten(2)
    counts = torch.zeros(*greys.shape[:2], GREYS, dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, greys, torch.ones_like(greys))
    below = counts.cumsum(2) - counts
    last = counts.gather(2, greys.amax(2, keepdim=True))
    step = (greys.shape[2] - last) // (GREYS - 1)
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=GREYS - 1)
    mapped = table.gather(2, greys).view_as(images).to(images.dtype) / (GREYS - 1)
    return torch.where(step[..., None] > 0, mapped, images)


def posterised(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the upper `bits` `(B,)`, int64, 0 to 8, of the 8-bit greys."""
    dropped = per_sample(8 - bits, images)
    kept = (_greys(images) >> dropped) << dropped
    return kept.to(images.dtype) / (GREYS - 1)


def solarised(images: Tensor, threshold: Tensor) -> Tensor:
    """Turn into their negative the pixels whose 8-bit grey is at least `threshold` `(B,)`."""
    return torch.where(_greys(images) >= per_sample(threshold, images), 1 - images, images)


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn images about their middle, counter-clockwise by `degrees` `(B,)`; black outside."""
    angle = torch.deg2rad(degrees.to(images.dtype))
    cos, sin = torch.cos(angle), torch.sin(angle)
    right, down = images.shape[-1] / 2, images.shape[-2] / 2
    rows = [
        [cos, -sin, right - cos * right + sin * down],
        [sin, cos, down - sin * right - cos * down],
    ]
    return _mapped(images, torch.stack([torch.stack(row, 1) for row in rows], 1))


def sheared(images: Tensor, slope: Tensor, axis: int) -> Tensor:
    """Shift each row by `slope` `(B,)` times its height, or each column (`axis` 1) by its place."""
    return _mapped(images, _change(images, slope, axis, 1 - axis))


def translated(images: Tensor, pixels: Tensor, axis: int) -> Tensor:
    """Shift images left (`axis` 0) or up (1) by `pixels` `(B,)`; black where nothing was."""
    return _mapped(images, _change(images, pixels, axis, 2))


def _greys(images: Tensor) -> Tensor:
    """The nearest 8-bit greys, int64."""
    return (images * (GREYS - 1)).round().long()


def _change(images: Tensor, value: Tensor, row: int, column: int) -> Tensor:
    """The map `(B, 2, 3)` that is the identity but for one entry."""
    maps = torch.eye(2, 3, dtype=images.dtype, device=images.device).repeat(len(images), 1, 1)
    maps[:, row, column] = value.to(images.dtype)
    return maps


def _mapped(images: Tensor, maps: Tensor) -> Tensor:
    """Take each pixel from the place to which `maps` `(B, 2, 3)` send it.

    Places are (right, down, 1) in pixels. Bilinear between pixels; black from places outside.
    """
    height, width = images.shape[-2:]
    down = torch.arange(height, dtype=images.dtype, device=images.device) + 0.5
    right = torch.arange(width, dtype=images.dtype, device=images.device) + 0.5
    rows, columns = torch.meshgrid(down, right, indexing="ij")
    places = torch.stack([columns, rows, torch.ones_like(rows)], 2)
    found = torch.einsum("bij,hwj->bhwi", maps, places)
    size = images.new_tensor([width, height])
    inside = ((found >= 0) & (found < size)).all(3)[:, None]
    return inside * resampled(images, found)


def resampled(images: Tensor, places: Tensor) -> Tensor:
    """The values of images at `places` `(B, H, W, 2)`, (right, down) in pixels from the corner.

    Pixel centres are at halves. Bilinear between them; beyond the border, its nearest pixel.
    """
    size = places.new_tensor([images.shape[-1], images.shape[-2]])
    return F.grid_sample(images, 2 * places / size - 1, padding_mode="border", align_corners=False)
