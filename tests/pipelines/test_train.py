"""Trainings that are left and gone on with, and what they hand out."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.settings import schema
from advcore.pipelines.training.epoch_loop import epochs
from advcore.pipelines.training.loading import load_training
from advcore.pipelines.training.settings import Training
from advcore.workers.checkpoints import read_metadata, read_weights
from advcore.workers.datasets import load, sources
from advcore.workers.datasets.stored import Stored
from advcore.workers.errors import InputError
from advcore.workers.models import build

BASE: dict[str, Any] = {
    "name": "small",
    "model": {"architecture": "perceptron"},
    "data": {"name": "digits", "split": "train", "samples": 120},
    "recipe": {"epochs": 4, "batch_size": 32},
    "run": {"out": "out", "track": False, "threads": 1},
}
PGD = {"kind": "pgd", "eps": 0.1, "steps": 2}
RECIPES: dict[str, dict[str, Any]] = {
    "momentum": {"nesterov": True},
    "adam": {"optimiser": "adam", "learning_rate": 0.002, "gradient_clip": None},
    "adamw": {"optimiser": "adamw", "learning_rate": 0.002, "ema": 0.9},
    "augmented": {
        "augmentation": [
            {"kind": "random_crop", "padding": 1},
            {"kind": "horizontal_flip"},
            {"kind": "cutout", "size": 2},
        ]
    },
    "attacked": {"objective": {"a": {"kind": "adversarial", "attack": PGD}}, "ema": 0.9},
    "bfloat16": {"precision": "bfloat16", "channels_last": True},
    "float16": {"precision": "float16", "channels_last": True, "ema": 0.9},
}


def training_of(**changes: Any) -> Training:
    return schema.structure(Training, {**BASE, **changes}, at="training")


def noisy(num_classes: int = 10) -> nn.Module:
    """With dropout and batch norm."""
    layers = (
        nn.Conv2d(1, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(216, num_classes),
    )
    return nn.Sequential(*layers)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_training_that_was_left_ends_as_an_undisturbed_one(
    place: Path, recipe: dict[str, Any]
) -> None:
    training = training_of(
        recipe={**BASE["recipe"], **recipe},
        model={"architecture": f"{__name__}:noisy"},
        test={"name": "digits", "samples": 50},
        validation={"samples": 0.25, "attack": PGD},
    )
    undisturbed = list(epochs(training, place / "whole"))
    first = epochs(training, place / "left")
    told = [next(first), next(first)]
    first.close()
    (place / "left" / "model.safetensors").unlink()  # as if it had been killed before writing that
    told += list(epochs(training, place / "left"))
    assert [(one.epoch, one.metrics) for one in told] == [
        (one.epoch, one.metrics) for one in undisturbed
    ]
    assert [one.epoch for one in told] == [1, 2, 3, 4]
    assert len({one.metrics["loss"] for one in told}) == 4
    for name in ("state.safetensors", "model.safetensors", "model.json"):
        assert (place / "left" / name).read_bytes() == (place / "whole" / name).read_bytes()
    assert list(epochs(training, place / "left")) == []


def test_a_killed_process_loses_only_the_epoch_it_was_in(place: Path) -> None:
    (place / "training.yaml").write_text(yaml.safe_dump(BASE))
    script = (
        "import os, pathlib, signal; from advcore.pipelines.settings.schema import read; from "
        "advcore.pipelines.training.epoch_loop import epochs\n"
        "from advcore.pipelines.training.settings import Training\n"
        "for progress in epochs(read(Training, 'training.yaml', 'recipes'), "
        "pathlib.Path('killed')):\n"
        "    if progress.epoch == 2: os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    undisturbed, rest = (
        list(epochs(training_of(), place / "whole")),
        list(epochs(training_of(), place / "killed")),
    )
    assert [(one.epoch, one.metrics) for one in rest] == [
        (one.epoch, one.metrics) for one in undisturbed[2:]
    ]
    assert (place / "killed/model.safetensors").read_bytes() == (
        place / "whole/model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    "changes", [{"recipe": {**BASE["recipe"], "seed": 1}}, {"validation": {}}, {"name": "other"}]
)
def test_another_training_begins_anew(place: Path, changes: dict[str, Any]) -> None:
    next(epochs(training_of(), place / "here"))
    assert [one.epoch for one in epochs(training_of(**changes), place / "here")] == [1, 2, 3, 4]


def test_a_file_that_is_no_state_is_none(place: Path) -> None:
    (place / "state.safetensors").write_bytes(b"half")
    assert next(epochs(training_of(), place)).epoch == 1


def test_an_interrupted_training_goes_on_and_keeps_nothing_but_its_result(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = training_of(watch={"kind": f"{__name__}:Interrupting"})
    monkeypatch.setattr(Interrupting, "at", 3)
    with pytest.raises(KeyboardInterrupt):
        train(interrupted)
    monkeypatch.setattr(Interrupting, "at", None)
    result = train(interrupted)
    assert (
        result.metrics["watch/seen"] == 3
    )  # of this process: epochs 3 (anew) and 4, after one that was cut off
    files = [path for path in (place / "out").glob("[!.]*/**/*.*") if path.suffix]
    kept = sorted(f"{path.relative_to(place / 'out').parts[0]}{path.suffix}" for path in files)
    assert kept == ["models.json", "models.safetensors", "store.json", "store.safetensors"]
    assert train(interrupted).already


@dataclass(frozen=True)
class Interrupting:
    """Counts how often it looks, and stops the process as Ctrl-C does at one of these times."""

    samples: int = 7
    at = None
    seen = 0

    def __call__(
        self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor, randomness: Any
    ) -> dict[str, float]:
        cls = type(self)
        cls.seen += 1
        assert len(images) == len(labels) == len(randomness.indices) == self.samples
        assert not network.training
        if cls.seen == cls.at:
            cls.seen = 1
            raise KeyboardInterrupt
        return {"seen": cls.seen}


def test_the_checkpoint_says_what_it_came_of_and_can_be_gone_on_from(place: Path) -> None:
    training = training_of(test={"name": "digits", "samples": 50})
    result = train(training)
    about = json.loads(result.checkpoint.with_suffix(".json").read_text())
    assert about["data"] == load(training.data).digest
    assert about["epoch"] == 4
    assert about["metrics"][-1] == result.metrics
    assert schema.structure(Training, {**about["settings"], "run": BASE["run"]}) == training
    fine = training_of(
        name="fine", model={"architecture": "perceptron", "checkpoint": str(result.checkpoint)}
    )
    first = next(epochs(fine, place / "fine"))
    assert first.metrics["loss"] < 0.8 * about["metrics"][0]["loss"]


def test_equal_trainings_make_equal_bytes(place: Path) -> None:
    one = train(training_of()).checkpoint.read_bytes()
    elsewhere = training_of(run={**BASE["run"], "out": "elsewhere"})
    assert train(elsewhere).checkpoint.read_bytes() == one
    words = read_metadata("out/models/small.safetensors")
    assert words["advcore.training"] == load_training(training_of()).identity
    assert (words["advcore.architecture"], words["advcore.epoch"]) == ("perceptron", "4")


def test_the_average_is_what_is_tested_and_handed_out(place: Path) -> None:
    data = {"name": "digits", "split": "train", "samples": 120}
    training = training_of(recipe={**BASE["recipe"], "ema": 0.99}, test=data)
    *_, last = epochs(training, place)
    state, handed = (
        read_weights(place / "state.safetensors"),
        read_weights(place / "model.safetensors"),
    )
    for name, value in handed.items():
        assert torch.equal(value, state[f"fit.average.{name}"])
        assert not torch.equal(value, state[f"fit.network.{name}"])
    network = build(replace(training.model, checkpoint=str(place / "model.safetensors")))
    samples = load(training.data)
    right = (
        network(torch.as_tensor(samples.images, dtype=torch.float32)).argmax(1).numpy()
        == samples.labels
    )
    assert last.metrics["test_accuracy"] == pytest.approx(right.mean())


def test_the_best_epoch_is_handed_out_and_patience_ends_the_training(place: Path) -> None:
    """A learning rate that jumps up after the second of ten epochs: from then on it gets worse."""
    jump = {"kind": "steps", "points": [[0, 1], [0.2, 30]]}
    recipe = {
        "epochs": 10,
        "batch_size": 32,
        "rate": jump,
        "gradient_clip": None,
        "weight_decay": 0.0,
    }
    validation = {"samples": 40, "attack": PGD, "patience": 3}
    training = training_of(recipe=recipe, validation=validation)
    told = list(epochs(training, place / "best"))
    robust = [one.metrics["validation/robust_accuracy"] for one in told]
    assert [one.epoch for one in told] == [1, 2, 3, 4, 5]
    assert robust.index(max(robust)) == 1
    about = json.loads((place / "best/model.json").read_text())
    assert about["epoch"] == 2
    *_, second = [
        one
        for one in epochs(replace(training, recipe=training.recipe), place / "part")
        if one.epoch <= 2
    ]
    network = build(replace(training.model, checkpoint=str(place / "best/model.safetensors")))
    held_out = load_training(training).held_out
    assert held_out is not None
    images, labels = (
        torch.as_tensor(held_out.images, dtype=torch.float32),
        torch.as_tensor(held_out.labels),
    )
    assert training.validation is not None
    assert training.validation.measure(network, images, labels) == {
        name: value for name, value in second.metrics.items() if name.startswith("validation/")
    }
    to_the_end = training_of(
        recipe=recipe, validation={**validation, "patience": None, "keep_best": False}
    )
    assert [one.epoch for one in epochs(to_the_end, place / "last")] == list(range(1, 11))
    assert json.loads((place / "last/model.json").read_text())["epoch"] == 10


@pytest.mark.parametrize(("samples", "count"), [(30, 30), (0.25, 30)])
def test_samples_are_held_out_by_a_seed_of_their_own(
    place: Path, samples: float, count: int
) -> None:
    ready = load_training(training_of(validation={"samples": samples}))
    assert ready.held_out is not None
    assert len(ready.held_out) == count
    both = np.concatenate([ready.data.indices, ready.held_out.indices])
    whole = load(training_of().data)
    assert np.array_equal(np.sort(both), whole.indices)
    place_of = np.searchsorted(whole.indices, ready.held_out.indices)
    assert np.array_equal(ready.held_out.images, whole.images[place_of])
    assert np.array_equal(ready.held_out.labels, whole.labels[place_of])
    other = load_training(training_of(validation={"samples": samples, "seed": 1}))
    assert other.held_out is not None
    assert not np.array_equal(other.held_out.indices, ready.held_out.indices)
    same = load_training(training_of(validation={"samples": samples}, recipe={"seed": 5}))
    assert same.held_out is not None
    assert np.array_equal(same.held_out.indices, ready.held_out.indices)


def test_samples_that_stay_in_their_files_train_the_same_network(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    for split in ("train", "test"):
        digits = load(replace(training_of().data, split=split))
        np.savez(place / f"{split}.npz", images=digits.images, labels=digits.labels)
    training = training_of(
        data={"name": f"npz:{place / 'train.npz'}"},
        test={"name": f"npz:{place / 'test.npz'}"},
        validation={"samples": 20, "attack": PGD},
        watch={"kind": "diagnosis", "samples": 10, "eps": 0.1},
    )
    told = list(epochs(training, place / "memory"))
    monkeypatch.setattr(sources, "SENT", 0)
    asked: list[int] = []
    own = Stored.__getitem__

    def counted(images: Stored, rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return own(images, rows)

    monkeypatch.setattr(Stored, "__getitem__", counted)
    read = list(epochs(training, place / "files"))
    assert [one.metrics for one in read] == [one.metrics for one in told]
    weights = [read_weights(place / name / "model.safetensors") for name in ("memory", "files")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert max(asked) <= 100
    assert 32 in asked


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"validation": {"samples": 120}},
            "validation.samples: 120 holds out 120 of 120 training samples: leave at least one",
        ),
        (
            {"validation": {"samples": 0.001}},
            "validation.samples: 0.001 holds out 0 of 120 training samples",
        ),
        (
            {
                "validation": {"attack": PGD},
                "data": {**BASE["data"], "transform": {"kind": "flip"}},
            },
            r"^validation attacks in the box \[0, 1\], which images transformed by Flip",
        ),
    ],
)
def test_a_validation_that_cannot_work_is_refused(
    place: Path, changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        next(epochs(training_of(**changes), place))


def test_a_precision_that_torch_lacks_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.autocast
    monkeypatch.setattr(
        torch,
        "autocast",
        lambda *arguments, **named: whole(*arguments, **{**named, "enabled": False}),
    )
    with pytest.raises(
        InputError,
        match=(
            r"recipe\.precision: this torch cannot train in float16 on cpu: take precision "
            r"float32 or"
        ),
    ):
        train(training_of(recipe={"precision": "float16"}))


def test_a_term_or_its_part_that_is_edited_is_another_training(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(place))
    (place / "own_term_part.py").write_text("SCALE = 1\n")
    (place / "own_term.py").write_text(
        "from dataclasses import dataclass\nfrom own_term_part import SCALE\nfrom "
        "advcore.training import CrossEntropy\n"
        "@dataclass(frozen=True)\nclass Mine(CrossEntropy): ...\n"
    )
    own = training_of(recipe={**BASE["recipe"], "objective": {"mine": {"kind": "own_term:Mine"}}})
    before, shipped = load_training(own).identity, load_training(training_of()).identity
    assert load_training(own).identity == before
    (place / "own_term_part.py").write_text("SCALE = 2\n")
    assert load_training(own).identity != before
    assert load_training(training_of()).identity == shipped
