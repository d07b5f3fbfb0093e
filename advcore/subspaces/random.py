"""Random subspaces, uniform among all of their dimension (Fawzi et al. 2016)."""

import math
from dataclasses import dataclass

import torch

from advcore.randomness import Randomness
from advcore.subspaces.members import Members
from advcore.subspaces.span import Span


@dataclass(frozen=True)
class RandomSubspaces:
    """The spans of `dim` Gaussian vectors each: uniformly distributed (Haar), as Gaussian vectors have no preferred direction.

    The margin in one is about sqrt(D / dim) times the margin in image space where the boundary is flat. Deterministic; with the
    same seed subspace i of a smaller dimension lies inside subspace i of a larger one. Holds count x dim x D numbers in float64.

    Attributes:
        count: how many.
        dim: the dimension of each.
        seed: of the Gaussian vectors.
    """

    count: int = 10
    dim: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("count", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")

    def __call__(self, shape: tuple[int, int, int]) -> Members:
        spans = random_spans(Randomness(self.seed, torch.arange(self.count)), shape, self.dim)
        return Members(tuple(Span(basis) for basis in spans.basis))


def random_spans(randomness: Randomness, shape: tuple[int, ...], dim: int) -> Span:
    """A random subspace for each row of a batch, in float64: the spans of its first `dim` Gaussian vectors of `shape` (C, H, W).

    That of a smaller dimension is spanned by the first images of the basis of a larger one.
    """
    dimension = math.prod(shape)
    if not 1 <= dim <= dimension:
        raise ValueError(f"random subspaces of images {tuple(shape)} have a dim of 1 to {dimension}; got {dim}")
    noise = randomness.stream("subspace").normal((dim, dimension)).double()
    return Span(torch.linalg.qr(noise.mT).Q.mT.reshape(-1, dim, *shape))
