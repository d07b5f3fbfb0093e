"""The normal of the decision boundary from labels alone."""

import math
from typing import Literal

import torch
from torch import Tensor

from advcore.attacks.decisions import Decisions
from advcore.attacks.low_frequencies import LowFrequencies
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
) -> Tensor:
    """Return an estimate of the boundary's normal at `points`, `(B, *shape)`, of no certain length.

    It points to the adversarial side. With noises `e_i` in the basis, of standard deviation 1 a
    coordinate, and `z_i` = 1 where `points + sigma e_i`, clipped to the box, is adversarial, else
    -1, it is the mean over `queries` `(B,)` noises of `(z_i - mean z) e_i`, or of `z_i e_i` where
    all agree; 0 without queries. `sigma` is one number or `(B,)`, in pixel units.

    Where the boundary is flat, the points lie on it and its normal lies in the span of the m basis
    vectors, the cosine of the estimate to the normal is `sqrt(a / (a + m - 1))`, `a = 2 q / pi`, in
    the mean over normal noises. Orthogonal noises are random orthogonal bases of the span, one
    after the other; up to q = m the mean cosine is `sqrt(q) G(m/2) / (sqrt(pi) G((m+1)/2))`, G the
    gamma function, close to `sqrt(2 q / (pi m))`: more for the same queries.

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
        holds = decisions.ask_many(moved.clamp(0, 1), counts)
        asked = torch.arange(BLOCK, device=counts.device) < counts[:, None]
        signs = torch.where(holds, 1.0, -1.0).to(points.dtype) * asked
        signed = signed + (signs[:, None] @ draws)[:, 0]
        plain = plain + (asked.to(points.dtype)[:, None] @ draws)[:, 0]
        total = total + signs.sum(1)
    number = answered.clamp(min=1)[:, None].to(points.dtype)
    mean = total[:, None] / number
    agree = mean.abs() == 1
    return basis.lift((signed - torch.where(agree, 0, mean) * plain) / number)


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
