"""A study that runs in a second, two small networks on 8 x 8 digits; and an MLflow store."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from advcore.networks import perceptron
from advcore.pipelines.sweep import report
from advcore.pipelines.sweep.trials_charts import charts
from advcore.pipelines.tracking.client import Client
from advcore.workers.checkpoints import save_checkpoint


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no MLflow settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_ID",
        "MLFLOW_EXPERIMENT_NAME",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def tiny(place: Path) -> dict[str, Any]:
    """The mapping of a tiny study, whose checkpoint lies in the working folder.

    It draws no figures, which would take longer than all else.
    """
    torch.manual_seed(3)
    save_checkpoint(perceptron(), place / "one.safetensors", {})
    return {
        "name": "tiny",
        "models": {
            "one": {"architecture": "perceptron", "checkpoint": "one.safetensors"},
            "two": {"architecture": "perceptron"},
        },
        "data": {"name": "digits", "split": "test", "samples": 20},
        "probes": {
            "robustness": {
                "kind": "robustness",
                "eps": ["8/255", 0.1, 0.5],
                "attacks": [
                    {"kind": "deepfool", "norm": "l2"},
                    {"kind": "pgd", "norm": "l2", "steps": 5},
                ],
            },
            "margins": {"kind": "margins", "family": {"kind": "dct", "size": 4, "stride": 2}},
            "curvature": {"kind": "curvature"},
            "examples": {"kind": "examples", "count": 3},
        },
        "run": {"shard_size": 8, "out": "out", "track": False, "threads": 1, "figures": "none"},
    }


@pytest.fixture
def study_file(tiny: dict[str, Any], place: Path) -> Path:
    """The same as a file."""
    path = place / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny))
    return path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store whose tables are made: that alone takes seconds."""
    folder = tmp_path_factory.mktemp("migrated")
    Client(f"sqlite:///{folder / 'mlflow.db'}").ask("search_experiments")
    return folder / "mlflow.db"


@pytest.fixture
def folder(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, with a space in its name, that has such a store; and nothing from outside in the
    environment.
    """
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    place = tmp_path / "the results"
    place.mkdir()
    shutil.copy(migrated, place / "mlflow.db")
    return place


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps draw one figure: drawing takes longer than all the rest."""
    monkeypatch.setattr(report, "charts", lambda *arguments: charts(*arguments)[:1])
