"""Exact margins of affine classifiers inside the box [0, 1], per norm, in float64: the oracle of
the minimal-norm attacks.
"""

import oracles
import torch
from torch import Tensor


def problem(
    classes: int, scale: float, boxed: bool, shape: tuple[int, ...] = (3, 8, 8), count: int = 64
) -> tuple[oracles.Affine, Tensor]:
    """A float32 affine classifier and images: near gray, far from the box, or with a half of their
    pixels on its faces.
    """
    affine = oracles.Affine(classes=classes, shape=shape, scale=scale, dtype=torch.float32)
    images = oracles.images(count, shape, torch.float32, spread=0.3)
    return affine, ((images - 0.5) / 0.15 + 0.5).clamp(0, 1) if boxed else images


def margins(affine: oracles.Affine, images: Tensor, norm: str, boxed: bool = True) -> Tensor:
    """The norm of the shortest `r` with `x + r` (in the box, if `boxed`) on the boundary of the
    label, `(B,)`: an affine label's region is bounded by half-spaces, so it is the least of K - 1
    distances to one.
    """
    weight, images = affine.weight.detach().double(), images.double()
    logits = (images - 0.5).flatten(1) @ weight.mT + affine.bias.detach().double()
    own = logits.argmax(1)
    normals = weight - weight[own][:, None]
    gaps = logits.gather(1, own[:, None]) - logits
    room = torch.where(normals > 0, 1 - images.flatten(1)[:, None], images.flatten(1)[:, None])
    room = room if boxed else torch.full_like(normals, 1e6)
    return _distances(normals.abs(), room, gaps, norm).scatter(1, own[:, None], torch.inf).amin(1)


def _distances(slopes: Tensor, room: Tensor, gaps: Tensor, norm: str) -> Tensor:
    """Least norm of `0 <= r <= room` with `<slopes, r> = gaps`, over the last axis; inf where there
    is none.
    """
    if norm in ("l0", "l1"):
        gains = slopes * room
        order = (gains if norm == "l0" else slopes).argsort(-1, descending=True)
        total = gains.gather(-1, order).cumsum(-1)
        used = (total < gaps[..., None]).sum(-1)
        last = used.clamp(max=slopes.shape[-1] - 1)[..., None]
        if norm == "l0":
            size = used + 1.0
        else:
            before = (total - gains.gather(-1, order)).gather(-1, last)[..., 0]
            whole = (
                room.gather(-1, order).cumsum(-1).gather(-1, last)[..., 0]
                - room.gather(-1, order).gather(-1, last)[..., 0]
            )
            size = whole + (gaps - before) / slopes.gather(-1, order).gather(-1, last)[..., 0]
        return torch.where(used < slopes.shape[-1], size, torch.inf)
    direction = slopes if norm == "l2" else (slopes > 0).double()
    low = torch.zeros_like(gaps)
    high = torch.full_like(gaps, 1e12)
    for _ in range(200):
        middle = torch.where(low > 0, (low * high).sqrt(), high * 1e-24)
        enough = (slopes * (middle[..., None] * direction).minimum(room)).sum(-1) >= gaps
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    level = (high[..., None] * direction).minimum(room)
    size = level.norm(dim=-1) if norm == "l2" else level.amax(-1)
    return torch.where((slopes * room).sum(-1) >= gaps, size, torch.inf)
