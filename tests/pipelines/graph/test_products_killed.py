"""Drivers and workers killed in the middle of a fit, a derivation, a training on what was made."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.datasets import DataSpec, load

TESTS = Path(__file__).parents[2]
EPOCHS = {"base": "plain", "set": {"epochs": 3, "batch_size": 32}}
PARTS = ("fit", "made", "student")
"""What is struck, in this order: each marker is a file of this name."""


def document(out: Path, markers: Path, how: str, **settings: Any) -> dict[str, Any]:
    """Two chains of plain, fit, derived data, student; each kind strikes where its marker lacks."""
    samples = load(DataSpec("digits", split="train", samples=120)).indices
    struck = {"how": how, "bad": int(samples[110])}
    student = {"call": 20, "how": how, "marker": str(markers / "student")}
    perceptron = {"architecture": "perceptron", "width": 16}
    return {
        "name": "chain",
        "axes": {"seed": 2},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 120},
            "made": {
                "kind": "tiny_trouble:StruckLightened",
                "of": "train",
                "model": "plain",
                "fit": "mean",
                **struck,
                "marker": str(markers / "made"),
            },
            "both": {"kind": "union", "of": ["train", "made"]},
            "test": {"name": "digits", "samples": 40},
        },
        "models": {
            "plain": {"recipe": EPOCHS, "network": perceptron, "data": "train", "seed": "$seed"},
            "student": {
                "recipe": EPOCHS,
                "network": {"architecture": "tiny_trouble:network", "arguments": student},
                "data": "both",
                "seed": "$seed",
            },
        },
        "fits": {
            "mean": {
                "kind": "tiny_trouble:StruckMean",
                "model": "plain",
                "data": "train",
                "shard_size": 20,
                **struck,
                "marker": str(markers / "fit"),
            },
        },
        "probes": {
            "distance": {
                "kind": "tiny_products:Distance",
                "model": ["plain", "student"],
                "data": "test",
                "fit": "mean",
            }
        },
        "run": {"out": str(out), "track": False, "threads": 1, "shard_size": 32, **settings},
    }


def study(out: Path, markers: Path, how: str, **settings: Any) -> GraphStudy:
    return schema.structure(GraphStudy, document(out, markers, how, **settings))


def results(out: Path) -> dict[str, Any]:
    """Return the tables, the bytes of the fits and of the networks, and the names of all else.

    A file that was being written when its process was killed has a name with a dot.
    """
    tables = {
        str(file.relative_to(out)): pq.read_table(file).to_pydict()
        for file in (out / "chain" / "tables").rglob("*.parquet")
    }
    networks = {file.name: file.read_bytes() for file in (out / "models").glob("*.safetensors")}
    kept = {
        file.name: file.read_bytes() if file.name.endswith(".safetensors") else b""
        for file in (out / "store").rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }
    return {"tables": tables, "networks": networks, "store": kept}


def undisturbed(out: Path, markers: Path, how: str) -> dict[str, Any]:
    """Return the results of a run in this process, where each marker is there already."""
    assert sorted(file.name for file in markers.iterdir()) == sorted(PARTS)
    run(study(out, markers, how))
    return results(out)


def command(folder: Path, whole: dict[str, Any]) -> list[str]:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(whole))
    return [sys.executable, "-m", "advcore.pipelines.cli", "run", str(file)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}


def kill_when(line: list[str], there: Callable[[], bool]) -> None:
    """Start a driver, kill it, and it alone, when something is there."""
    driver = subprocess.Popen(
        line, start_new_session=True, stderr=subprocess.DEVNULL, env=environment()
    )
    deadline = time.monotonic() + 120
    while not there():
        assert driver.poll() is None, "it was over before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.kill()
    driver.wait()


def is_in_the_middle(part: str, out: Path, markers: Path) -> bool:
    """Return whether a part has struck, and has left in the store what it had done before."""
    store = {
        "fit": [".round.safetensors", ".share.safetensors"],
        "made": [],
        "student": [".state.safetensors"],
    }
    return (markers / part).exists() and all(
        list((out / "store").rglob(f"*{ending}")) for ending in store[part]
    )


def made_rows(out: Path) -> int:
    """Return the number of shards in the store whose rows are samples that were made."""
    columns = [pq.read_schema(file).names for file in (out / "store").rglob("*.parquet")]
    return sum("input" in names for names in columns)


def finish(line: list[str]) -> str:
    return subprocess.run(
        line, check=True, capture_output=True, text=True, env=environment()
    ).stdout


def marked(folder: Path, *parts: str) -> Path:
    folder.mkdir()
    for part in parts:
        (folder / part).touch()
    return folder


@pytest.mark.slow
def test_a_driver_killed_in_the_middle_of_a_fit(tmp_path: Path) -> None:
    markers = marked(tmp_path / "markers", "made", "student")
    out = tmp_path / "killed"
    line = command(tmp_path, document(out, markers, "waits"))
    kill_when(line, lambda: is_in_the_middle("fit", out, markers))
    run(study(out, markers, "waits"))
    assert results(out) == undisturbed(tmp_path / "calm", markers, "waits")


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [{"runner": "inline"}, {"runner": "ray", "workers": 1}, {"runner": "ray", "workers": 2}],
    ids=["inline", "ray 1", "ray 2"],
)
@pytest.mark.parametrize("part", PARTS)
def test_a_driver_killed_in_the_middle(tmp_path: Path, part: str, where: dict[str, Any]) -> None:
    markers = marked(tmp_path / "markers", *(own for own in PARTS if own != part))
    out = tmp_path / "killed"
    line = command(tmp_path, document(out, markers, "waits", **where))
    kill_when(line, lambda: is_in_the_middle(part, out, markers))
    assert not (out / "chain" / "tables").exists()
    assert part != "made" or 0 < made_rows(out) < 8
    finish(line)
    assert results(out) == undisturbed(tmp_path / "calm", markers, "waits")
    again = finish(line)
    assert "nothing to compute" in again or "0 shards measured" in again


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_killed_in_the_middle_of_each(tmp_path: Path, workers: int) -> None:
    """Each part kills the worker that does it; the driver is this process."""
    markers = marked(tmp_path / "markers")
    out = tmp_path / "killed"
    run(study(out, markers, "dies", runner="ray", workers=workers))
    assert results(out) == undisturbed(tmp_path / "calm", markers, "dies")
