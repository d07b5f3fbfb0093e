"""Trainings at the edge: a last batch of one, schedules of whole numbers, low precision, compiled
steps.
"""

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness
from advcore.attacks import PGD, DeepFool
from advcore.networks import perceptron
from advcore.training import (
    CURE,
    AdversarialTraining,
    CrossEntropy,
    Free,
    GradientAlignment,
    Linear,
    LocalLinearity,
    Recipe,
    fit,
)
from advcore.training.mixed_precision import autocast

IMAGES = oracles.images(17, dtype=torch.float32)
LABELS = torch.arange(17) % 3
RISE = Linear(((0.0, 0.2), (1.0, 1.0)))


def trained(recipe, *middle):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(*middle, perceptron(3, side=4))
    return network, list(fit(network, IMAGES, LABELS, recipe))


def test_a_last_sample_alone_joins_the_batch_before_it_under_batch_norm():
    seen = []

    class Recorder(CrossEntropy):
        def __call__(self, network, images, labels, randomness):
            seen.append(len(images))
            return super().__call__(network, images, labels, randomness)

    recipe = Recipe({"term": Recorder()}, epochs=1, batch_size=8)
    trained(recipe, nn.Flatten(), nn.BatchNorm1d(16), nn.Unflatten(1, (1, 4, 4)))
    assert seen == [8, 9]
    trained(recipe)
    assert seen[2:] == [8, 8, 1]


@pytest.mark.parametrize(
    ("term", "name"),
    [
        (AdversarialTraining(PGD(eps=0.1, steps=5)), "term.attack.steps"),
        (Free(eps=0.1, replays=4), "term.replays"),
    ],
)
def test_schedules_of_whole_numbers_are_rounded(term, name):
    _, epochs = trained(Recipe({"term": term}, schedules={name: RISE}, epochs=2, batch_size=8))
    assert all(torch.isfinite(torch.tensor(epoch.loss)) for epoch in epochs)


def test_a_whole_number_in_a_field_for_any_is_not_rounded():
    recipe = Recipe(
        {"term": AdversarialTraining(PGD(eps=1, steps=2))},
        schedules={"term.attack.eps": RISE},
        epochs=2,
    )
    assert 0.2 < recipe.objective_at(0.5)["term"].attack.eps < 1


def test_local_linearity_keeps_its_digits_in_a_recipe_of_low_precision():
    network, term = oracles.softplus(dtype=torch.float32), LocalLinearity(eps=0.05, steps=2)
    full = term(network, IMAGES, LABELS, Randomness(0, torch.arange(17)))
    with autocast("bfloat16", IMAGES.device):
        low = term(network, IMAGES, LABELS, Randomness(0, torch.arange(17)))
    torch.testing.assert_close(low, full)


TERMS = [
    AdversarialTraining(PGD(eps=0.05, steps=2)),
    AdversarialTraining(DeepFool(steps=3)),
    CURE(),
    GradientAlignment(eps=0.05),
    LocalLinearity(eps=0.05),
]


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_compiled_steps_give_the_losses_of_uncompiled_ones(term, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_(network, backend="aot_eager"))
    plain, compiled = (
        trained(
            Recipe({"plain": CrossEntropy(), "term": term}, epochs=1, batch_size=9, compile=wanted)
        )[1]
        for wanted in (False, True)
    )
    assert compiled[0].loss == pytest.approx(plain[0].loss, rel=1e-3)
