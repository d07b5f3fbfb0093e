from dataclasses import replace

import oracles
import pytest
import torch
from learning import assert_resumes, assert_same_bits, learn, shards

from advcore.attacks import DeepFool
from advcore.fits import FitSamples, LeadingNormals, leading_normals
from advcore.margins import minimal_perturbations

COUNT, SHAPE = 40, (1, 8, 8)
IMAGES = oracles.images(COUNT, SHAPE, torch.float32)
RELU = oracles.relu(shape=SHAPE, dtype=torch.float32)
ATTACK = DeepFool(norm="l2", box=False)
FIT = LeadingNormals(
    directions=5, attack=ATTACK, tolerance=1e-6, rounds=30, extra=4, batch_size=100
)
PARTS = (14, 17, 9)


def _stacked(images=IMAGES, network=RELU, parts=PARTS):
    """Unit minimal perturbations `(N, D)` as the shards make them, float64."""
    results = [
        minimal_perturbations(network, part, ATTACK).images.flatten(1)
        for part in images.split(parts)
    ]
    whole = torch.cat(results).double()
    return whole / whole.norm(dim=1, keepdim=True)


def _sine(rows, columns):
    rest = rows - (rows @ columns) @ columns.mT
    return torch.linalg.matrix_norm(rest, 2).item()


@pytest.mark.parametrize("dense", [True, False])
def test_the_span_is_that_of_the_singular_vectors(dense, monkeypatch):
    monkeypatch.setattr(leading_normals, "DENSE", 2048 if dense else 0)
    learnt = learn(FIT, RELU, shards(IMAGES, PARTS), 4)
    _, values, vectors = torch.linalg.svd(_stacked(), full_matrices=False)
    rows = learnt.tensors["directions"].flatten(1).double()
    assert _sine(rows, vectors[:5].mT) < 1e-4
    torch.testing.assert_close(
        learnt.tensors["energy"].double(), values[:5].square() / COUNT, rtol=1e-4, atol=1e-7
    )
    torch.testing.assert_close(rows @ rows.mT, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-5)
    assert (learnt.rounds == 1) == dense
    assert learnt.tensors["found"] == 1


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_affine_classes_have_few_normals_in_a_small_span(classes):
    """K affine classes have at most K (K - 1) / 2 normals, up to their signs, in a span of K - 1
    dimensions.
    """
    network = oracles.Affine(classes, SHAPE, torch.float32)
    images = oracles.images(60, SHAPE, torch.float32)
    fit = replace(FIT, directions=8, batch_size=7)
    learnt = learn(fit, network, shards(images, (25, 35)), classes)
    energy = learnt.tensors["energy"]
    assert energy[: classes - 1].sum().item() == pytest.approx(1, abs=1e-5)
    assert (energy[classes - 1 :] < 1e-6).all()
    weight = network.weight.detach().double()
    span = torch.linalg.svd(weight - weight.mean(0), full_matrices=False).Vh[: classes - 1]
    leading = learnt.tensors["directions"].flatten(1).double()[energy > 1e-4]
    assert _sine(leading, span.mT) < 1e-4
    normals = _stacked(images, network, (60,))
    distinct = torch.unique((normals @ normals.mT).abs() > 1 - 1e-6, dim=0)
    assert len(distinct) <= classes * (classes - 1) / 2


def test_the_median_distance_is_the_closed_form():
    network = oracles.Affine(3, SHAPE, torch.float32)
    learnt = learn(FIT, network, shards(IMAGES, PARTS), 3)
    exact = network.margins(IMAGES).sort().values[19:21].mean().item()
    assert learnt.tensors["median_distance"].item() == pytest.approx(1.02 * exact, rel=1e-3)


def test_residuals_tell_what_has_not_settled(monkeypatch):
    monkeypatch.setattr(leading_normals, "DENSE", 0)
    learnt = learn(replace(FIT, rounds=2), RELU, shards(IMAGES, PARTS), 4)
    assert learnt.rounds == 2
    moment = _stacked().mT @ _stacked() / COUNT
    rows = learnt.tensors["directions"].flatten(1).double()
    products = rows @ moment
    energies = (products * rows).sum(1)
    torch.testing.assert_close(learnt.tensors["energy"].double(), energies, rtol=1e-4, atol=1e-6)
    residuals = (products - energies[:, None] * rows).norm(dim=1)
    torch.testing.assert_close(learnt.tensors["residual"].double(), residuals, rtol=1e-3, atol=1e-6)
    assert len(learnt.history["residual"]) == 2


@pytest.mark.parametrize("dense", [True, False])
def test_every_round_can_be_the_last_of_a_process(dense, monkeypatch):
    monkeypatch.setattr(leading_normals, "DENSE", 2048 if dense else 0)
    fit = replace(FIT, rounds=4)
    batches = shards(IMAGES, PARTS)
    whole = assert_resumes(fit, RELU, batches, 4)
    assert whole.rounds == (1 if dense else 4)
    assert_same_bits(learn(fit, RELU, batches, 4), whole)


def test_other_shards_and_batches_learn_the_same():
    one = learn(replace(FIT, batch_size=7), RELU, shards(IMAGES, (40,)), 4)
    other = learn(FIT, RELU, shards(IMAGES, PARTS), 4)
    for name in ("directions", "energy", "median_distance"):
        torch.testing.assert_close(one.tensors[name], other.tensors[name], rtol=1e-4, atol=1e-5)


def test_samples_without_a_perturbation_are_left_out():
    """Behind a wall nothing is found; the others' normals stay."""
    network = oracles.Affine(2, SHAPE, torch.float32)
    far = torch.cat([IMAGES[:30], IMAGES[30:] + 1e4])
    slow = replace(FIT, attack=DeepFool(norm="l2", box=False, steps=1, overshoot=0.02))
    learnt = learn(slow, lambda images: network(images.clamp(-50, 50)), shards(far, (40,)), 2)
    assert learnt.tensors["found"].item() == pytest.approx(0.75)
    assert learnt.tensors["energy"][0].item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LeadingNormals(directions=0), "directions must be at least 1; got 0"),
        (lambda: LeadingNormals(attack=DeepFool()), "a minimal-norm l2 attack without a box"),
        (lambda: LeadingNormals(extra=-1), "extra must not be negative; got -1"),
        (lambda: LeadingNormals(tolerance=-1.0), "tolerance must be a positive number"),
        (
            lambda: FIT.validate(FitSamples((1, 2, 2), 4, 9)),
            "directions must not exceed the inputs' dimension, 4; got 5",
        ),
        (
            lambda: learn(
                FIT,
                oracles.Constant(2.0, 0.0, dtype=torch.float32),
                shards(IMAGES, PARTS),
                2,
            ),
            "no minimal perturbation was found at any of 40 samples",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:zero_gradients")
def test_what_cannot_work_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
