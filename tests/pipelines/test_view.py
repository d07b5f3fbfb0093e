"""What somebody has deleted in MLflow is written again."""

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from answers import answer_of
from mlflow_server import served
from mlflow_store import client

from advcore.pipelines.cli import main


@pytest.fixture
def command(study_file: Path, tiny: dict[str, Any], folder: Path) -> list[str]:
    """Of a study that has run, and that is finished."""
    tiny["probes"] = {"curvature": {"kind": "curvature"}}
    tiny["run"] |= {"out": str(folder), "track": True}
    study_file.write_text(yaml.safe_dump(tiny))
    words = ["run", str(study_file)]
    assert main(words) == 0
    assert answer_of(words) is not None
    return words


def runs(own: Any) -> dict[str, Any]:
    """By name."""
    found = own.search_runs([own.get_experiment_by_name("advcore").experiment_id])
    return {run.info.run_name: run for run in found}


def check(own: Any, command: list[str], folder: Path) -> None:
    """All is there again, and is remembered."""
    assert answer_of(command) is None
    assert main(command) == 0
    there = runs(own)
    assert set(there) == {"tiny", "one/curvature", "two/curvature"}
    assert {run.info.status for run in there.values()} == {"FINISHED"}
    assert all(own.list_artifacts(run.info.run_id) for run in there.values())
    assert answer_of(command) is not None


def test_a_child_that_was_deleted(command: list[str], folder: Path) -> None:
    own = client(folder)
    own.delete_run(runs(own)["one/curvature"].info.run_id)
    check(own, command, folder)


@pytest.mark.parametrize("name", ["tiny", "two/curvature"])
def test_files_that_were_deleted(command: list[str], folder: Path, name: str) -> None:
    own = client(folder)
    shutil.rmtree(unquote(urlsplit(runs(own)[name].info.artifact_uri).path))
    check(own, command, folder)


@pytest.mark.slow
def test_on_a_server_too(
    study_file: Path, tiny: dict[str, Any], place: Path, migrated: Path
) -> None:
    from mlflow import MlflowClient

    (place / "server").mkdir()
    shutil.copy(migrated, place / "server/mlflow.db")
    with served(place / "server") as uri:
        tiny["probes"] = {"curvature": {"kind": "curvature"}}
        tiny["run"] |= {"track": True, "tracking_uri": uri}
        study_file.write_text(yaml.safe_dump(tiny))
        words = ["run", str(study_file)]
        assert main(words) == 0
        assert answer_of(words) is not None
        own = MlflowClient(uri)
        own.delete_run(runs(own)["one/curvature"].info.run_id)
        check(own, words, place)
