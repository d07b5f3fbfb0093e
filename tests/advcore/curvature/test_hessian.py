import oracles
import pytest
import torch
import torch.nn.functional as F
from torch.autograd.functional import hessian

from advcore.curvature import InputHessian, gauss_newton

SHAPE, DIMENSION = (1, 4, 4), 16
LABELS = torch.tensor([0, 1, 3])
NETWORKS = {
    "softplus": oracles.softplus(),
    "relu": oracles.relu(),
    "affine": oracles.Affine(4),
    "sphere": oracles.Sphere(0.3, torch.zeros(SHAPE, dtype=torch.float64)),
}


def _cross_entropy(logits):
    return F.cross_entropy(logits, LABELS.clamp(max=logits.shape[1] - 1), reduction="none")


def _first_logit(logits):
    return logits[:, 0]


def _reference(network, images, objective):
    """Autograd's dense Hessians, sample by sample; the other rows of the batch stay as they are."""
    blocks = []
    for row in range(len(images)):

        def value(image, row=row):
            return objective(network(torch.cat([images[:row], image[None], images[row + 1 :]])))[
                row
            ]

        blocks.append(hessian(value, images[row]).reshape(DIMENSION, DIMENSION))
    return torch.stack(blocks)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("objective", [_cross_entropy, _first_logit])
def test_dense_and_products_equal_autograds(name, objective):
    network, images = NETWORKS[name], oracles.images(3)
    operator, expected = (
        InputHessian(network, images, objective),
        _reference(network, images, objective),
    )
    torch.testing.assert_close(operator.dense(), expected, rtol=1e-8, atol=1e-10)
    vectors = torch.randn(3, DIMENSION, dtype=torch.float64)
    torch.testing.assert_close(
        operator @ vectors, (expected @ vectors[:, :, None])[:, :, 0], rtol=1e-8, atol=1e-10
    )
    assert operator.shape == (3, DIMENSION)


def test_the_gradient():
    leaf = oracles.images(3).requires_grad_()
    expected = torch.autograd.grad(_cross_entropy(oracles.softplus()(leaf)).sum(), leaf)[0].flatten(
        1
    )
    torch.testing.assert_close(
        InputHessian(oracles.softplus(), leaf, _cross_entropy).gradient, expected
    )


def test_a_product_by_finite_differences_of_the_gradient():
    network, images, vectors = (
        oracles.softplus(),
        oracles.images(3),
        torch.randn(3, DIMENSION, dtype=torch.float64),
    )

    def gradient(step):
        return InputHessian(
            network, images + step * vectors.view_as(images), _cross_entropy
        ).gradient

    expected = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    torch.testing.assert_close(
        InputHessian(network, images, _cross_entropy) @ vectors, expected, rtol=1e-6, atol=1e-7
    )


def test_products_are_linear_repeatable_and_take_any_layout():
    operator = InputHessian(oracles.softplus(), oracles.images(3), _cross_entropy)
    u, v = torch.randn(2, 3, DIMENSION, dtype=torch.float64)
    torch.testing.assert_close(operator @ (2 * u - v), 2 * (operator @ u) - operator @ v)
    assert torch.equal(operator @ u, operator @ u)
    strided = u.mT.contiguous().mT
    assert not strided.is_contiguous()
    torch.testing.assert_close(operator @ strided, operator @ u)


def test_softmax_of_a_linear_network():
    """H = W^T (diag p - p p^T) W, whatever the label."""
    affine, images = oracles.Affine(4), oracles.images(3)
    p, weight = affine(images).softmax(1).detach(), affine.weight.detach()
    expected = weight.mT @ (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]) @ weight
    torch.testing.assert_close(
        InputHessian(affine, images, _cross_entropy).dense(), expected, rtol=1e-8, atol=1e-10
    )
    identity = torch.eye(DIMENSION, dtype=torch.float64)
    newton = gauss_newton(affine, images)
    products = torch.stack([newton @ identity[i].expand(3, -1) for i in range(DIMENSION)], 2)
    torch.testing.assert_close(products, expected, rtol=1e-8, atol=1e-10)
    values = torch.linalg.eigvalsh(expected).flip(1)[:, :4]
    torch.testing.assert_close(newton.eigenvalues(), values, rtol=1e-8, atol=1e-10)


def test_sphere_and_quadratic():
    images = oracles.images(3)
    sphere = InputHessian(NETWORKS["sphere"], images, _first_logit).dense()
    torch.testing.assert_close(
        sphere, -2 * torch.eye(DIMENSION, dtype=torch.float64).expand(3, -1, -1)
    )
    matrix = torch.randn(DIMENSION, DIMENSION, dtype=torch.float64)
    matrix = matrix + matrix.mT
    quadratic = InputHessian(oracles.Quadratic(matrix), images, _first_logit).dense()
    torch.testing.assert_close(quadratic, matrix.expand(3, -1, -1))


@pytest.mark.parametrize(
    ("network", "objective"),
    [
        (oracles.Constant(1.0, 0.0, 0.5, 2.0), _cross_entropy),
        (oracles.Constant(1.0, 0.0, 0.5, 2.0).forward, _cross_entropy),
        (oracles.Affine(4), _first_logit),
        (oracles.relu(), _first_logit),
    ],
    ids=["constant", "constant-callable", "affine", "relu-logit"],
)
def test_flat_objectives_have_no_curvature(network, objective):
    operator = InputHessian(network, oracles.images(3), objective)
    assert torch.equal(operator.dense(), torch.zeros(3, DIMENSION, DIMENSION, dtype=torch.float64))
    assert operator.gradient.shape == (3, DIMENSION)


def test_the_model_is_left_alone_and_the_operator_outlives_its_mode():
    network, images = oracles.Moody(), oracles.images(3)
    before = oracles.state(network)
    operator = InputHessian(network, images, _cross_entropy)
    assert oracles.state(network) == before
    vectors = torch.ones(3, DIMENSION, dtype=torch.float64)
    product = operator @ vectors
    assert oracles.state(network) == before
    torch.testing.assert_close(
        product, InputHessian(network.eval(), images, _cross_entropy) @ vectors
    )
