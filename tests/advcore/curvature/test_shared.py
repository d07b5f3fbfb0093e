import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.curvature import (
    DifferenceHessian,
    Ends,
    InputHessian,
    Mean,
    Stacked,
    curvature_along,
    energy,
    lanczos,
    random_basis,
)

COUNT, DIMENSION, CLASSES = 6, 16, 4
LABELS = torch.arange(COUNT) % CLASSES
ONE = Randomness(0, torch.zeros(1, dtype=torch.int64))


def _hessian(network, rows=slice(None), step=0.0):
    def objective(logits):
        return F.cross_entropy(logits, LABELS[rows], reduction="none")

    images = oracles.images(COUNT)[rows]
    return (
        DifferenceHessian(network, images, objective, step)
        if step
        else InputHessian(network, images, objective)
    )


def _top(matrix, count):
    values, vectors = torch.linalg.eigh(matrix)
    order = values.abs().argsort(descending=True)[:count]
    return values[order], vectors.mT[order]


@pytest.mark.parametrize("network", [oracles.relu(), oracles.softplus()], ids=["relu", "softplus"])
def test_lanczos_on_the_mean_finds_the_eigenvectors_of_the_mean_matrix(network):
    parts = [_hessian(network, slice(0, 2)), _hessian(network, slice(2, None))]
    pairs = lanczos(Mean(parts), ONE, DIMENSION, 3, torch.float64, tolerance=1e-9)
    values, vectors = _top(_hessian(network).dense().mean(0), 3)
    torch.testing.assert_close(pairs.values[0], values, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close((pairs.vectors[0] * vectors).sum(1).abs(), torch.ones(3).double())


def test_eigenpairs_gathered_from_shards_give_the_same_directions():
    """K - 1 pairs a sample are all there are for a piecewise linear network."""
    network, indices = oracles.relu(), torch.arange(COUNT)
    shards = []
    for rows in (slice(0, 4), slice(4, None)):
        source = Randomness(0, indices[rows])
        shards.append(
            lanczos(
                _hessian(network, rows),
                source,
                DIMENSION,
                CLASSES - 1,
                torch.float64,
                tolerance=1e-9,
            )
        )
    values, vectors = (
        torch.cat([getattr(shard, name) for shard in shards]) for name in ("values", "vectors")
    )
    gathered = lanczos(Stacked(values, vectors), ONE, DIMENSION, 3, torch.float64, tolerance=1e-9)
    expected, directions = _top(_hessian(network).dense().mean(0), 3)
    torch.testing.assert_close(gathered.values[0], expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(
        (gathered.vectors[0] * directions).sum(1).abs(), torch.ones(3).double()
    )


def test_what_is_left_out_of_a_stack_moves_no_eigenvalue_by_more_than_its_bound():
    hessian = _hessian(oracles.softplus())
    exact = torch.linalg.eigvalsh(hessian.dense().mean(0))
    pairs = lanczos(hessian, Randomness(0, torch.arange(COUNT)), DIMENSION, 5, torch.float64)
    whole = lanczos(
        Stacked(pairs.values, pairs.vectors), ONE, DIMENSION, Ends(8, 8), torch.float64
    ).values[0]
    error = (whole - exact.flip(0)).abs().max()
    assert 0 < error <= pairs.values[:, -1].abs().mean()


def test_at_a_step_too():
    operator = _hessian(oracles.relu(), step=0.3)
    vector = torch.randn(1, DIMENSION, dtype=torch.float64)
    torch.testing.assert_close(
        Mean([operator]) @ vector, (operator @ vector.expand(COUNT, -1)).mean(0, keepdim=True)
    )


def test_energy():
    basis = torch.eye(DIMENSION, dtype=torch.float64)[:3]
    inside, outside = torch.zeros(2, 1, 4, 4, dtype=torch.float64).unbind(0)
    inside[0, 0, 1], outside[0, 3, 3] = 2.0, 5.0
    both = inside + outside
    share = energy(basis, torch.stack([inside, outside, both, torch.zeros_like(both)]))
    torch.testing.assert_close(
        share[:3], torch.tensor([1.0, 0.0, 2 / 29**0.5], dtype=torch.float64)
    )
    assert share[3].isnan()


def test_energy_of_random_directions_is_about_the_root_of_m_over_d():
    basis = random_basis(ONE, 30, 300, torch.float64)
    torch.testing.assert_close(basis @ basis.mT, torch.eye(30, dtype=torch.float64))
    noise = torch.randn(400, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(energy(basis, noise).square().mean().item(), 0.1, rtol=0.05, atol=0)


def test_curvature_of_each_sample_along_shared_directions():
    hessian = _hessian(oracles.softplus())
    directions = random_basis(ONE, 4, DIMENSION, torch.float64)
    expected = torch.einsum("md,bde,me->bm", directions, hessian.dense(), directions)
    torch.testing.assert_close(curvature_along(hessian, directions, COUNT), expected)
    every = curvature_along(hessian, random_basis(ONE, DIMENSION, DIMENSION, torch.float64), COUNT)
    torch.testing.assert_close(
        every.sum(1), hessian.dense().diagonal(dim1=1, dim2=2).sum(1)
    )  # a whole basis sums to the trace


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Mean([]), "a mean needs at least one Hessian; got none"),
        (
            lambda: Mean([_hessian(oracles.relu())]) @ torch.zeros(2, DIMENSION),
            "the randomness of one sample.*got 2",
        ),
        (
            lambda: Stacked(torch.ones(2, 3), torch.ones(2, 4, 5)),
            r"vectors \(N, k, D\); got \(2, 3\) and \(2, 4, 5\)",
        ),
        (
            lambda: random_basis(ONE, 17, DIMENSION, torch.float64),
            "count must lie in 1..16, the dimension; got 17",
        ),
        (
            lambda: random_basis(Randomness(0, torch.arange(2)), 2, DIMENSION, torch.float64),
            "the randomness of one sample.*got 2",
        ),
    ],
)
def test_bad_input_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
