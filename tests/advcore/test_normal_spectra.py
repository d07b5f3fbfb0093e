"""Dimensions and angles of normals in closed form."""

import math

import oracles
import pytest
import torch

from advcore import normal_spectra
from advcore.norms import L2
from advcore.subspaces import RandomSubspaces, span


def _random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_parallel_and_orthogonal_normals():
    parallel = L2.steepest(_random(1, 2, 3, 3)).expand(6, -1, -1, -1) * torch.tensor(
        [1, -1, 1, 1, -1, 1]
    ).view(-1, 1, 1, 1)
    values = normal_spectra.singular_values(parallel)
    torch.testing.assert_close(
        values, torch.tensor([6**0.5, 0, 0, 0, 0, 0], dtype=torch.float64), rtol=1e-9, atol=1e-7
    )
    assert normal_spectra.participation_ratio(values) == pytest.approx(1)
    orthogonal = torch.eye(20, dtype=torch.float64)[[3, 1, 7, 12, 0, 5]]
    torch.testing.assert_close(
        normal_spectra.singular_values(orthogonal), torch.ones(6, dtype=torch.float64)
    )
    assert normal_spectra.participation_ratio(
        normal_spectra.singular_values(orthogonal)
    ) == pytest.approx(6)


def test_random_directions_have_the_dimension_of_theory():
    values = normal_spectra.random_singular_values(100, 300)
    assert values.square().sum().item() == pytest.approx(100)
    assert normal_spectra.participation_ratio(values) == pytest.approx(100 * 300 / 399, rel=0.02)
    assert values.max().item() == pytest.approx(
        1 + math.sqrt(100 / 300), rel=0.05
    )  # Marchenko and Pastur's edge
    assert (
        normal_spectra.dimensions_above_random(
            normal_spectra.random_singular_values(100, 300, seed=1), values
        )
        <= 2
    )


@pytest.mark.parametrize("shared", [1, 3])
def test_shared_directions_stand_out(shared):
    """Normals of length 1 with most of their energy in a few common directions."""
    common = _random(100, shared) @ torch.linalg.qr(_random(300, shared, seed=1)).Q.mT
    rows = L2.steepest(
        common / common.norm(dim=1, keepdim=True) + 0.5 * L2.steepest(_random(100, 300, seed=2))
    )
    values = normal_spectra.singular_values(rows)
    assert (
        normal_spectra.dimensions_above_random(
            values, normal_spectra.random_singular_values(100, 300)
        )
        == shared
    )
    assert shared <= normal_spectra.participation_ratio(values) < 2 * shared


def test_principal_angles_between_planes():
    angles = torch.tensor([1e-9, 0.3, 1.2], dtype=torch.float64)
    one, other = torch.zeros(3, 8, dtype=torch.float64), torch.zeros(4, 8, dtype=torch.float64)
    for row, angle in enumerate(angles):
        one[row, row] = 1
        other[row, row], other[row, row + 3] = angle.cos(), angle.sin()
    other[3, 7] = 1
    turn = torch.linalg.qr(_random(8, 8)).Q
    mixed = torch.linalg.qr(_random(4, 4)).Q @ other @ turn
    for pair in ((one @ turn, mixed), (mixed, one @ turn)):
        torch.testing.assert_close(
            normal_spectra.principal_angles(*pair), angles, rtol=1e-6, atol=1e-14
        )
        assert normal_spectra.overlap(*pair) == pytest.approx(angles.cos().square().mean().item())


def test_overlap_of_random_spans_and_of_a_span_with_a_part_of_itself():
    shape = (1, 10, 10)
    family = RandomSubspaces(60, 5)(shape)
    mean = sum(normal_spectra.overlap(family[i].basis, family[i + 1].basis) for i in range(59)) / 59
    assert mean == pytest.approx(5 / 100, abs=0.01)
    vectors = oracles.images(6, shape)
    whole, part = span(vectors), span(vectors[:2])
    assert normal_spectra.overlap(part.basis, whole.basis) == pytest.approx(1)
    assert normal_spectra.principal_angles(part.basis, whole.basis).max() < 1e-7


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: normal_spectra.singular_values(2 * torch.eye(3)),
            "normals must be unit vectors in l2; got sizes 2..2: make them by",
        ),
        (
            lambda: normal_spectra.dimensions_above_random(torch.ones(3), torch.ones(4)),
            "got 4 singular values against 3",
        ),
        (lambda: normal_spectra.overlap(torch.ones(2, 4), torch.eye(4)), "need orthonormal bases"),
    ],
)
def test_bad_input_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
