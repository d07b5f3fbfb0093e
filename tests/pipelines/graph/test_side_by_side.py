"""Trainings of a graph as tasks: the same networks wherever they run, whatever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from s3_server import S3

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers import slices
from advcore.workers.actor import Worker
from advcore.workers.tasks import TaskResult

NETWORK = {"architecture": "perceptron", "width": 16}


def document(out: Path, epochs: int = 3, **settings: Any) -> dict[str, Any]:
    recipe = {"base": "plain", "set": {"epochs": epochs}}
    learnt = {"recipe": recipe, "network": NETWORK, "data": "train", "seed": "$seed"}
    return {
        "name": "chains",
        "axes": {"seed": 2},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 400},
            "test": {"name": "digits", "samples": 40},
        },
        "models": {"plain": learnt, "tuned": learnt | {"start": "plain", "head": "new"}},
        "probes": {
            "noise": {
                "kind": "noise",
                "data": "test",
                "sigmas": [0.1],
                "draws": 10,
                "directions": 1,
            }
        },
        "run": {"out": str(out), "track": False, "threads": 1, "figures": "none", **settings},
    }


def networks(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (out / "models").glob("*.safetensors")}


def tables(out: Path) -> dict[str, bytes]:
    folder = out / "chains" / "tables" / "noise"
    return {file.name: file.read_bytes() for file in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    run(schema.structure(GraphStudy, document(out)))
    return out


def test_frozen_layers_and_a_new_head(tmp_path: Path) -> None:
    whole = document(tmp_path)
    whole["axes"] = {"seed": 1}
    whole["models"]["tuned"]["freeze"] = ["*"]
    result = run(schema.structure(GraphStudy, whole))
    numbers = result.scalars["noise"]
    assert numbers["tuned seed=0"] != numbers["plain seed=0"]


def test_the_bar_goes_on_where_an_earlier_call_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = schema.structure(GraphStudy, document(tmp_path))
    whole = Worker.train_whole

    def interrupted(self: Worker, *arguments: Any) -> Iterator[TaskResult]:
        yield next(whole(self, *arguments))
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "train_whole", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(study)
    assert "| 0/12 [" in capsys.readouterr().err
    run(study)
    err = capsys.readouterr().err
    assert "| 1/12 [" in err
    assert "| 0/12 [" not in err
    assert "| 12/12 [" in err


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bits_on_ray(undisturbed: Path, tmp_path: Path, workers: int) -> None:
    run(schema.structure(GraphStudy, document(tmp_path, runner="ray", workers=workers)))
    assert networks(tmp_path) == networks(undisturbed)
    assert tables(tmp_path) == tables(undisturbed)


def test_a_training_that_fails_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    whole = document(tmp_path)
    whole["models"]["plain"]["recipe"] = {
        "base": "plain",
        "set": {"epochs": 2, "learning_rate": 1e30},
    }
    with pytest.raises(Exception, match="nothing can be measured: plain seed=0"):
        run(schema.structure(GraphStudy, whole))


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["inline", "ray"])
def test_a_killed_driver_goes_on_with_the_same_bits(tmp_path: Path, runner: str) -> None:
    epochs = 100
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    run(schema.structure(GraphStudy, document(calm, epochs, runner=runner)))
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(document(killed, epochs, runner=runner)))
    command = [sys.executable, "-m", "advcore.pipelines.cli", "run", str(file)]
    for _ in range(2):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not list(killed.rglob("*.state.safetensors")) and time.monotonic() < deadline:
            assert process.poll() is None, "it was over before it could be killed"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list(killed.rglob("*.state.safetensors"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert networks(killed) == networks(calm)
    assert tables(killed) == tables(calm)
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "nothing to compute" in again.stdout or "0 shards measured" in again.stdout


def test_a_start_goes_to_other_machines_through_the_store(
    undisturbed: Path, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str | None] = []
    original = slices.first_model

    def noted(task: Any) -> Any:
        starts.append(task.start)
        return original(task)

    monkeypatch.setattr(slices, "first_model", noted)
    run(schema.structure(GraphStudy, document(tmp_path, store=s3.url("rows"))))
    assert networks(tmp_path) == networks(undisturbed)
    begun = [start for start in starts if start is not None]
    assert len(begun) == 2
    assert all(start.startswith(s3.url("rows/checkpoints/")) for start in begun)
