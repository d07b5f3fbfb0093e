"""At eps 0 each term with a ball is plain training, or nothing: the same losses, statistics and
weights bit for bit.
"""

from dataclasses import replace

import oracles
import pytest
import torch
from torch import nn

from advcore.attacks import APGD, FGSM, PGD, DeepFool, Restarts, Square, Within
from advcore.training import (
    CCAT,
    TRADES,
    AdversarialTraining,
    CrossEntropy,
    Free,
    GradientAlignment,
    IGNorm,
    Linear,
    LocalLinearity,
    Recipe,
    Term,
    fit,
)

IMAGES = oracles.images(14, dtype=torch.float32)
LABELS = torch.arange(14) % 4
RECIPE = Recipe({"term": CrossEntropy()}, epochs=2, batch_size=4, ema=0.9)
ATTACKS = [
    *(PGD(0.0, norm, steps=2) for norm in ("l1", "l2", "linf")),
    FGSM(0.0),
    APGD(0.0, steps=3),
    Square(0.0, queries=3),
    Restarts(PGD(0.0, steps=2), 2),
    Within(DeepFool(), 0.0),
]
PLAIN = [
    *(AdversarialTraining(attack) for attack in ATTACKS),
    AdversarialTraining(PGD(0.0, steps=2), share=0.5),
    AdversarialTraining(DeepFool(), cap=0.0),
    CCAT(0.0, steps=2),
    *(Free(0.0, norm, replays=1) for norm in ("l2", "linf")),
]
NOTHING = [TRADES(0.0), LocalLinearity(0.0), GradientAlignment(0.0), IGNorm(0.0)]


def _trained(recipe: Recipe) -> tuple[list, list, dict[str, torch.Tensor]]:
    """With batch normalisation and dropout: what draws once more, or passes once more, is seen."""
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(12, 4),
    )
    epochs = list(fit(network, IMAGES, LABELS, recipe))
    return (
        [epoch.loss for epoch in epochs],
        [epoch.learning_rate for epoch in epochs],
        network.state_dict(),
    )


def _same(one: Recipe, other: Recipe) -> None:
    (*numbers, weights), (*expected, wanted) = _trained(one), _trained(other)
    assert numbers == expected
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("term", PLAIN, ids=repr)
def test_training_at_eps_0_is_plain_training(term: Term) -> None:
    _same(replace(RECIPE, objective={"term": term}), RECIPE)


@pytest.mark.parametrize("term", NOTHING, ids=repr)
def test_a_regulariser_at_eps_0_adds_nothing(term: Term) -> None:
    for objective in (
        {"term": CrossEntropy(), "more": term},
        {"more": term, "term": CrossEntropy()},
    ):
        _same(replace(RECIPE, objective=objective), RECIPE)
    losses, _, weights = _trained(replace(RECIPE, objective={"more": term}, ema=None))
    assert losses == [0, 0]
    assert torch.equal(
        weights["5.weight"], _trained(replace(RECIPE, learning_rate=1e-30, ema=None))[2]["5.weight"]
    )


def test_a_schedule_that_stands_at_0_is_plain_training() -> None:
    schedules = {"term.attack.eps": Linear(((0.0, 0.0), (1.0, 0.0)))}
    _same(
        replace(
            RECIPE, objective={"term": AdversarialTraining(PGD(0.3, steps=2))}, schedules=schedules
        ),
        RECIPE,
    )


def test_a_schedule_that_reaches_0_ends_as_plain_training_does() -> None:
    """From the second epoch on; it is not plain in the first."""
    falls = {"term.eps": Linear(((0.45, 1.0), (0.5, 0.0)))}
    objective = {"term": Free(0.3, replays=1)}
    losses = _trained(replace(RECIPE, objective=objective, schedules=falls))[0]
    assert (
        losses[0] == _trained(replace(RECIPE, objective=objective))[0][0] != _trained(RECIPE)[0][0]
    )
    assert losses[1] != _trained(replace(RECIPE, objective=objective))[0][1]
