"""Random subspaces, uniform among all of their dimension (Fawzi et al. 2016)."""

import math
from dataclasses import dataclass

import torch

from advcore.randomness import Randomness
from advcore.subspaces.members import Members
from advcore.subspaces.spans import Span

ANGLES = 2**16
"""Steps of the integral in `median_projection`."""


@dataclass(frozen=True)
class RandomSubspaces:
    """The spans of `dim` Gaussian vectors each, uniformly distributed (Haar).

    Gaussian vectors have no preferred direction.

    The margin in one is some sqrt(D / dim) times the margin in image space where the boundary is
    flat, in the median 1 / `median_projection(dim, D)` times. Deterministic; with the same seed
    subspace i of a smaller dimension lies inside subspace i of a larger one. Holds count x dim x D
    numbers in float64.

    Attributes:
        count: number of subspaces.
        dim: dimension of each.
        seed: seed of the Gaussian vectors.
    """

    count: int = 10
    dim: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("count", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")

    def __call__(self, shape: tuple[int, ...]) -> Members:
        """Return the family for inputs of `shape`, (C, H, W) for images."""
        spans = random_spans(Randomness(self.seed, torch.arange(self.count)), shape, self.dim)
        return Members(tuple(Span(basis, spans.rank) for basis in spans.basis))


def random_spans(randomness: Randomness, shape: tuple[int, ...], dim: int) -> Span:
    """Return a random subspace for each row of a batch, in float64.

    It is the span of the row's first `dim` Gaussian vectors of `shape`, (C, H, W) for images.

    That of a smaller dimension is spanned by the first images of the basis of a larger one.
    """
    dimension = math.prod(shape)
    if not 1 <= dim <= dimension:
        raise ValueError(
            f"random subspaces of images {tuple(shape)} have a dim of 1 to {dimension}; got {dim}"
        )
    noise = randomness.stream("subspace").normal((dim, dimension)).double()
    return Span(torch.linalg.qr(noise.mT).Q.mT.reshape(-1, dim, *shape), len(shape))


def median_projection(dim: int, dimension: int) -> float:
    """Return the median of `||P u||_2` for a unit vector u in `dimension` dimensions.

    P projects onto a random subspace of `dim` of them.

    The square of that length has the distribution Beta(dim / 2, (dimension - dim) / 2), so the
    length is sin(t), with t in [0, pi / 2] of a density that goes as `sin(t)^(dim - 1)
    cos(t)^(dimension - dim - 1)`, which is integrated numerically: to 2e-5 in 150,528 dimensions,
    to 1e-7 in 784. About `sqrt(dim / dimension)`, but 0.675 of it for dim = 1.
    """
    if not 1 <= dim <= dimension:
        raise ValueError(
            f"dim must lie between 1 and the {dimension} dimensions of the whole; got {dim}"
        )
    if dim == dimension:
        return 1.0
    angle = torch.linspace(0, math.pi / 2, ANGLES + 1, dtype=torch.float64)
    inside, outside = angle.new_tensor([dim - 1, dimension - dim - 1])
    logarithm = torch.xlogy(inside, angle.sin()) + torch.xlogy(outside, angle.cos().clamp(min=0))
    below = torch.cumulative_trapezoid((logarithm - logarithm.max()).exp(), angle)
    after = int(torch.searchsorted(below, below[-1] / 2))
    before = below[after - 1] if after else below.new_zeros(())
    share = (below[-1] / 2 - before) / (below[after] - before)
    return math.sin(angle[after].item() + share.item() * angle[1].item())
