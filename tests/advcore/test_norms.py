"""Norms by their defining properties."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advcore import Randomness, norms

NORMS = list(norms.NORMS.values())
ORDERS = {"l1": 1, "l2": 2, "linf": torch.inf}

every_norm = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
vectors = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=7).map(
    lambda values: torch.tensor([values], dtype=torch.float64)
)


def _normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@every_norm
def test_size_and_dual(norm):
    r = _normal(5, 2, 3, 3)
    order = ORDERS[norm.name]
    dual = {1: torch.inf, 2: 2, torch.inf: 1}[order]
    torch.testing.assert_close(
        norm.size(r), torch.linalg.vector_norm(r.flatten(1), ord=order, dim=1)
    )
    torch.testing.assert_close(
        norm.dual(r), torch.linalg.vector_norm(r.flatten(1), ord=dual, dim=1)
    )


@every_norm
@settings(deadline=None, derandomize=True)
@given(r=vectors, radius=st.floats(0, 20))
def test_projection_lands_inside_is_idempotent_and_leaves_inside_points(norm, r, radius):
    projected = norm.project(r, radius)
    assert norm.size(projected).item() <= radius * (1 + 1e-12) + 1e-12
    torch.testing.assert_close(norm.project(projected, radius), projected)
    if norm.size(r).item() <= radius:
        torch.testing.assert_close(projected, r)


@every_norm
@settings(deadline=None, derandomize=True)
@given(r=vectors, radius=st.floats(0.01, 20), seed=st.integers(0, 1000))
def test_projection_is_closer_than_any_other_point_of_the_ball(norm, r, radius, seed):
    candidates = _normal(200, r.shape[1], seed=seed)
    candidates = candidates * (radius / norm.size(candidates)[:, None])
    best = (candidates - r).norm(dim=1).min()
    assert (norm.project(r, radius) - r).norm() <= best + 1e-9


@every_norm
def test_projection_satisfies_the_variational_inequality(norm):
    """<r - P r, v - P r> <= 0 for all v of the ball characterises the projection on a convex set;
    vertices v suffice.
    """
    r = 3 * _normal(6, 5)
    projected = norm.project(r, 0.7)
    corners = torch.cartesian_prod(*[torch.tensor([-0.7, 0.7], dtype=torch.float64)] * 5)
    vertices = {"l1": 0.7 * torch.cat([torch.eye(5), -torch.eye(5)]).double(), "linf": corners}.get(
        norm.name
    )
    if vertices is None:
        vertices = 0.7 * norm.steepest(r - projected)
    assert (
        torch.einsum("bd,bvd->bv", r - projected, vertices[None] - projected[:, None]) <= 1e-12
    ).all()


@every_norm
@pytest.mark.parametrize("shape", [(4, 1, 1, 1), (4, 3, 2, 2)])
def test_projection_with_a_radius_for_each_sample(norm, shape):
    r, radii = 3 * _normal(*shape), torch.tensor([0.0, 0.5, 1.0, 100.0], dtype=torch.float64)
    together = norm.project(r, radii)
    alone = torch.cat([norm.project(r[i : i + 1], radii[i].item()) for i in range(4)])
    torch.testing.assert_close(together, alone)
    assert together.shape == r.shape


@every_norm
@settings(deadline=None, derandomize=True)
@given(w=vectors)
def test_steepest_attains_the_dual_norm(norm, w):
    unit = norm.steepest(w)
    assert (w * unit).sum().item() == pytest.approx(norm.dual(w).item(), rel=1e-9, abs=1e-30)
    if w.any():
        assert norm.size(unit).item() == pytest.approx(1)


@every_norm
def test_zero_vectors_stay_zero(norm):
    zero = torch.zeros(2, 1, 3, 3)
    for result in (norm.steepest(zero), norm.project(zero, 1.0), norm.project(zero, 0.0)):
        assert torch.equal(result, zero)
    assert torch.equal(norm.size(zero), torch.zeros(2))


@every_norm
def test_steepest_of_very_small_gradients(norm):
    w = 1e-30 * _normal(3, 1, 4, 4).float()
    torch.testing.assert_close(norm.size(norm.steepest(w)), torch.ones(3))


@every_norm
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8, 8)])
def test_random_points_fill_the_ball(norm, shape):
    points = norm.random(Randomness(0, torch.arange(300)), shape, 0.3)
    assert points.shape == (300, *shape)
    sizes = norm.size(points)
    assert sizes.max() <= 0.3 * (1 + 1e-6)
    assert sizes.max() > 0.28
    assert points.mean().abs() < 0.02


@every_norm
def test_random_points_with_a_radius_for_each_sample(norm):
    source, radii = Randomness(0, torch.arange(3)), torch.tensor([0.1, 1.0, 10.0])
    unit = norm.random(source, (2, 2), 1.0)
    torch.testing.assert_close(norm.random(source, (2, 2), radii), unit * radii[:, None, None])


def test_l2_random_directions_have_no_preference():
    points = norms.L2.random(Randomness(0, torch.arange(20_000)), (2,), 1.0)
    angles = torch.atan2(points[:, 1], points[:, 0])
    assert torch.histc(angles, 8, -torch.pi, torch.pi).sub(2500).abs().max() < 5 * 2500**0.5
    assert (
        torch.histc(points.norm(dim=1), 4, 0, 1).sub(5000).abs().max() < 5 * 5000**0.5
    )  # a uniform radius


@settings(deadline=None, derandomize=True, max_examples=50)
@given(radius=st.floats(1e-3, 8), seed=st.integers(0, 1000))
def test_l1_box_projection_is_the_closest_point_of_both(radius, seed):
    r = 2 * _normal(20, 2, 3, seed=seed)
    high = torch.rand(
        20, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    ).round(decimals=1)
    low = high - 1
    low[:3], high[:3] = 0, 0  # nowhere to go
    projected = norms.project_l1_box(r, low, high, radius)
    assert (norms.L1.size(projected) <= radius * (1 + 1e-12)).all()
    assert ((projected >= low) & (projected <= high)).all()
    torch.testing.assert_close(norms.project_l1_box(projected, low, high, radius), projected)
    others = torch.rand(400, 20, 2, 3, dtype=torch.float64) * (high - low) + low
    others = others * (radius / others.abs().flatten(2).sum(2)).clamp(max=1)[..., None, None]
    assert ((r - projected) * (others - projected)).flatten(2).sum(
        2
    ).max() <= 1e-9  # the variational inequality


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_l1_box_projection_without_walls_is_the_projection_on_the_ball(dtype):
    r = (3 * _normal(6, 3, 10, 10)).to(dtype)
    wall, radii = (
        torch.full_like(r, 100.0),
        torch.tensor([0.1, 1.0, 5.0, 20.0, 100.0, 1e4], dtype=dtype),
    )
    torch.testing.assert_close(
        norms.project_l1_box(r, -wall, wall, radii),
        norms.L1.project(r, radii),
        rtol=1e-4,
        atol=1e-5,
    )


def test_sparse_steepest_spreads_over_the_largest_coordinates():
    w = torch.tensor([[3.0, -5.0, 0.0, 1.0], [0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    expected = torch.tensor([[0.5, -0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert torch.equal(norms.sparse_steepest(w, 2), expected)
    assert torch.equal(
        norms.sparse_steepest(w, torch.tensor([1, 4, 4]))[0], torch.tensor([0.0, -1.0, 0.0, 0.0])
    )


def test_unknown_norm():
    with pytest.raises(ValueError, match="norm must be one of l1, l2, linf; got 'l3'"):
        norms.norm_by_name("l3")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inside_forgives_rounding_and_no_more(dtype):
    eps, images = 8 / 255, (torch.arange(247, dtype=dtype) / 255).view(-1, 1, 1, 1)
    steps = torch.arange(247, dtype=dtype).view(-1, 1, 1, 1)
    for name in norms.NORMS:
        norm = norms.norm_by_name(name)
        assert norms.inside(norm, (steps + 8) / 255 - images, eps).all()
        assert not norms.inside(norm, (steps + 8.001) / 255 - images, eps).any()
    each = torch.where(torch.arange(247) % 2 == 0, eps, 0.03).to(dtype)
    assert torch.equal(norms.inside(norms.LINF, (steps + 8) / 255 - images, each), each > 0.03)
    assert not norms.inside(norms.L2, images * torch.nan, eps).any()
