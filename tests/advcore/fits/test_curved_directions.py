from dataclasses import replace

import oracles
import pytest
import torch
from learning import assert_resumes, assert_same_bits, learn, shards

from advcore.curvature import DifferenceHessian, InputHessian, cross_entropy_of
from advcore.fits import CurvedDirections, FitSamples

COUNT, SHAPE = 30, (1, 8, 8)
IMAGES = oracles.images(COUNT, SHAPE, torch.float32)
LABELS = torch.arange(COUNT) % 4
SOFT = oracles.softplus(shape=SHAPE, dtype=torch.float32)
RELU = oracles.relu(shape=SHAPE, dtype=torch.float32)
EXACT = CurvedDirections(directions=5, tolerance=1e-5, extra=3, rounds=30, batch_size=7)
PARTS = (8, 13, 9)


def _dense(name, labels=LABELS):
    """The mean Hessian in float64, all of it."""
    network = getattr(oracles, name)(shape=SHAPE, dtype=torch.float64)
    loss = cross_entropy_of(labels)
    return InputHessian(network, IMAGES.double(), loss).dense().mean(0)


def _angle(found, wanted):
    """The sine of the largest angle between spans of rows `(k, *shape)` and columns `(D, k)`."""
    rows = torch.linalg.qr(found.flatten(1).double().mT).Q.mT
    rest = rows - (rows @ wanted) @ wanted.mT
    return torch.linalg.matrix_norm(rest, 2).item()


def _leading(matrix, count, key):
    values, vectors = torch.linalg.eigh(matrix)
    order = key(values).argsort(descending=True)[:count]
    return values[order], vectors[:, order]


@pytest.mark.parametrize("order", ["largest", "magnitude"])
@pytest.mark.parametrize(("name", "extra"), [("softplus", 3), ("relu", 3), ("softplus", 20)])
def test_the_span_is_that_of_the_dense_mean_hessian(name, extra, order):
    """By products in rounds, and at once where blocks would fill the space."""
    key = {"largest": lambda values: values, "magnitude": torch.abs}[order]
    values, vectors = _leading(_dense(name), 5, key)
    fit = replace(EXACT, extra=extra, order=order)
    network = {"softplus": SOFT, "relu": RELU}[name]
    learnt = learn(fit, network, shards(IMAGES, PARTS, LABELS), 4)
    assert _angle(learnt.tensors["directions"], vectors) < 1e-4
    torch.testing.assert_close(
        learnt.tensors["curvature"].double(), values, rtol=1e-4, atol=1e-5 * values.abs().max()
    )
    gram = learnt.tensors["directions"].flatten(1) @ learnt.tensors["directions"].flatten(1).mT
    torch.testing.assert_close(gram, torch.eye(5), rtol=0, atol=1e-5)
    assert (learnt.rounds == 1) == (extra == 20)


def test_residuals_are_those_of_the_dense_matrix():
    """Also where the rounds end before it has settled."""
    learnt = learn(replace(EXACT, rounds=2), SOFT, shards(IMAGES, PARTS, LABELS), 4)
    assert learnt.rounds == 2
    rows = learnt.tensors["directions"].flatten(1).double()
    products = rows @ _dense("softplus")
    quotients = (products * rows).sum(1)
    residuals = (products - quotients[:, None] * rows).norm(dim=1)
    torch.testing.assert_close(
        learnt.tensors["curvature"].double(), quotients, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(learnt.tensors["residual"].double(), residuals, rtol=1e-3, atol=1e-4)
    share = residuals.max() / quotients.abs().max()
    assert learnt.history["residual"][-1] == pytest.approx(share.item(), rel=1e-3)
    assert share > 1e-3
    assert len(learnt.history["largest"]) == len(learnt.history["smallest"]) == 2


def test_at_a_length_each_quotient_is_the_mean_curvature_along_its_direction():
    fit = replace(EXACT, step=0.5, rounds=9)
    learnt = learn(fit, RELU, shards(IMAGES, PARTS, LABELS), 4)
    network = oracles.relu(shape=SHAPE)
    hessian = DifferenceHessian(network, IMAGES.double(), cross_entropy_of(LABELS), 0.5)
    rows = learnt.tensors["directions"].flatten(1).double()
    products = torch.stack([(hessian @ row.expand(COUNT, -1)).mean(0) for row in rows])
    quotients = (products * rows).sum(1)
    torch.testing.assert_close(
        learnt.tensors["curvature"].double(), quotients, rtol=1e-3, atol=1e-4
    )
    residuals = (products - quotients[:, None] * rows).norm(dim=1)
    torch.testing.assert_close(learnt.tensors["residual"].double(), residuals, rtol=1e-2, atol=1e-3)
    random = torch.linalg.qr(torch.randn(64, 64, dtype=torch.float64)).Q
    others = torch.stack(
        [((hessian @ row.expand(COUNT, -1)).mean(0) * row).sum() for row in random]
    )
    assert quotients[0] > 2 * others.max()


def test_at_a_small_length_a_smooth_network_has_its_exact_directions():
    exact = learn(EXACT, SOFT, shards(IMAGES, PARTS, LABELS), 4)
    fit = replace(EXACT, step=0.01, rounds=80, tolerance=1e-4)
    near = learn(fit, SOFT, shards(IMAGES, PARTS, LABELS), 4)
    columns = exact.tensors["directions"].flatten(1).double().mT
    assert _angle(near.tensors["directions"], columns) < 0.01


def test_labels_may_be_the_predicted_ones():
    predicted = SOFT(IMAGES).argmax(1)
    assert not torch.equal(predicted, LABELS)
    fit = replace(EXACT, labels="predicted")
    learnt = learn(fit, SOFT, shards(IMAGES, PARTS, LABELS), 4)
    _, vectors = _leading(_dense("softplus", predicted), 5, lambda values: values)
    assert _angle(learnt.tensors["directions"], vectors) < 1e-4


@pytest.mark.parametrize("step", [None, 0.3])
def test_every_round_can_be_the_last_of_a_process(step):
    fit = replace(EXACT, tolerance=1e-3, step=step, rounds=5)
    batches = shards(IMAGES, PARTS, LABELS)
    whole = assert_resumes(fit, SOFT, batches, 4)
    assert whole.rounds > 3
    assert_same_bits(learn(fit, SOFT, batches, 4), whole)


def test_other_shards_and_batches_learn_the_same():
    one = learn(EXACT, SOFT, shards(IMAGES, [30], LABELS), 4)
    other = learn(replace(EXACT, batch_size=32), SOFT, shards(IMAGES, PARTS, LABELS), 4)
    for name in ("directions", "curvature"):
        torch.testing.assert_close(one.tensors[name], other.tensors[name], rtol=1e-5, atol=1e-5)


def test_a_flat_loss_has_no_curvature():
    flat = oracles.Constant(2.0, 0.0, 1.0, -1.0, dtype=torch.float32)
    with pytest.warns(UserWarning, match="zero_gradients"):
        learnt = learn(EXACT, flat, shards(IMAGES, PARTS, LABELS), 4)
    assert learnt.rounds == 1
    assert (learnt.tensors["curvature"] == 0).all()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: CurvedDirections(directions=0), "directions must be at least 1; got 0"),
        (lambda: CurvedDirections(step=0.0), "null for the exact Hessian; got 0.0"),
        (lambda: CurvedDirections(step=1.0, rounds=1), "rounds must be at least 2 at a length"),
        (lambda: CurvedDirections(tolerance=0.0), "tolerance must be a positive number"),
        (lambda: CurvedDirections(extra=-1), "extra must not be negative; got -1"),
        (
            lambda: CurvedDirections(directions=65).validate(FitSamples(SHAPE, 4, 9)),
            "directions must not exceed the inputs' dimension, 64; got 65",
        ),
        (
            lambda: learn(
                EXACT,
                lambda images: SOFT(images) + oracles.bent_to_nan(images, at=IMAGES[3]),
                shards(IMAGES, PARTS, LABELS),
                4,
            ),
            "NaN or infinite: some sample's are; leave it out",
        ),
    ],
)
def test_what_cannot_work_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
