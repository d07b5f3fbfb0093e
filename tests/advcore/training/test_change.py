from dataclasses import replace

import oracles
import pytest
import torch

from advcore.attacks import PGD
from advcore.networks import perceptron
from advcore.training import CURE, AdversarialTraining, Change, CrossEntropy, Recipe, TrainingLoop

IMAGES = oracles.images(60, dtype=torch.float32)
LABELS = oracles.Affine(3, dtype=torch.float32)(IMAGES).argmax(1)
TERMS = {"plain": CrossEntropy(), "adversarial": AdversarialTraining(PGD(eps=0.02, steps=2))}
FIRST = Recipe(TERMS, epochs=4, batch_size=16)
VALUES = {
    "learning_rate": 0.05,
    "weight_decay": 0.1,
    "gradient_clip": 0.1,
    "objective.adversarial.attack.eps": 0.1,
}


def _fit(recipe):
    torch.manual_seed(0)
    return TrainingLoop(perceptron(3, side=4), IMAGES, LABELS, recipe)


def test_epochs_after_a_change_are_those_of_the_other_recipe():
    changed = _fit(replace(FIRST, changes=(Change(2, VALUES),)))
    other = Recipe(
        {"plain": CrossEntropy(), "adversarial": AdversarialTraining(PGD(eps=0.1, steps=2))},
        epochs=4, batch_size=16, learning_rate=0.05, weight_decay=0.1, gradient_clip=0.1,
    )  # fmt: skip
    before, after = _fit(FIRST), _fit(other)
    for _ in range(2):
        assert changed.epoch() == before.epoch()
    after.resume(before.state())
    for _ in range(2):
        assert changed.epoch() == after.epoch()
    assert all(torch.equal(value, after.state()[name]) for name, value in changed.state().items())
    assert before.epoch() != after


def test_whole_numbers_stay_whole():
    recipe = replace(FIRST, changes=(Change(1, {"objective.adversarial.attack.steps": 5.0}),))
    steps = [recipe.after(done).objective["adversarial"].attack.steps for done in range(3)]
    assert steps == [2, 5, 5]
    assert isinstance(steps[1], int)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ([(0, {})], "a change comes after at least 1 epoch; got after 0"),
        (
            [(1, {"epochs": 3.0})],
            r"a change is of learning_rate, .*; got 'epochs', which holds for the whole training",
        ),
        ([(1, {"objective": 3.0})], "got 'objective'"),
        (
            [(1, {"objective.cure.h": 3.0})],
            r"a change of 'objective\.cure\.h': there is no .cure.; known there: plain, adv",
        ),
        ([(1, {"objective.plain.weight": -1.0})], "weight must not be negative"),
        (
            [(2, {}), (2, {})],
            r"changes need epochs that ascend and come before the last one, 4; got after \[2, 2\]",
        ),
        ([(4, {})], r"got after \[4\]"),
    ],
)
def test_bad_changes_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        replace(FIRST, changes=tuple(Change(after, values) for after, values in changes))


def test_what_a_schedule_multiplies_is_the_new_number():
    recipe = Recipe(
        {"cure": CURE(h=1.0)}, epochs=3, changes=(Change(1, {"objective.cure.h": 3.0}),)
    )
    assert recipe.after(2).objective_at(0.5)["cure"].h == 3.0
