"""The probe of fragility: its rows against the parts that it is made of."""

import oracles
import pytest
import torch
from torch import nn

from advcore.classifier import predict
from advcore.explain import ExplanationAttack, Gradient, IntegratedGradients, OutOfTop
from advcore.explain.agreement import kendall, salience, top_shared
from advcore.probes import Batch, Fragility, Table
from advcore.randomness import Randomness

IMAGES, LABELS = oracles.images(8), torch.arange(8) % 3
SOURCE = Randomness(3, torch.arange(8))
ATTACK = ExplanationAttack(0.2, goal=OutOfTop(4), step=0.05, steps=5, restarts=2)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 3)).double()


@pytest.mark.parametrize("judge", [None, IntegratedGradients(steps=8, most_steps=8)], ids=repr)
def test_rows_are_those_of_the_attack_and_of_noise_by_the_judge(judge):
    classifier, probe = network(), Fragility(ATTACK, 4, judge)
    table = Table(probe.measure(classifier, Batch(IMAGES, LABELS, torch.arange(8)), SOURCE))
    labels = predict(classifier, IMAGES)
    signs = SOURCE.stream("fragility").stream("noise").normal(IMAGES.shape[1:]).sign()
    noisy = (IMAGES + 0.2 * signs).clamp(0, 1)
    by = judge or Gradient()
    before = salience(by(classifier, IMAGES, labels).maps)
    for name, moved in (("attack", ATTACK(classifier, IMAGES, SOURCE)), ("noise", noisy)):
        rows = table.take(table.rows_with("perturbation", name))
        after = salience(by(classifier, moved, labels).maps)
        assert torch.equal(rows["unchanged"], predict(classifier, moved) == labels)
        assert torch.equal(rows["correct"], labels == LABELS)
        torch.testing.assert_close(rows["top_shared"], top_shared(before, after, 4))
        torch.testing.assert_close(rows["kendall"], kendall(before, after))
        mean = probe.summarise(table).scalars[f"top_shared/{name}"]
        assert mean == pytest.approx(top_shared(before, after, 4).mean().item())
    summary = probe.summarise(table)
    assert summary.scalars["unchanged/attack"] == 1
    assert all(summary.meaning(name) for name in summary.scalars)


def test_the_explanation_of_an_affine_classifier_stays():
    probe = Fragility(ATTACK, 4)
    batch = Batch(IMAGES, LABELS, torch.arange(8))
    table = Table(probe.measure(oracles.Affine(3), batch, SOURCE))
    assert (table["top_shared"] == 1).all()
    assert (table["centre_shift"] == 0).all()


@pytest.mark.parametrize(
    ("probe", "shape", "message"),
    [
        (Fragility(ATTACK, 17), (1, 4, 4), "top must be at most 16, the pixels of a picture"),
        (Fragility(ATTACK, 4), (16,), "the fragility of explanations needs pictures"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(probe, shape, message):
    with pytest.raises(ValueError, match=message):
        probe.validate(shape, 3)


def test_no_top_pixels_are_refused():
    with pytest.raises(ValueError, match="top must be at least 1 pixel; got 0"):
        Fragility(ATTACK, 0)
