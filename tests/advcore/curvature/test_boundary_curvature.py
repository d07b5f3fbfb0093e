import oracles
import pytest
import torch

from advcore import Randomness
from advcore.curvature import Ends, boundary_points, lanczos, principal_curvatures, shape_operator

COUNT, DIMENSION = 4, 16
CENTER = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
INSIDE, OUTSIDE = torch.zeros(COUNT, dtype=torch.int64), torch.ones(COUNT, dtype=torch.int64)


@pytest.mark.parametrize("radius", [0.4, 2.0])
@pytest.mark.parametrize("step", [0.0, 0.1])
def test_a_sphere_has_one_over_r_everywhere(radius, step):
    """Around the own class positive, seen from outside negative; images inside and outside find the
    same boundary.
    """
    sphere, images = oracles.Sphere(radius, CENTER), oracles.images(COUNT)
    found = boundary_points(sphere, images)
    assert found.found.all()
    torch.testing.assert_close(
        (found.images - CENTER).flatten(1).norm(dim=1),
        torch.full((COUNT,), radius).double(),
        rtol=1e-6,
        atol=0,
    )
    assert torch.equal(found.own, sphere(images).argmax(1))
    assert torch.equal(found.beyond, 1 - found.own)
    curvatures = principal_curvatures(sphere, found.images, found.beyond, found.own, step)
    sign = torch.where(found.own == 0, 1.0, -1.0)[:, None].double()
    torch.testing.assert_close(
        curvatures, (sign / radius).expand(COUNT, DIMENSION - 1), rtol=1e-6, atol=0
    )


def test_the_shape_operator_of_a_sphere():
    """(I - n n^T) / r, n pointing away from the centre."""
    sphere = oracles.Sphere(0.5, CENTER)
    points = boundary_points(sphere, oracles.images(COUNT)).images
    operator = shape_operator(sphere, points, OUTSIDE, INSIDE)
    normal = (points - CENTER).flatten(1) / 0.5
    expected = (
        torch.eye(DIMENSION, dtype=torch.float64) - normal[:, :, None] * normal[:, None, :]
    ) / 0.5
    torch.testing.assert_close(operator.normal, normal, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(operator.dense(), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(
        operator.slope, torch.full((COUNT,), 1.0).double(), rtol=1e-6, atol=0
    )  # 2 r


def test_products_and_lanczos_equal_the_dense_matrix_on_a_curved_network():
    network = oracles.softplus()
    found = boundary_points(network, oracles.images(COUNT))
    assert found.found.all()
    logits = network(found.images)
    two = logits.topk(2).values
    torch.testing.assert_close(two[:, 0], two[:, 1], rtol=0, atol=1e-6)
    operator = shape_operator(network, found.images, found.beyond, found.own)
    dense = operator.dense()
    vectors = torch.randn(COUNT, DIMENSION, dtype=torch.float64)
    torch.testing.assert_close(
        operator @ vectors, (dense @ vectors[:, :, None])[:, :, 0], rtol=1e-8, atol=1e-10
    )
    assert (operator @ operator.normal).abs().max() < 1e-12
    whole = principal_curvatures(network, found.images, found.beyond, found.own)
    assert whole.shape == (COUNT, DIMENSION - 1)
    with_the_normal = (
        torch.cat([whole, torch.zeros(COUNT, 1, dtype=torch.float64)], 1)
        .sort(1, descending=True)
        .values
    )
    torch.testing.assert_close(
        torch.linalg.eigvalsh(dense).flip(1), with_the_normal, rtol=1e-7, atol=1e-9
    )
    pairs = lanczos(
        operator, Randomness(0, torch.arange(COUNT)), DIMENSION, Ends(2, 3), torch.float64
    )
    expected = torch.cat([with_the_normal[:, :2], with_the_normal[:, -3:]], 1)
    torch.testing.assert_close(pairs.values, expected, rtol=1e-7, atol=1e-9)


def test_curvature_is_that_of_the_boundary_itself():
    """Walk from the point along a principal direction and back onto the boundary: the way grows by
    curvature t^2 / 2.
    """
    network, t = oracles.softplus(), 1e-2
    found = boundary_points(network, oracles.images(COUNT), steps=50)
    operator = shape_operator(network, found.images, found.beyond, found.own)
    values, vectors = torch.linalg.eigh(operator.dense())
    low, high = torch.full((COUNT, 1), -0.1).double(), torch.full((COUNT, 1), 0.1).double()
    for _ in range(60):
        middle = (low + high) / 2
        moved = found.images + (t * vectors[:, :, -1] + middle * operator.normal).view_as(
            found.images
        )
        logits = network(moved).detach()
        beyond = logits.gather(1, found.beyond[:, None]) > logits.gather(1, found.own[:, None])
        low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
    torch.testing.assert_close(-2 * low[:, 0] / t**2, values[:, -1], rtol=0.05, atol=1e-3)


def test_a_relu_networks_boundary_is_flat_by_derivatives_and_bends_at_a_step():
    network = oracles.relu()
    found = boundary_points(network, oracles.images(COUNT))
    classes = (found.beyond, found.own)
    flat = principal_curvatures(network, found.images, *classes)
    assert torch.equal(flat, torch.zeros(COUNT, DIMENSION - 1, dtype=torch.float64))
    assert (
        principal_curvatures(network, found.images, *classes, step=0.5).abs().amax(1) > 1e-2
    ).all()


def test_no_gradient_no_boundary():
    constant, images = oracles.Constant(1.0, -1.0), oracles.images(COUNT)
    found = boundary_points(constant, images)
    assert not found.found.any()
    assert torch.equal(found.images, images)
    assert torch.equal(found.beyond, found.own)
    assert principal_curvatures(constant, images, OUTSIDE, INSIDE).isnan().all()
    assert (
        shape_operator(constant, images, OUTSIDE, INSIDE)
        @ torch.ones(COUNT, DIMENSION, dtype=torch.float64)
        == 0
    ).all()


def test_rows_do_not_depend_on_their_batch():
    network, images = oracles.softplus(), oracles.images(COUNT)
    found, alone = boundary_points(network, images), boundary_points(network, images[2:3])
    torch.testing.assert_close(alone.images, found.images[2:3])
    whole = principal_curvatures(network, found.images, found.beyond, found.own, 0.2)
    one = principal_curvatures(network, alone.images, alone.beyond, alone.own, 0.2)
    torch.testing.assert_close(one, whole[2:3], rtol=1e-7, atol=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"labels must lie in 0..1 \(2 logits\); got 2..2"):
        shape_operator(oracles.Sphere(0.5, CENTER), oracles.images(COUNT), 2 * OUTSIDE, INSIDE)
    with pytest.raises(ValueError, match="images hold NaN or infinite values"):
        shape_operator(
            oracles.Sphere(0.5, CENTER), torch.nan * oracles.images(COUNT), OUTSIDE, INSIDE
        )
