"""Fine-tuning: a network that goes on on another data set, partly frozen, with a new last layer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from advcore.pipelines.cli import main
from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import find
from advcore.pipelines.sweep.choice import check_metrics
from advcore.pipelines.sweep.plan import check_trial_settings, plan_of
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.training.epoch_loop import epochs
from advcore.pipelines.training.loading import load_training
from advcore.pipelines.training.settings import Training
from advcore.workers.checkpoints import read_weights
from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, build

ARGUMENTS = {"channels": 1, "width": 24, "depth": 2, "norm": "batch"}
SOURCE: dict[str, Any] = {
    "name": "source",
    "model": {"architecture": "perceptron", "classes": 6, "arguments": ARGUMENTS},
    "data": {"name": "npz:source.npz"},
    "recipe": {"epochs": 10, "batch_size": 32},
    "run": {"out": "out", "track": False, "threads": 1},
}
TUNED: dict[str, Any] = {
    **SOURCE,
    "name": "tuned",
    "model": {**SOURCE["model"], "classes": 4, "checkpoint": "out/models/source.safetensors"},
    "data": {"name": "npz:target.npz"},
    "recipe": {"epochs": 5, "batch_size": 16, "ema": 0.5},
    "freeze": ["*"],
    "head": "new",
}
ON_ALL: dict[str, Any] = {
    **TUNED,
    "model": {**TUNED["model"], "classes": 10},
    "data": {"name": "digits", "split": "train"},
}
MEASURED: dict[str, Any] = {
    "data": {"name": "digits", "split": "test", "samples": 40},
    "probes": {
        "accuracy": {
            "kind": "robustness",
            "eps": [0.1],
            "attacks": [{"kind": "fgsm", "norm": "l2"}],
        }
    },
}


@pytest.fixture
def data(place: Path) -> Path:
    """Two data sets of digits, 0 to 5 and 6 to 9, the second with test images."""
    for split in ("train", "test"):
        digits = load(DataSpec("digits", split))
        images, labels = np.asarray(digits.images), np.asarray(digits.labels)
        first, second = labels < 6, labels >= 6
        name = "target" if split == "train" else "target_test"
        np.savez(place / f"{name}.npz", images=images[second], labels=labels[second] - 6)
        if split == "train":
            np.savez(place / "source.npz", images=images[first], labels=labels[first])
    return place


def told(*trainings: dict[str, Any]) -> int:
    for number, training in enumerate(trainings):
        Path(f"{number}.yaml").write_text(yaml.safe_dump(training))
        if main(["train", f"{number}.yaml"]):
            return 1
    return 0


def training_of(**changes: Any) -> Training:
    return schema.structure(Training, {**TUNED, **changes}, at="training")


def weights(name: str) -> dict[str, torch.Tensor]:
    return read_weights(f"out/models/{name}.safetensors")


def moved(name: str) -> set[str]:
    """The names of the weights that are not the source's, bit for bit."""
    before, after = weights("source"), weights(name)
    assert list(before) == list(after)
    return {key for key in before if not torch.equal(before[key], after[key])}


def accuracy_of(name: str) -> float:
    spec = ModelSpec("perceptron", f"out/models/{name}.safetensors", 4, ARGUMENTS)
    test = load(DataSpec("npz:target_test.npz"))
    images = torch.as_tensor(np.asarray(test.images), dtype=torch.float32)
    with torch.no_grad():
        predicted = build(spec)(images).argmax(1)
    return (predicted == torch.as_tensor(test.labels)).float().mean().item()


def test_a_new_last_layer_is_learnt_on_frozen_features(data: Path) -> None:
    assert told(SOURCE, TUNED) == 0
    assert moved("tuned") == {"7.weight", "7.bias"}
    assert weights("tuned")["7.weight"].shape == (4, 24)
    assert accuracy_of("tuned") > 0.7


def test_all_weights_move_where_nothing_is_frozen(data: Path) -> None:
    assert told(SOURCE, {**TUNED, "freeze": []}) == 0
    assert moved("tuned") == set(weights("source"))
    assert accuracy_of("tuned") > 0.7


def test_a_tuned_network_that_was_left_ends_as_an_undisturbed_one(data: Path) -> None:
    assert told(SOURCE) == 0
    training = training_of()
    whole = list(epochs(training, data / "whole"))
    first = epochs(training, data / "left")
    left = [next(first), next(first)]
    first.close()
    left += list(epochs(training, data / "left"))
    assert [one.metrics for one in left] == [one.metrics for one in whole]
    for name in ("state.safetensors", "model.safetensors", "model.json"):
        assert (data / "left" / name).read_bytes() == (data / "whole" / name).read_bytes()


def test_the_new_layer_comes_from_the_recipes_seed(data: Path) -> None:
    assert told(SOURCE) == 0
    still = {**TUNED["recipe"], "epochs": 1, "learning_rate": 1e-12, "weight_decay": 0}
    layers = []
    for name, seed in (("a", 0), ("b", 1), ("c", 1)):
        train(training_of(name=name, recipe={**still, "seed": seed}))
        layers.append(weights(name)["7.weight"])
    assert (layers[0] - layers[1]).abs().max() > 0.1
    torch.testing.assert_close(layers[1], layers[2])


def test_a_study_measures_what_a_recipe_tunes(data: Path) -> None:
    assert told(SOURCE) == 0
    (data / "tuned.yaml").write_text(yaml.safe_dump(ON_ALL))
    study = {
        "name": "measured",
        "train": {"tuned": "tuned.yaml"},
        **MEASURED,
        "run": {"out": "out", "track": False, "threads": 1},
    }
    (data / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["run", "study.yaml", "--dry-run"]) == 0
    assert main(["run", "study.yaml"]) == 0
    assert weights("tuned")["7.weight"].shape == (10, 24)


def test_freezing_and_a_new_layer_are_part_of_the_identity(data: Path) -> None:
    assert told(SOURCE) == 0
    same = {"classes": 6, **SOURCE["model"], "checkpoint": TUNED["model"]["checkpoint"]}
    base = {"model": same, "data": SOURCE["data"]}
    kinds: list[dict[str, Any]] = [
        {"freeze": [], "head": None},
        {"freeze": ["1"], "head": None},
        {"freeze": ["1", "2"], "head": None},
        {"freeze": [], "head": "new"},
        {"freeze": ["1"], "head": "new"},
    ]
    found = {load_training(training_of(**base, **kind)).identity for kind in kinds}
    assert len(found) == len(kinds)
    described = load_training(training_of(**base, **kinds[0])).training
    assert not {"freeze", "head"} & described.settings.keys()


def test_a_sweep_of_a_new_last_layer_checks_the_network_without_its_start(data: Path) -> None:
    assert told(SOURCE) == 0
    (data / "tuned.yaml").write_text(yaml.safe_dump(ON_ALL))
    sweep = {
        "name": "rates",
        "recipe": "tuned.yaml",
        "space": {"recipe.learning_rate": {"grid": [0.1, 0.2]}},
        "metric": "accuracy/accuracy",
        **MEASURED,
        "run": {"out": "out", "track": False},
    }
    plan = plan_of(schema.structure(Sweep, sweep, at="sweep"))
    points = plan.sweep.points()
    check_trial_settings(plan, points)
    check_metrics(plan)
    assert len({plan.key(point) for point in points}) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ["layer1"]}, "freeze: 'layer1' names nothing in the network, which has 1, 2,"),
        ({"head": None, "model": SOURCE["model"], "freeze": ["*"]}, "nothing is left to train"),
        (
            {"model": {**TUNED["model"], "classes": 7}},
            "head: new makes a layer of 7 logits, and the data have 4 classes: say model.classes",
        ),
        (
            {"model": {**TUNED["model"], "arguments": {**ARGUMENTS, "width": 25}}},
            "does not fit the model",
        ),
        ({"model": {**TUNED["model"], "pretrained": True}}, "model.pretrained|no trained weights"),
        (
            {"model": {**TUNED["model"], "architecture": f"{__name__}:doubled", "arguments": {}}},
            "head: new: expected a network whose logits are the output of a linear layer",
        ),
        ({"head": "old"}, "head"),
    ],
)
def test_what_cannot_start_is_refused_in_one_line(
    data: Path, changes: dict[str, Any], message: str
) -> None:
    if not Path("out/models/source.safetensors").exists():
        assert told({**SOURCE, "recipe": {"epochs": 1}}) == 0
    with pytest.raises(InputError, match=message) as refusal:
        load_training(training_of(**changes))
    assert "\n" not in str(refusal.value)


def shipped(name: str, **changes: Any) -> Training:
    """The recipe that comes along, made small."""
    small = {"data": {"name": "mnist5k", "split": "train", "samples": 100}, "test": None}
    recipe = schema.load_yaml(find(name, "recipes"))
    recipe["recipe"] |= {"epochs": 2, "batch_size": 32}
    return schema.structure(Training, recipe | small | {"run": SOURCE["run"]} | changes)


def test_the_rung_of_eps_0_is_the_plain_training_bit_for_bit(place: Path) -> None:
    ladder = schema.load_yaml(find("ladder", "recipes"))["recipe"]
    ladder["objective"]["adversarial"]["attack"]["eps"] = 0
    train(shipped("ladder", recipe=ladder | {"epochs": 2, "batch_size": 32}))
    train(shipped("plain"))
    rung, plain = weights("ladder"), weights("plain")
    assert all(torch.equal(rung[name], plain[name]) for name in plain)


@pytest.mark.parametrize(("name", "still"), [("head_only", True), ("fine_tune", False)])
def test_shipped_recipes_go_on_from_a_checkpoint(place: Path, name: str, still: bool) -> None:
    train(shipped("plain"))
    model = {"architecture": "lenet", "checkpoint": "out/models/plain.safetensors"}
    train(shipped(name, model=model))
    before, after = weights("plain"), weights(name)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == ({"11.weight", "11.bias"} if still else set(before))


def doubled(num_classes: int) -> torch.nn.Module:
    """A network whose last layer's output is doubled."""

    class Doubled(torch.nn.Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Doubled(64, num_classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 2 * self.layer(images.flatten(1))

    return Network()
