"""Trainings of `advcore train` and of studies of the old form, whose epochs lie in the store."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines.cli import main
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import InputError
from advcore.workers.inline import Inline
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.tasks import Train

RECIPE: dict[str, Any] = {
    "name": "calm",
    "model": {"architecture": "perceptron"},
    "data": {"name": "digits", "split": "train", "samples": 120},
    "test": {"name": "digits", "samples": 30},
    "recipe": {"epochs": 4, "batch_size": 32},
    "run": {"out": "out", "track": False, "threads": 1},
}
WATCH = """
import os, signal
from dataclasses import dataclass

@dataclass(frozen=True)
class Killing:
    samples: int = 5

    def __call__(self, network, images, labels, randomness):
        with open("looks", "a") as file:
            file.write("look\\n")
        if os.environ.get("KILL") and len(open("looks").readlines()) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}
"""


def study(out: str, **changes: Any) -> Study:
    """Two networks that are trained, by two recipes, and measured."""
    for name, seed in (("calm", 0), ("other", 1)):
        own = {**RECIPE, "name": name, "recipe": {**RECIPE["recipe"], "seed": seed}}
        Path(f"{name}.yaml").write_text(yaml.safe_dump(own))
    document = {
        "name": "both",
        "data": {"name": "digits", "samples": 20},
        "train": {"one": "calm.yaml", "two": "other.yaml"},
        "probes": {"noise": {"kind": "noise"}},
        "run": {"out": out, "track": False, "threads": 1},
    }
    document["run"] |= changes.pop("run", {})
    return schema.structure(Study, document | changes)


def networks(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (out / "models").glob("*.safetensors")}


def in_store(out: Path) -> dict[str, bytes]:
    files = (out / "store").rglob("*.safetensors")
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.slow
def test_a_study_of_the_old_form_trains_side_by_side_on_ray(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[list[Any]] = []
    original = RayPool.run

    def noted(self: RayPool, tasks: Any, *arguments: Any) -> Any:
        told.append([type(task) for task in tasks])
        return original(self, tasks, *arguments)

    monkeypatch.setattr(RayPool, "run", noted)
    inline = run_study(study("inline"))
    ray = run_study(study("ray", run={"runner": "ray", "workers": 2}))
    assert told[0] == [Train, Train]
    assert networks(place / "ray") == networks(place / "inline")
    assert set(networks(place / "ray")) == {"calm.safetensors", "other.safetensors"}
    assert in_store(place / "ray") == in_store(place / "inline")
    assert len(in_store(place / "ray")) == 2
    assert ray.measured == inline.measured == 2
    err = capsys.readouterr().err
    assert f"one: trained, {place / 'ray/models/calm.safetensors'}" in err
    assert run_study(study("ray", run={"runner": "ray", "workers": 2})).measured == 0
    assert "two: already trained, " in capsys.readouterr().err


def test_a_study_and_the_command_train_the_same_network(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_study(study("out"))
    trained = networks(place / "out")
    (place / "out/models/calm.safetensors").unlink()

    def never(*_: object) -> None:
        raise AssertionError("it was trained before")

    monkeypatch.setattr(Inline, "run", never)
    document = yaml.safe_load(Path("calm.yaml").read_text())
    own = train(schema.structure(Training, document, "training"))
    assert own.already
    assert networks(place / "out") == trained


def test_a_killed_training_goes_on_from_its_epoch(place: Path) -> None:
    (place / "killing.py").write_text(WATCH)
    recipe = {**RECIPE, "watch": {"kind": "killing:Killing"}}
    (place / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "advcore.pipelines.cli", "train", "recipe.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "KILL": "yes"}
    killed = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((place / "out/store").rglob("*.state.safetensors"))) == 1
    assert main(["train", "recipe.yaml"]) == 0
    looks = len((place / "looks").read_text().splitlines())
    assert looks == 3 + 2  # the third epoch, in which it was killed, and the fourth
    assert main(["train", "recipe.yaml", "--out", "calm"]) == 0
    assert networks(place / "out") == networks(place / "calm")
    assert not list((place / "out/store").rglob("*.state.safetensors"))


def test_a_state_of_an_earlier_version_is_told_and_left(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = place / "out/training/calm"
    folder.mkdir(parents=True)
    (folder / "state.safetensors").write_bytes(b"some epochs")
    training = schema.structure(Training, RECIPE, "training")
    assert train(training).epoch == 4
    assert f"the epochs in {folder} are of an earlier version" in capsys.readouterr().err
    assert train(training).already
    assert "earlier version" not in capsys.readouterr().err


def test_two_trainings_of_one_name_are_refused(place: Path) -> None:
    study("out")
    other = yaml.safe_load(Path("other.yaml").read_text())
    Path("other.yaml").write_text(yaml.safe_dump(other | {"name": "calm"}))
    document = schema.unstructure(study("out"))
    Path("other.yaml").write_text(yaml.safe_dump(other | {"name": "calm"}))
    with pytest.raises(InputError, match="one and two are different trainings of one name, 'calm'"):
        run_study(schema.structure(Study, document))


@pytest.mark.parametrize("kind", ["diverges", "held", "breaks"])
def test_a_training_that_fails_ends_the_study(
    place: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = study("out")
    if kind == "diverges":
        recipe = {**RECIPE["recipe"], "learning_rate": 1e30, "gradient_clip": None}
        document = {**RECIPE, "name": "other", "recipe": recipe}
        Path("other.yaml").write_text(yaml.safe_dump(document))
        with pytest.raises(InputError, match=r"^training two diverged: the objective is"):
            run_study(own)
        assert set(networks(place / "out")) == {"calm.safetensors"}
    elif kind == "held":
        from advcore.pipelines.machine.lock import exclusive_lock

        held = exclusive_lock(place / "out", "training", "calm")
        with held, pytest.raises(InputError, match=r"^training calm in .* is in use by process"):
            run_study(own)
        assert not networks(place / "out")
    else:

        def broken(*_: object) -> None:
            raise KeyError("nobody thought of it")

        monkeypatch.setattr("advcore.workers.actor.train_epochs", broken)
        with pytest.raises(RuntimeError, match=r"(?s)training one failed: Traceback.*nobody th"):
            run_study(own)
