import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore.curvature import DifferenceHessian, InputHessian, eigenprofile, input_hessian

COUNT, DIMENSION = 3, 16
LABELS = torch.tensor([0, 1, 3])


def _cross_entropy(logits):
    return F.cross_entropy(logits, LABELS[: len(logits)], reduction="none")


def _first_logit(logits):
    return logits[:, 0]


def _vectors(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("step", [1e-3, 0.5, 3.0])
def test_exact_for_quadratics_at_any_step(step):
    matrix = _vectors(DIMENSION, DIMENSION)
    matrix = matrix + matrix.mT
    operator = DifferenceHessian(
        oracles.Quadratic(matrix), oracles.images(COUNT), _first_logit, step
    )
    assert operator.step == step
    assert operator.shape == (COUNT, DIMENSION)
    torch.testing.assert_close(operator.dense(), matrix.expand(COUNT, -1, -1))
    vectors = _vectors(COUNT, 5, DIMENSION)
    torch.testing.assert_close(operator.products(vectors), vectors @ matrix)
    torch.testing.assert_close(operator @ vectors[:, 0], vectors[:, 0] @ matrix)


def test_a_small_step_gives_the_exact_hessian_with_an_error_of_second_order():
    """Central differences: ten times the step, a hundred times the error."""
    network, images = oracles.softplus(), oracles.images(COUNT)
    exact = InputHessian(network, images, _cross_entropy)
    coarse, fine = (
        DifferenceHessian(network, images, _cross_entropy, step) for step in (1e-3, 1e-4)
    )
    torch.testing.assert_close(fine.gradient, exact.gradient)
    errors = [(operator.dense() - exact.dense()).abs().max().item() for operator in (coarse, fine)]
    assert errors[1] < 1e-5
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)


def test_inside_one_piece_of_a_relu_network_a_small_step_gives_the_gauss_newton_matrix():
    network, images = oracles.relu(), oracles.images(COUNT)
    exact = eigenprofile(network, images, LABELS).values
    torch.testing.assert_close(
        eigenprofile(network, images, LABELS, step=1e-5).values, exact, rtol=1e-6, atol=1e-7
    )


def test_the_step_is_the_length_of_the_displacement_whatever_the_vectors():
    """A kink at a distance of 0.2 along the first axis: steps of 0.1 do not see it, however long
    the vector.
    """

    def kinked(images):
        value = (images.flatten(1)[:, 0] - 0.7).relu()
        return torch.stack([value, torch.zeros_like(value)], 1)

    images, axis = (
        torch.full((1, 1, 4, 4), 0.5, dtype=torch.float64),
        torch.zeros(1, DIMENSION, dtype=torch.float64),
    )
    axis[0, 0] = 1
    for length in (1e-3, 1.0, 50.0):
        assert (DifferenceHessian(kinked, images, _first_logit, 0.1) @ (length * axis) == 0).all()
        product = DifferenceHessian(kinked, images, _first_logit, 0.5) @ (length * axis)
        torch.testing.assert_close(product, length * axis)  # (1 - 0) / (2 * 0.5)
    assert (DifferenceHessian(kinked, images, _first_logit, 0.5) @ (0 * axis) == 0).all()


def test_a_relu_network_at_a_step_has_full_rank_and_both_signs():
    network, images = oracles.relu(), oracles.images(COUNT)
    exact, coarse = (eigenprofile(network, images, LABELS, step=step) for step in (0.0, 0.5))
    assert exact.low_rank.all()
    assert exact.step == 0
    assert coarse.step == 0.5
    assert not coarse.low_rank.any()
    assert coarse.disagreement.isnan().all()
    assert (coarse.values.abs() > 1e-6).sum() > (exact.values.abs() > 1e-6).sum()
    assert (coarse.values < -1e-3).any()
    dense = DifferenceHessian(network, images, _cross_entropy, 0.5).dense()
    assert torch.equal(dense, dense.mT)
    torch.testing.assert_close(coarse.values, torch.linalg.eigvalsh(dense).flip(1))
    torch.testing.assert_close(coarse.trace, dense.diagonal(dim1=1, dim2=2).sum(1))
    torch.testing.assert_close(coarse.frobenius, torch.linalg.matrix_norm(dense))


def test_rows_bound_memory_alone_and_no_row_depends_on_another():
    network, images, widest = oracles.softplus(), oracles.images(COUNT), []

    def watched(some):
        widest.append(len(some))
        return network(some)

    whole = DifferenceHessian(network, images, _cross_entropy, 0.3).dense()
    torch.testing.assert_close(
        DifferenceHessian(watched, images, _cross_entropy, 0.3, rows=4 * COUNT).dense(), whole
    )
    assert max(widest) == 4 * COUNT
    alone = DifferenceHessian(network, images[:1], _cross_entropy, 0.3, rows=1).dense()
    torch.testing.assert_close(alone, whole[:1])


def test_a_constant_classifier_is_flat_and_the_model_is_left_alone():
    constant = DifferenceHessian(oracles.Constant(1.0, 0.0), oracles.images(2), _first_logit, 0.1)
    assert torch.equal(constant.dense(), torch.zeros(2, DIMENSION, DIMENSION, dtype=torch.float64))
    network = oracles.Moody()
    before = oracles.state(network)
    product = DifferenceHessian(network, oracles.images(COUNT), _cross_entropy, 0.1) @ _vectors(
        COUNT, DIMENSION
    )
    assert oracles.state(network) == before
    again = DifferenceHessian(
        network.eval(), oracles.images(COUNT), _cross_entropy, 0.1
    ) @ _vectors(COUNT, DIMENSION)
    torch.testing.assert_close(product, again)


def test_a_step_of_zero_is_the_exact_hessian():
    assert isinstance(input_hessian(oracles.relu(), oracles.images(2), _first_logit), InputHessian)
    assert isinstance(
        input_hessian(oracles.relu(), oracles.images(2), _first_logit, 0.1), DifferenceHessian
    )


@pytest.mark.parametrize("step", [0.0, -0.1, float("nan"), float("inf")])
def test_a_step_that_is_no_length(step):
    with pytest.raises(ValueError, match="step must be a positive length in pixel units"):
        DifferenceHessian(oracles.relu(), oracles.images(2), _first_logit, step)


def test_the_low_rank_path_has_no_step():
    with pytest.raises(
        ValueError, match=r"the low-rank path knows the exact Hessian alone, step 0; got step 0.5"
    ):
        eigenprofile(oracles.relu(), oracles.images(2), LABELS[:2], path="low-rank", step=0.5)


def test_each_sample_may_have_a_step_of_its_own():
    network, images = oracles.relu(), oracles.images(3)
    vectors = torch.randn(3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    steps = [0.1, 0.5, 1.0]
    together = (
        DifferenceHessian(network, images, lambda logits: logits[:, 0], torch.tensor(steps))
        @ vectors
    )
    for row, step in enumerate(steps):
        alone = DifferenceHessian(network, images, lambda logits: logits[:, 0], step) @ vectors
        torch.testing.assert_close(together[row], alone[row])
