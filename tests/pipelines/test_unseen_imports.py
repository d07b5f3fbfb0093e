"""A user's own code that imports by computed names: what a key does not hold is told."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_store import client
from studies import study_of
from sweeps import sweep_of, tiny_sweep, with_term

from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.printing import render_report
from advcore.pipelines.settings.schema import read
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.training.settings import Training

PROBE = """
import importlib
from dataclasses import dataclass
from advcore.probes import Curvature

@dataclass(frozen=True)
class Mine(Curvature):
    part: str = "json"

    def measure(self, classifier, batch, randomness):
        importlib.import_module(self.part)
        return super().measure(classifier, batch, randomness)
"""
TERM = """
import importlib
from dataclasses import dataclass
from advcore.training import CrossEntropy

@dataclass(frozen=True)
class Mine(CrossEntropy):
    part = importlib.import_module("js" + "on")
"""
SENTENCE = "imports modules by names that it computes: their code was not looked at"


def test_a_study_with_such_a_probe_says_so(
    tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(place))
    (place / "unseen_probe.py").write_text(PROBE)
    report = run_study(
        study_of(
            {**tiny, "probes": {"mine": {"kind": "unseen_probe:Mine", "spectrum": "top", "top": 2}}}
        )
    )
    assert report.complete
    assert report.warnings["unseen_imports"].keys() == {"unseen_probe"}
    line = f"warning: unseen_imports: unseen_probe {SENTENCE}"
    assert sum(own.startswith(line) for own in render_report(report).splitlines()) == 1
    assert render_report(report).count("unseen_imports") == 1
    page = (report.folder / "report.md").read_text()
    assert page.count("unseen_imports") == 1
    assert f"- **warning**, unseen_imports: unseen_probe {SENTENCE}" in page


def test_a_study_without_one_says_nothing(tiny: dict[str, Any]) -> None:
    report = run_study(
        study_of(
            {**tiny, "probes": {"curvature": {"kind": "curvature", "spectrum": "top", "top": 2}}}
        )
    )
    assert "unseen_imports" not in render_report(report) + (report.folder / "report.md").read_text()


def test_a_training_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(place))
    (place / "unseen_term.py").write_text(TERM)
    recipe = {
        "name": "tiny",
        "model": {"architecture": "perceptron"},
        "data": {"name": "digits", "split": "train", "samples": 20},
        "recipe": {"epochs": 1, "objective": {"loss": {"kind": "unseen_term:Mine"}}},
        "run": {"out": "out", "track": False, "threads": 1},
    }
    (place / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    train(read(Training, str(place / "tiny.yaml"), "recipes"))
    assert f"advcore: warning: unseen_term {SENTENCE}" in capsys.readouterr().err


def test_a_sweep_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(place))
    (place / "unseen_term.py").write_text(TERM)
    own = with_term(tiny_sweep(), kind="unseen_term:Mine")
    assert sweep(sweep_of(own, out=str(place))).best is not None
    assert f"advcore: warning: unseen_term {SENTENCE}" in capsys.readouterr().err


def test_mlflow_says_so(tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(place))
    (place / "unseen_probe.py").write_text(PROBE)
    probe = {"kind": "unseen_probe:Mine", "spectrum": "top", "top": 2}
    run_study(study_of({**tiny, "probes": {"mine": probe}}, track=True, out=str(place)))
    mlflow = client(place)
    experiments = [own.experiment_id for own in mlflow.search_experiments()]
    tags = [own.data.tags for own in mlflow.search_runs(experiments)]
    parents = [own for own in tags if "mlflow.parentRunId" not in own]
    told = [own["advcore.warning.unseen_imports"] for own in parents]
    assert len(told) == 1
    assert told[0].startswith(f"unseen_probe: unseen_probe {SENTENCE}")
