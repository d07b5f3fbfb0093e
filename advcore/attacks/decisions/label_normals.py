"""The normal of the decision boundary from labels alone."""

import math
from typing import Literal

import torch
from torch import Tensor

from advcore.attacks.decisions.answers import Decisions
from advcore.attacks.decisions.low_frequencies import LowFrequencies
from advcore.norms import Radius, per_sample
from advcore.randomness import Randomness

Noise = Literal["normal", "orthogonal"]
BLOCK = 64
"""Number of noises of each sample that are sent forward at once."""


def normal_from_labels(
    decisions: Decisions,
    points: Tensor,
    basis: LowFrequencies,
    queries: Tensor,
    sigma: Radius,
    randomness: Randomness,
    noise: Noise = "normal",
    box: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return an estimate of the boundary's normal, and the share of adversarial noises.

    The estimate `(B, *shape)` has no certain length; the share is `(B,)`, 0 without queries.
    It points to the adversarial side. With noises `e_i` in the basis, of standard deviation 1 a
    coordinate, and `z_i` = 1 where `points + sigma e_i`, clipped to [0, 1] with a `box`, is
    adversarial, else -1, it is the mean over `queries` `(B,)` noises of `(z_i - mean z) e_i`, or of
    `z_i e_i` where all agree; 0 without queries. `sigma` is one number or `(B,)`, in pixel units.

    The mean cosine to the normal of a flat boundary is `expected_cosine`.

    Sources: Liu et al. 2019 (qFool), Rahmati et al. 2020 (GeoDA), Chen et al. 2020 (the mean that
    is taken off).
    """
    answered = queries.minimum(decisions.left).clamp(min=0)
    signed, plain = (points.new_zeros(len(points), basis.dim) for _ in range(2))
    total = points.new_zeros(len(points))
    for first in range(0, int(answered.max()), BLOCK):
        draws = drawn_noise(basis.dim, first, noise, randomness).to(points.dtype)
        moved = points[:, None] + per_sample(sigma, points[:, None]) * basis.lift(draws)
        counts = (answered - first).clamp(0, BLOCK)
        holds = decisions.ask_many(moved.clamp(0, 1) if box else moved, counts)
        asked = torch.arange(BLOCK, device=counts.device) < counts[:, None]
        signs = torch.where(holds, 1.0, -1.0).to(points.dtype) * asked
        signed = signed + (signs[:, None] @ draws)[:, 0]
        plain = plain + (asked.to(points.dtype)[:, None] @ draws)[:, 0]
        total = total + signs.sum(1)
    number = answered.clamp(min=1)[:, None].to(points.dtype)
    mean = total[:, None] / number
    agree = mean.abs() == 1
    share = (total + answered) / (2 * number[:, 0])
    return basis.lift((signed - torch.where(agree, 0, mean) * plain) / number), share


def expected_cosine(noise: Noise, queries: int, dim: int) -> float:
    """Return the mean cosine of an estimate to the normal of a flat boundary in `dim` dimensions.

    The points lie on the boundary. It is `sqrt(a / (a + dim - 1))`, `a = 2 q / pi`, for normal
    noise. Orthogonal noise has `c = sqrt(dim) G(dim/2) / (sqrt(pi) G((dim+1)/2))` after one basis,
    G the gamma function, which nears sqrt(2 / pi); `c sqrt(q / dim)` before, exactly, and after
    `t = q / dim` bases `sqrt(t c^2 / (t c^2 + 1 - c^2))`.
    """
    if noise == "normal":
        a = 2 * queries / math.pi
        return math.sqrt(a / (a + dim - 1))
    log = math.lgamma(dim / 2) - math.lgamma((dim + 1) / 2)
    square, turns = dim / math.pi * math.exp(2 * log), queries / dim
    return math.sqrt(turns * square / max(turns * square + 1 - square, 1))


def drawn_noise(dim: int, first: int, noise: Noise, randomness: Randomness) -> Tensor:
    """Return the noises number `first` to `first + BLOCK` of each sample, `(B, BLOCK, dim)`."""
    if noise == "normal":
        return randomness.stream("normal", first).normal((BLOCK, dim))
    numbers = torch.arange(first, first + BLOCK)
    parts = [
        _orthogonal(dim, numbers[numbers // dim == turn] % dim, randomness.stream("basis", turn))
        for turn in (numbers // dim).unique().tolist()
    ]
    return torch.cat(parts, 1)


def _orthogonal(dim: int, numbers: Tensor, randomness: Randomness) -> Tensor:
    """Return the vectors `numbers` `(n,)` of a random orthogonal basis, of length sqrt(dim).

    It holds the rows of the DCT's matrix in random order, with random signs of its columns:
    `(B, n, dim)`, at the cost of writing it.
    """
    order = randomness.stream("order").uniform((dim,)).argsort(1)
    signs = torch.where(randomness.stream("signs").uniform((1, dim)) < 0.5, -1.0, 1.0)
    rows = order[:, numbers.to(order.device), None]
    angles = rows * (2 * torch.arange(dim, device=order.device) + 1) % (4 * dim)
    waves = torch.cos(angles * (math.pi / (2 * dim)))
    return signs * torch.where(rows == 0, 1.0, math.sqrt(2) * waves)
