"""Trainings that are left and gone on with, and what they hand out."""

from pathlib import Path
from typing import Any

import pytest

from pipelines import schema
from pipelines.train import Training, epochs

BASE: dict[str, Any] = {
    "name": "small",
    "model": {"architecture": "perceptron"},
    "data": {"name": "digits", "split": "train", "samples": 120},
    "test": {"name": "digits", "split": "test", "samples": 50},
    "recipe": {"epochs": 4, "batch_size": 32},
    "run": {"out": "out", "track": False, "threads": 1},
}


def training_of(**changes: Any) -> Training:
    return schema.structure(Training, {**BASE, **changes}, at="training")


RECIPES: dict[str, dict[str, Any]] = {"sgd": {}}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_training_that_was_left_ends_as_an_undisturbed_one(place: Path, recipe: dict[str, Any]) -> None:
    training = training_of(recipe={**BASE["recipe"], **recipe})
    whole = list(epochs(training, place / "whole"))
    first = epochs(training, place / "left")
    told = [next(first), next(first)]
    first.close()
    (place / "left" / "model.safetensors").unlink()  # as if killed before it was written
    told += list(epochs(training, place / "left"))
    assert [(one.epoch, one.metrics) for one in told] == [(one.epoch, one.metrics) for one in whole]
    assert [one.epoch for one in told] == [1, 2, 3, 4]
    for name in ("state.safetensors", "model.safetensors", "model.json"):
        assert (place / "left" / name).read_bytes() == (place / "whole" / name).read_bytes()
    assert list(epochs(training, place / "left")) == []
    assert sorted(path.name for path in (place / "left").iterdir()) == ["model.json", "model.safetensors", "state.safetensors"]
