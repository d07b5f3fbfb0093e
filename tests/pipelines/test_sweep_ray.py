"""Sweeps on Ray: the same as inline, and nothing lost when a trial's process or the driver dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow_store import client
from sweeps import EPS, results, sweep_of, tiny_sweep, with_term

from pipelines import sweep_report
from pipelines.sweep_run import sweep
from workers.pool import RayPool


@pytest.fixture(scope="module")
def ray_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local Ray with two CPUs; sweeps find it and leave it running."""
    with RayPool(str(tmp_path_factory.mktemp("session")), workers=2).session():
        yield


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_report, "charts", lambda *arguments: [])


@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_on_ray_as_inline_and_a_trial_that_is_killed_goes_on_from_its_last_epoch(place: Path) -> None:
    """200 samples are two steps an epoch; the fourth step of all kills its process, once."""
    (place / "killed").mkdir()
    (place / "calm").mkdir()
    plain = tiny_sweep(space={EPS: {"grid": [0.1]}})
    calm = sweep_of(with_term(plain, kind="sweeps:Deadly", folder="calm", step=-1))
    sweep(calm)
    report = sweep(sweep_of(with_term(plain, kind="sweeps:Deadly", folder=str(place / "killed")), runner="ray", out="ray"))
    assert report.complete
    assert (place / "calm/steps").stat().st_size == 6
    assert (place / "killed/steps").stat().st_size == 8  # the second epoch's two steps were made again, the first's were not
    (one,), (other,) = results(place / "out/tiny"), results(place / "ray/tiny")
    assert one[1:4] == other[1:4]
    assert json.loads(one[5].replace("'", '"')) == json.loads(other[5].replace("'", '"'))


@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_a_scheduler_stops_trials_and_they_stay_stopped(place: Path, folder: Path) -> None:
    settings = tiny_sweep(
        space={"recipe.learning_rate": {"grid": [0.2, 1e-9, 1e-8, 1e-7]}},
        scheduler={"kind": "asha", "metric": "test_accuracy", "reduction": 2},
    )
    own = sweep_of(settings, runner="ray", out=str(folder), track=True, concurrent=1)
    report = sweep(own)
    assert report.trials[0].status == "finished"
    stopped = [trial for trial in report.trials if trial.status == "stopped"]
    assert stopped
    assert all(trial.epoch < 3 and not trial.rows for trial in stopped)
    assert report.best is report.trials[0]
    mlflow = client(folder)
    found = mlflow.search_runs([mlflow.get_experiment_by_name("advcore-sweeps").experiment_id])
    assert {run.info.status for run in found} == {"FINISHED"}
    assert {run.data.tags["advcore.status"] for run in found if "advcore.status" in run.data.tags} >= {"finished after epoch 3"}
    assert sweep(own).ran == 0


@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_a_budget_and_a_wrong_metric_end_trials(place: Path) -> None:
    one = {EPS: {"grid": [0.1]}}
    refused = sweep_of(tiny_sweep(space=one, scheduler={"kind": "asha", "metric": "los"}), runner="ray", retries=0)
    assert "the scheduler judges by 'los', which is no number of an epoch: take one of loss" in sweep(refused).problems[0]
    spent = sweep(sweep_of(tiny_sweep(space=one), runner="ray", out="spent", cost=1e-9, cost_per_hour=1.0))
    assert "run.cost is spent" in spent.problems[0]
    assert [trial.status for trial in spent.trials] == ["interrupted"]


@pytest.mark.slow
def test_the_driver_is_killed_and_every_trial_ends_once(place: Path, folder: Path) -> None:
    """Three trials of six epochs; SIGKILL as soon as one has ended and another is on its way."""
    settings: dict[str, Any] = tiny_sweep(space={EPS: {"grid": [0.1, 0.3, 0.5]}})
    settings["recipe"]["recipe"]["epochs"] = 6
    settings["recipe"]["data"]["samples"] = None
    settings["run"] = {"runner": "ray", "concurrent": 1, "out": str(folder)}
    (place / "tiny.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pipelines.cli", "sweep", "tiny.yaml"]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    with (place / "log").open("w") as log:
        first = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and first.poll() is None:
            trials = [json.loads(path.read_text()) for path in (folder / "tiny/trials").glob("*.json")]
            if any(trial["status"] == "finished" for trial in trials) and any(0 < trial["epoch"] < 6 for trial in trials):
                break
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL, (place / "log").read_text()
        left = {path.stem: json.loads(path.read_text()) for path in (folder / "tiny/trials").glob("*.json")}
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=True, timeout=200)
    assert "2 trials run, 1 were finished" in (place / "log").read_text()
    assert sum(trial["status"] == "running" for trial in left.values()) == 1
    sweep(sweep_of(settings, runner="inline", out="undisturbed", track=False))
    assert results(folder / "tiny") == results(place / "undisturbed/tiny")
    mlflow = client(folder)
    runs = mlflow.search_runs([mlflow.get_experiment_by_name("advcore-sweeps").experiment_id])
    assert len(runs) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        if "advcore.trial" in run.data.tags:
            assert [point.step for point in mlflow.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3, 4, 5, 6]
