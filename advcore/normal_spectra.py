"""Normals of the boundary (unit minimal perturbations).

How many dimensions they span, and how far two networks share them.

After Moosavi-Dezfooli et al. 2017 (Universal adversarial perturbations, section 5) and Jetley et
al. 2018, whose normals are not centred either.
"""

import torch
from torch import Tensor

from advcore.norms import L2
from advcore.randomness import Randomness


def singular_values(normals: Tensor) -> Tensor:
    """Return the singular values of the matrix whose rows are `normals` `(n, *shape)`.

    The normals are unit vectors; the values descend, in float64. No mean is subtracted.

    Their squares sum to n. All are 1 where the normals are orthogonal; one is `sqrt(n)` and the
    rest 0 where all are parallel.
    """
    rows = normals.detach().flatten(1).double()
    sizes = L2.size(rows)
    if not torch.allclose(sizes, torch.ones_like(sizes), atol=1e-4):
        raise ValueError(
            f"normals must be unit vectors in l2; got sizes {sizes.min():g}..{sizes.max():g}: "
            "make them by advcore.norms.L2.steepest from the perturbations that were found"
        )
    return torch.linalg.svdvals(rows)


def random_singular_values(count: int, dimension: int, seed: int = 0) -> Tensor:
    """Return the singular values of `count` random directions, uniform on the sphere.

    They are what `singular_values` are compared with.
    """
    noise = Randomness(seed, torch.arange(count)).stream("direction").normal((dimension,))
    return singular_values(L2.steepest(noise.double()))


def dimensions_above_random(values: Tensor, random: Tensor) -> int:
    """Return how many singular values exceed the largest of as many random directions.

    More normals share these directions than chance would bring together. For random normals
    themselves the number is 0 or, by chance, one or two.

    It tells signal from noise, which a share of energy kept cannot; but it counts no direction that
    few normals share, and grows with their number. `participation_ratio` counts without a
    threshold.
    """
    if values.shape != random.shape:
        raise ValueError(
            f"as many random directions are needed as normals: got {len(random)} singular "
            f"values against {len(values)}"
        )
    return int((values > random.max()).sum())


def participation_ratio(values: Tensor) -> float:
    """Return `(sum s^2)^2 / sum s^4`, an effective dimension without a threshold.

    It is k where k singular values are equal and the rest 0.

    About `n D / (n + D - 1)` for n random directions in D dimensions. It is ruled by the large
    values, those that are shared; the exponential of their entropy gives more weight to the long
    tail, which grows with n.
    """
    energy = values.double().square()
    return (energy.sum().square() / energy.square().sum()).item()


def principal_angles(one: Tensor, other: Tensor) -> Tensor:
    """Return the angles between the spans of two bases, in radians, ascending.

    The bases `(k, *shape)` and `(l, *shape)` are orthonormal; there are `min(k, l)` angles.

    The cosines are the singular values of `A B^T`; small angles come from the sines instead, which
    are accurate there (Bjorck and Golub 1973). `advcore.subspaces.span(normals, k).basis` is such a
    basis.
    """
    small, large = sorted((_rows(one), _rows(other)), key=len)
    cosines = torch.linalg.svdvals(small @ large.mT)
    sines = torch.linalg.svdvals(small - small @ large.mT @ large).flip(0)
    return torch.atan2(sines[: len(cosines)], cosines)


def overlap(one: Tensor, other: Tensor) -> float:
    """Return the mean squared cosine of the principal angles, in [0, 1].

    It is 1 where one span holds the other, 0 where they are orthogonal.

    `max(k, l) / D` for random subspaces, in the mean.
    """
    one, other = _rows(one), _rows(other)
    return ((one @ other.mT).square().sum() / min(len(one), len(other))).item()


def _rows(basis: Tensor) -> Tensor:
    rows = basis.detach().flatten(1).double()
    if not torch.allclose(
        rows @ rows.mT, torch.eye(len(rows), dtype=rows.dtype, device=rows.device), atol=1e-4
    ):
        raise ValueError(
            "principal angles need orthonormal bases (k, *shape): make them by "
            "advcore.subspaces.span(vectors).basis"
        )
    return rows
