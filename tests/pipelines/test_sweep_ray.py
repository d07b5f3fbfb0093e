"""Sweeps on Ray: the same as inline, and nothing lost when a trial's process or the driver dies."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow_server import served
from mlflow_store import client
from sweeps import EPS, results, sweep_of, tiny_sweep, with_term

from advcore.pipelines.settings import schema
from advcore.pipelines.settings.runs import TrainSettings
from advcore.pipelines.sweep import report
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.training.epoch_loop import epochs
from advcore.pipelines.training.settings import Training


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "charts", lambda *arguments: [])


@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_on_ray_as_inline_and_a_trial_that_is_killed_goes_on_from_its_last_epoch(
    place: Path,
) -> None:
    """200 samples are two steps an epoch; the fourth step of all kills its process, once."""
    (place / "killed").mkdir()
    (place / "calm").mkdir()
    plain = tiny_sweep(space={EPS: {"grid": [0.1]}})
    calm = sweep_of(with_term(plain, kind="sweeps:Deadly", folder="calm", step=-1))
    sweep(calm)
    report = sweep(
        sweep_of(
            with_term(plain, kind="sweeps:Deadly", folder=str(place / "killed")),
            runner="ray",
            out="ray",
        )
    )
    assert report.complete
    assert (place / "calm/steps").stat().st_size == 6
    assert (
        place / "killed/steps"
    ).stat().st_size == 8  # the second epoch's two steps were made again, the first's were not
    (one,), (other,) = results(place / "out/tiny"), results(place / "ray/tiny")
    assert one[1:4] == other[1:4]
    assert json.loads(one[5].replace("'", '"')) == json.loads(other[5].replace("'", '"'))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_a_trial_that_dies_too_often_has_failed_and_goes_on_in_the_next_run(
    place: Path, folder: Path
) -> None:
    """The other one ends as ever; in MLflow each is one run, and none is left running after either
    attempt.
    """
    settings = with_term(tiny_sweep(), kind="sweeps:Deadly", folder=str(place))
    own = sweep_of(settings, runner="ray", out=str(folder), track=True, concurrent=1, retries=0)
    first = sweep(own)
    assert [(trial.status, trial.epoch) for trial in first.trials] == [
        ("failed", 1),
        ("finished", 3),
    ]
    assert "failed" in first.problems[0]
    assert sorted(status for status, _ in _runs(client(folder))) == [
        "FAILED",
        "FAILED",
        "FINISHED",
    ]  # the sweep and a trial failed
    again = sweep(own)
    assert (again.complete, again.ran) == (True, 1)
    runs = _runs(client(folder))
    assert {status for status, _ in runs} == {"FINISHED"}
    assert sorted(steps for _, steps in runs) == [[], [1, 2, 3], [1, 2, 3]]
    assert (
        place / "steps"
    ).stat().st_size == 14  # two of them, of the epoch in which it died, were made again
    sweep(sweep_of(settings, runner="inline", out="undisturbed", track=False))
    assert results(folder / "tiny") == results(place / "undisturbed/tiny")


@pytest.mark.usefixtures("ray_running", "_undrawn")
@pytest.mark.slow
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
    assert {
        run.data.tags["advcore.status"] for run in found if "advcore.status" in run.data.tags
    } >= {"finished after epoch 3"}
    assert sweep(own).ran == 0


@pytest.mark.slow
@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_a_population_goes_on_from_its_best(place: Path, folder: Path) -> None:
    """Those that learn nothing go on from the state of one that learns, with settings close to its;
    nobody is lost.
    """
    settings = tiny_sweep(
        space={"recipe.learning_rate": {"grid": [0.2, 0.1, 1e-9, 1e-8]}},
        scheduler={
            "kind": "pbt",
            "metric": "loss",
            "mode": "min",
            "interval": 1,
            "share": 0.5,
            "resample": 0,
        },
    )
    settings["recipe"]["recipe"]["epochs"] = 6
    report = sweep(sweep_of(settings, runner="ray", out=str(folder), track=True))
    assert report.complete
    assert [(trial.status, trial.epoch) for trial in report.trials] == [("finished", 6)] * 4
    changed = [trial for trial in report.trials if len(trial.lineage) > 1]
    assert changed
    assert f"- trial {changed[0].number}: learning_rate=" in report.text
    assert all(trial.metrics["loss"] < 2.45 for trial in changed)  # the others stay at 2.48
    for trial in changed:
        about = json.loads((folder / f"tiny/models/{trial.key}.json").read_text())
        assert [change["after"] for change in about["settings"]["recipe"]["changes"]] == [
            stretch["after"] for stretch in trial.lineage[1:]
        ]
        again = schema.structure(Training, about["settings"], "training")
        for _ in epochs(
            replace(again, run=TrainSettings(threads=1, device="cpu")), place / trial.key
        ):
            pass
        assert (place / trial.key / "model.safetensors").read_bytes() == (
            folder / f"tiny/models/{trial.key}.safetensors"
        ).read_bytes()
    mlflow = client(folder)
    runs = mlflow.search_runs([mlflow.get_experiment_by_name("advcore-sweeps").experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 5
    assert sum("; after epoch" in run.data.tags.get("advcore.lineage", "") for run in runs) == len(
        changed
    )
    assert sweep(sweep_of(settings, runner="ray", out=str(folder), track=True)).ran == 0


@pytest.mark.usefixtures("ray_running", "_undrawn")
@pytest.mark.slow
def test_a_budget_and_a_wrong_metric_end_trials(place: Path) -> None:
    one = {EPS: {"grid": [0.1]}}
    refused = sweep_of(
        tiny_sweep(space=one, scheduler={"kind": "asha", "metric": "los"}), runner="ray", retries=0
    )
    assert (
        "the scheduler judges by 'los', which is no number of an epoch: take one of loss"
        in sweep(refused).problems[0]
    )
    spent = sweep(
        sweep_of(tiny_sweep(space=one), runner="ray", out="spent", cost=1e-9, cost_per_hour=1.0)
    )
    assert "run.cost is spent" in spent.problems[0]
    assert [trial.status for trial in spent.trials] == ["interrupted"]


@pytest.mark.usefixtures("ray_running", "_undrawn")
def test_trials_are_not_told_where_mlflow_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address may hold a password, and what Ray is handed lies in its shared memory."""
    from ray import tune

    whole, handed = tune.with_parameters, []

    def noting(trainable: Any, **parameters: Any) -> Any:
        handed.append(pickle.dumps(parameters))
        return whole(trainable, **parameters)

    monkeypatch.setattr(tune, "with_parameters", noting)
    secret = {"tracking_uri": "http://me:planted@127.0.0.1:9", "track": False}
    assert sweep(
        sweep_of(tiny_sweep(space={EPS: {"grid": [0.1]}}), runner="ray", **secret)
    ).complete
    assert len(handed) == 1
    assert b"planted" not in handed[0]


@pytest.mark.slow
@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "server"])
def test_a_trial_and_the_driver_are_killed_and_every_trial_ends_once(
    server: bool, place: Path, folder: Path
) -> None:
    """Three trials of six epochs: the first one's process is killed on its way, then the driver,
    once a trial has ended and another is on its way. All ends as undisturbed, with the MLflow store
    in a file and behind a server.
    """
    settings: dict[str, Any] = tiny_sweep(space={EPS: {"grid": [0.1, 0.3, 0.5]}})
    settings["recipe"]["recipe"]["epochs"] = 6
    settings["recipe"]["data"]["samples"] = None
    settings = with_term(settings, kind="sweeps:Deadly", folder=str(place), step=20)
    with contextlib.ExitStack() as stack:
        uri = stack.enter_context(served(folder)) if server else None
        run = {"runner": "ray", "concurrent": 1, "out": str(folder), "tracking_uri": uri}
        (place / "tiny.yaml").write_text(json.dumps({**settings, "run": run}))
        _run_and_kill(place, folder)
        runs = _runs(client(folder) if uri is None else MlflowClient(uri))
    sweep(
        sweep_of(settings, runner="inline", out="undisturbed", track=False)
    )  # its twentieth step is over
    assert results(folder / "tiny") == results(place / "undisturbed/tiny")
    assert len(runs) == 4
    assert {status for status, _ in runs} == {"FINISHED"}
    assert sorted(steps for _, steps in runs) == [[], *[[1, 2, 3, 4, 5, 6]] * 3]


@pytest.mark.slow
def test_a_folder_that_is_moved_between_runs_keeps_all_that_is_trained(place: Path) -> None:
    """Moved first in the middle of two trials, then at their end; the driver gets SIGTERM.

    200 samples are two steps an epoch.
    """
    settings: dict[str, Any] = tiny_sweep()
    settings["recipe"]["recipe"]["epochs"] = 60
    settings = with_term(settings, kind="sweeps:Deadly", folder=str(place), step=-1)
    run = {"runner": "ray", "concurrent": 2, "out": "unused"}
    (place / "tiny.yaml").write_text(json.dumps({**settings, "run": run}))
    with (place / "log").open("w") as log:
        first = _sweep("a", log)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and first.poll() is None:
            begun = _trials(place / "a")
            if len(begun) == 2 and all(trial["epoch"] >= 8 for trial in begun):
                break
            time.sleep(0.02)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 130, (place / "log").read_text()
        assert [trial["status"] for trial in _trials(place / "a")] == ["interrupted"] * 2
        left = [trial["epoch"] for trial in _trials(place / "a")]
        steps = (place / "steps").stat().st_size
        (place / "a").rename(place / "b")
        assert _sweep("b", log).wait(240) == 0, (place / "log").read_text()
        assert [trial["epoch"] for trial in _trials(place / "b")] == [60, 60]
        again = (place / "steps").stat().st_size - steps
        # what was left to do, and a little that a worker did as it was stopped; a trial anew would
        # be 16 more
        assert again <= 2 * (120 - sum(left)) + 8
        (place / "b").rename(place / "c")
        assert _sweep("c", log).wait(240) == 0, (place / "log").read_text()
    assert (place / "steps").stat().st_size == steps + again
    assert "nothing to run" in (place / "log").read_text()
    assert [name for name in ("a", "b", "unused") if (place / name).exists()] == []
    assert (place / "c/tiny/best.safetensors").is_file()
    mlflow = client(place / "c")
    runs = mlflow.search_runs([mlflow.get_experiment_by_name("advcore-sweeps").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert all(f"{place}/c/" in run.info.artifact_uri for run in runs)
    sweep(sweep_of(settings, runner="inline", out="undisturbed", track=False))
    assert results(place / "c/tiny") == results(place / "undisturbed/tiny")


def _sweep(out: str, log: Any) -> subprocess.Popen[bytes]:
    """Start `tiny.yaml` with that folder of results."""
    command = [sys.executable, "-m", "advcore.pipelines.cli", "sweep", "tiny.yaml", "--out", out]
    environment = {**os.environ, "PYTHONPATH": _paths(), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    )


def _paths() -> str:
    """Where a process of a test finds `sweeps`."""
    return os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1])])


def _trials(out: Path) -> list[dict[str, Any]]:
    """What the journal of `tiny` says of its trials, by their numbers."""
    told = [json.loads(path.read_text()) for path in (out / "tiny/trials").glob("*.json")]
    return sorted(told, key=lambda trial: trial["number"])


def _run_and_kill(place: Path, folder: Path) -> None:
    """Run the sweep until one trial has ended and another is on its way, kill the driver, run it
    again to its end.
    """
    command = [sys.executable, "-m", "advcore.pipelines.cli", "sweep", "tiny.yaml"]
    environment = {**os.environ, "PYTHONPATH": _paths(), "OMP_NUM_THREADS": "1"}
    with (place / "log").open("w") as log:
        first = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and first.poll() is None:
            trials = [
                json.loads(path.read_text()) for path in (folder / "tiny/trials").glob("*.json")
            ]
            if any(trial["status"] == "finished" for trial in trials) and any(
                0 < trial["epoch"] < 6 for trial in trials
            ):
                break
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL, (place / "log").read_text()
        left = [json.loads(path.read_text()) for path in (folder / "tiny/trials").glob("*.json")]
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=True, timeout=240)
    assert (
        place / "steps"
    ).stat().st_size > 3 * 6 * 12  # steps of the epoch in which it was killed were made again
    assert "2 trials run, 1 found finished" in (place / "log").read_text()
    assert sum(trial["status"] == "running" for trial in left) == 1


def _runs(mlflow: Any) -> list[tuple[str, list[int]]]:
    """The status of each run, and the steps of its loss; one that died with a driver is handed in
    later, so behind others.
    """
    found = mlflow.search_runs([mlflow.get_experiment_by_name("advcore-sweeps").experiment_id])
    return [
        (
            run.info.status,
            sorted(point.step for point in mlflow.get_metric_history(run.info.run_id, "loss")),
        )
        for run in found
    ]


@pytest.mark.parametrize("module", ["advcore", "advcore.workers"])
def test_a_node_without_advcore_is_told_last(module: str) -> None:
    from advcore.pipelines.sweep.ray_callbacks import failure_reason

    text = f"ray.exceptions.RaySystemError: ...\nModuleNotFoundError: No module named '{module}'"
    told = "advcore is not installed on a node of this Ray: install its checkout there, as here"
    assert failure_reason(text).splitlines()[-1] == told
    named = f"The actor died: namespace: 2a, ip: 10.0.0.7\n{text}"
    assert failure_reason(named).splitlines()[-1] == told.replace(
        "a node of this Ray", "node 10.0.0.7"
    )
    other = "No module named 'advcorex'\nNo module named 'own'"
    assert failure_reason(other) == other
