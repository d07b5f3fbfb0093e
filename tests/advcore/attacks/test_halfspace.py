"""The projection onto a hyperplane inside the box, by what defines it."""

import pytest
import torch

from advcore import norms
from advcore.attacks.halfspace import step_to_hyperplane

NORMS = ["l1", "l2", "linf"]


def problem(
    seed: int, samples: int = 40, dimension: int = 30
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Origins in the box, half their coordinates on its walls; normals with some zeros; gaps up to
    what the box can give.
    """
    generator = torch.Generator().manual_seed(seed)
    origin = (
        torch.rand(samples, dimension, generator=generator, dtype=torch.float64) * 2 - 0.5
    ).clamp(0, 1)
    normal = torch.randn(samples, dimension, generator=generator, dtype=torch.float64)
    normal[:, ::7] = 0
    most = (normal.abs() * torch.where(normal > 0, 1 - origin, origin)).sum(1)
    return origin, normal, most * torch.rand(samples, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", NORMS)
def test_the_way_lands_on_the_hyperplane_and_in_the_box(name: str) -> None:
    origin, normal, gap = problem(0)
    way = step_to_hyperplane(norms.norm_by_name(name), origin, normal, gap)
    torch.testing.assert_close((way * normal).sum(1), gap)
    assert (origin + way).min() >= -1e-12
    assert (origin + way).max() <= 1 + 1e-12


@pytest.mark.parametrize("name", NORMS)
def test_no_other_point_of_hyperplane_and_box_is_closer(name: str) -> None:
    """Random feasible points, near and far: each is made to close the same gap by moving along the
    way's own room.
    """
    norm = norms.norm_by_name(name)
    origin, normal, gap = problem(1)
    way = step_to_hyperplane(norm, origin, normal, gap)
    room = torch.where(normal > 0, 1 - origin, origin)
    generator = torch.Generator().manual_seed(2)
    for spread in (0.01, 0.1, 1.0):
        for _ in range(200):
            other = (
                way
                + spread * torch.randn(way.shape, generator=generator, dtype=torch.float64) * room
            )
            other = (origin + other).clamp(0, 1) - origin
            closes = (other * normal).sum(1) >= gap
            assert (norm.size(other)[closes] >= norm.size(way)[closes] - 1e-9).all()


@pytest.mark.parametrize("name", NORMS)
def test_far_from_the_walls_the_box_changes_nothing(name: str) -> None:
    norm = norms.norm_by_name(name)
    origin, normal, _ = problem(3)
    origin = torch.full_like(origin, 0.5)
    gap = torch.full((len(origin),), 1e-3, dtype=torch.float64)
    way = step_to_hyperplane(norm, origin, normal, gap)
    torch.testing.assert_close(way, step_to_hyperplane(norm, origin, normal, gap, box=False))
    torch.testing.assert_close(norm.size(way), gap / norm.dual(normal))


@pytest.mark.parametrize("name", NORMS)
def test_a_hyperplane_out_of_reach_leads_to_the_nearest_corner(name: str) -> None:
    origin, normal, _ = problem(4)
    gap = torch.full((len(origin),), 1e3, dtype=torch.float64)
    way = step_to_hyperplane(norms.norm_by_name(name), origin, normal, gap)
    corner = torch.where(normal > 0, 1 - origin, -origin) * (normal != 0)
    torch.testing.assert_close(way, corner)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("box", [True, False])
def test_a_closed_gap_or_no_normal_needs_no_way(name: str, box: bool) -> None:
    origin, normal, gap = problem(5)
    assert not step_to_hyperplane(
        norms.norm_by_name(name), origin, normal, torch.zeros_like(gap), box
    ).any()
    nowhere = step_to_hyperplane(
        norms.norm_by_name(name), origin, torch.zeros_like(normal), gap, box
    )
    assert torch.equal(nowhere, torch.zeros_like(nowhere))
