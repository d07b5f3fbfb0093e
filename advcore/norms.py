"""The l1, l2 and linf norms as values.

Each gives a length, a projection, the steepest direction and a random point.

All act per sample on `(B, *shape)` over everything but the first axis. Distances are in pixel units
when images are in [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args, overload

import torch
from torch import Tensor

from advcore.randomness import Randomness

NormName = Literal["l1", "l2", "linf"]
L2OrLinf = Literal["l2", "linf"]
"""The norms of an attack that has no step in l1."""
Radius = float | Tensor
"""One radius for all samples, or `(B,)`, one each."""


@dataclass(frozen=True)
class Norm:
    """An lp norm.

    - `size(r)`: `||r||_p`, `(B,)`.
    - `dual(w)`: `||w||_q` with 1/p + 1/q = 1, `(B,)`.
    - `project(r, radius)`: the closest point, in l2, of the ball of that radius.
    - `steepest(w)`: the unit vector `u`, `||u||_p = 1`, with the largest `<w, u> = ||w||_q`; 0
      where `w` is 0. So the shortest `r` with `<w, r> = c` is `c / dual(w) * steepest(w)`.
    - `random(randomness, shape, radius)`: a random point of the ball, `(B, *shape)`.
    """

    name: NormName
    size: Callable[[Tensor], Tensor]
    dual: Callable[[Tensor], Tensor]
    project: Callable[[Tensor, Radius], Tensor]
    steepest: Callable[[Tensor], Tensor]
    random: Callable[[Randomness, tuple[int, ...], Radius], Tensor]


def norm_by_name(name: str) -> Norm:
    """The norm of that name; ValueError lists the known ones."""
    check_norm(name, NormName)
    return NORMS[name]


def check_norm(name: str, allowed: Any) -> None:
    """Raise ValueError unless the norm is one of `allowed`, the `Literal` of a field's type."""
    if name not in get_args(allowed):
        raise ValueError(f"norm must be one of {', '.join(get_args(allowed))}; got {name!r}")


@overload
def per_sample(values: Tensor, like: Tensor) -> Tensor: ...
@overload
def per_sample(values: Radius, like: Tensor) -> Radius: ...
def per_sample(values: Radius, like: Tensor) -> Radius:
    """`(B,)` values shaped to multiply `(B, *shape)`; a float stays one."""
    return values if isinstance(values, float | int) else values.view(-1, *[1] * (like.dim() - 1))


def inside(norm: Norm, r: Tensor, radius: Radius) -> Tensor:
    """Return whether `||r|| <= radius`, `(B,)` bool.

    Each coordinate is forgiven four roundings of a pixel in [0, 1] (5e-7 in float32).

    `x + r` is rounded to the floats near x, and so is `x + r` less `x`; NaN is not inside.
    """
    slack = 4 * torch.finfo(r.dtype).eps
    return norm.size(r.sign() * (r.abs() - slack).clamp(min=0)) <= radius


def project_l1_box(r: Tensor, low: Tensor, high: Tensor, radius: Radius) -> Tensor:
    """Return the closest point, in l2, of `||u||_1 <= radius` and `low <= u <= high`.

    `low <= 0 <= high`; all are `(B, *shape)`.

    It is `sign(r) min(max(|r| - t, 0), c)`, `c` the room toward that side (Croce and Hein 2021,
    Mind the box). Its size is piecewise linear and falls in `t`: the `t` that leaves the radius is
    read off between the sorted breakpoints.
    """
    length = r.flatten(1).abs()
    room = torch.where(r > 0, high, -low).flatten(1)
    bound = torch.as_tensor(radius, dtype=r.dtype, device=r.device).expand(len(r))[:, None]
    capped = length.minimum(room)
    points, order = torch.cat([length - capped, length], 1).sort(
        1
    )  # where a coordinate begins to shrink, and where it is 0
    bends = torch.where(order < length.shape[1], -1.0, 1.0).to(r.dtype)
    slopes = bends.cumsum(1)
    falls = -slopes[:, :-1] * points.diff(dim=1)
    sizes = torch.cat(
        [falls.flip(1).cumsum(1).flip(1), torch.zeros_like(bound)], 1
    )  # summed from 0 up: exact where small
    last = ((sizes > bound).sum(1, keepdim=True) - 1).clamp(min=0)
    slope = slopes.gather(1, last).clamp(max=-1)
    level = points.gather(1, last) + (sizes.gather(1, last) - bound) / -slope
    level = torch.where(capped.sum(1, keepdim=True) > bound, level, 0)
    inside = (length - level).clamp(min=0).minimum(room)
    inside = inside * (
        bound / inside.sum(1, keepdim=True).clamp(min=torch.finfo(r.dtype).tiny)
    ).clamp(max=1)  # rounding only
    return r.sign() * inside.view_as(r)


def sparse_steepest(w: Tensor, count: int | Tensor) -> Tensor:
    """Return the unit l1 vector along the signs of the `count` largest coordinates of `w`.

    It is equal in each of them; 0 where `w` is 0.

    A step of sparse l1 descent (Tramer and Boneh 2019). `count` is at least 1: one number, or
    `(B,)`.
    """
    flat = w.flatten(1)
    ordered = flat.abs().sort(1, descending=True).values
    rank = torch.as_tensor(count, device=w.device).expand(len(w))[:, None] - 1
    signs = flat.sign() * (flat.abs() >= ordered.gather(1, rank.clamp(0, flat.shape[1] - 1)))
    return (signs / signs.abs().sum(1, keepdim=True).clamp(min=1)).view_as(w)


def _l1_size(r: Tensor) -> Tensor:
    return r.flatten(1).abs().sum(1)


def _l2_size(r: Tensor) -> Tensor:
    return torch.linalg.vector_norm(r.flatten(1), dim=1)


def _linf_size(r: Tensor) -> Tensor:
    return r.flatten(1).abs().amax(1)


def _l1_project(r: Tensor, radius: Radius) -> Tensor:
    """Soft thresholding at the level that leaves the radius (Duchi et al. 2008, by sorting)."""
    flat = r.flatten(1).abs()
    bound = torch.as_tensor(radius, dtype=r.dtype, device=r.device).expand(len(r))[:, None]
    ordered = flat.sort(1, descending=True).values
    excess = ordered.cumsum(1) - bound
    counts = torch.arange(1, flat.shape[1] + 1, device=r.device, dtype=r.dtype)
    support = (ordered * counts > excess).sum(1, keepdim=True).clamp(min=1)
    level = (excess.gather(1, support - 1) / support).clamp(min=0)
    return r.sign() * (flat - level).clamp(min=0).view_as(r)


def _l2_project(r: Tensor, radius: Radius) -> Tensor:
    return r * per_sample(
        (radius / _l2_size(r).clamp(min=torch.finfo(r.dtype).tiny)).clamp(max=1), r
    )


def _linf_project(r: Tensor, radius: Radius) -> Tensor:
    bound = per_sample(radius, r)
    return (
        r.clamp(-bound, bound)
        if isinstance(bound, float | int)
        else r.minimum(bound).maximum(-bound)
    )


def _l1_steepest(w: Tensor) -> Tensor:
    flat = w.flatten(1)
    largest = flat.abs().argmax(1, keepdim=True)
    return torch.zeros_like(flat).scatter(1, largest, flat.gather(1, largest).sign()).view_as(w)


def _l2_steepest(w: Tensor) -> Tensor:
    flat = w.flatten(1)
    scale = flat.abs().amax(1, keepdim=True)
    unit = flat / torch.where(
        scale > 0, scale, 1
    )  # first to order 1: the square of a small gradient would underflow
    return (
        unit
        / torch.linalg.vector_norm(unit, dim=1, keepdim=True).clamp(min=torch.finfo(w.dtype).tiny)
    ).view_as(w)


def _l2_random(randomness: Randomness, shape: tuple[int, ...], radius: Radius) -> Tensor:
    direction = _l2_steepest(randomness.stream("direction").normal(shape))
    return direction * per_sample(radius * randomness.stream("radius").uniform(()), direction)


def _l1_random(randomness: Randomness, shape: tuple[int, ...], radius: Radius) -> Tensor:
    uniform = randomness.stream("direction").uniform(shape) - 0.5
    laplace = -uniform.sign() * torch.log1p(-2 * uniform.abs())
    return laplace * per_sample(
        radius * randomness.stream("radius").uniform(()) / _l1_size(laplace), laplace
    )


def _linf_random(randomness: Randomness, shape: tuple[int, ...], radius: Radius) -> Tensor:
    uniform = 2 * randomness.uniform(shape) - 1
    return uniform * per_sample(radius, uniform)


L1 = Norm("l1", _l1_size, _linf_size, _l1_project, _l1_steepest, _l1_random)
L2 = Norm("l2", _l2_size, _l2_size, _l2_project, _l2_steepest, _l2_random)
LINF = Norm("linf", _linf_size, _l1_size, _linf_project, torch.sign, _linf_random)

NORMS: dict[str, Norm] = {"l1": L1, "l2": L2, "linf": LINF}
