"""Runs in MLflow's SQLite store, read back."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from mlflow_store import client, opened
from postgres import free_port

from advcore.pipelines.tracking import tracker
from advcore.pipelines.tracking.record import (
    Artifact,
    DatasetInput,
    MetricCurve,
    Metrics,
    Params,
    Tags,
    Text,
    Warnings,
)
from advcore.pipelines.tracking.tracker import MLflowTracker, make_tracker, ui_command
from advcore.workers.errors import InputError


def test_importing_the_module_does_not_import_mlflow() -> None:
    code = "import sys, advcore.pipelines.tracking.tracker; sys.exit('mlflow' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=Path(tracker.__file__).parent.parent, check=False
        ).returncode
        == 0
    )


def test_a_run_is_kept_whole(folder: Path) -> None:
    run = opened(folder)
    run.start()
    run.log(Params({"a.b": 1, "eps": "0.5, 1", "none": None, "box": True, "attacks[0]": "pgd"}))
    run.log(Tags({"advcore.device": "cpu"}))
    run.log(Metrics({"accuracy": 0.5}))
    run.log(Metrics({"loss": 2.0}, step=3))
    run.log(MetricCurve("robust/worst", [0, 0.5, 1], [1.0, 0.75, 0.5]))
    run.log(Text("what failed", "failures.txt"))
    (folder / "figure.png").write_bytes(b"png")
    run.log(Artifact(folder / "figure.png", "figures"))
    run.log(
        DatasetInput("mnist5k", "d" * 64, 256, (1, 28, 28), "https://user:secret@example.org/data")
    )
    assert client(folder).get_run(run.id).info.status == "RUNNING"
    run.end()
    kept = client(folder).get_run(run.id)
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "study"
    assert kept.data.params == {
        "a.b": "1",
        "eps": "0.5, 1",
        "none": "null",
        "box": "true",
        "attacks_0_": "pgd",
    }
    assert kept.data.tags["advcore.device"] == "cpu"
    assert kept.data.metrics["accuracy"] == 0.5
    history = client(folder).get_metric_history
    assert [(point.step, point.value) for point in history(run.id, "robust/worst")] == [
        (0, 1.0),
        (1, 0.75),
        (2, 0.5),
    ]
    assert kept.data.tags["advcore.x.robust/worst"] == "0, 0.5, 1"
    assert "robust/worst/x" not in kept.data.metrics
    assert history(run.id, "loss")[0].step == 3
    files = folder / "mlartifacts" / run.id / "artifacts"
    assert (files / "failures.txt").read_text() == "what failed"
    assert (files / "figures" / "figure.png").read_bytes() == b"png"
    dataset = kept.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("mnist5k", "d" * 36)
    assert json.loads(dataset.profile)["num_rows"] == 256
    assert json.loads(dataset.source) == {"uri": "https://***@example.org/data"}


def test_an_interrupted_run_goes_on_and_holds_everything_once(folder: Path) -> None:
    ids = []
    for attempt in range(3):
        run = opened(folder)
        assert run.finished == (attempt == 2)
        run.start()
        run.log(Params({"a": 1}))
        run.log(Metrics({"accuracy": 0.5, "nothing": math.nan}))
        run.log(MetricCurve("c", [0, 1], [1.0, 0.5 if attempt == 0 else 0.25]))
        run.log(DatasetInput("mnist5k", "d", 256, (1, 28, 28)))
        child = run.child("plain/robustness", "plain/robustness")
        child.log(Metrics({"accuracy": 0.5}))
        child.end("FAILED" if attempt == 0 else "FINISHED")
        assert client(folder).get_run(child.id).data.tags["mlflow.parentRunId"] == run.id
        run.end("KILLED" if attempt == 0 else "FINISHED")
        ids.append((run.id, child.id))
    assert len(set(ids)) == 1
    own = client(folder)
    assert [point.value for point in own.get_metric_history(run.id, "accuracy")] == [0.5]
    assert len(own.get_metric_history(run.id, "nothing")) == 1
    assert [point.value for point in own.get_metric_history(run.id, "c")] == [1.0, 0.5, 0.25]
    assert own.get_run(run.id).data.metrics["c"] == 0.25
    assert len(own.get_metric_history(child.id, "accuracy")) == 1
    assert len(own.get_run(run.id).inputs.dataset_inputs) == 1
    assert len(own.search_runs([own.get_experiment_by_name("experiment").experiment_id])) == 2
    assert opened(folder, "another").id != run.id


def test_opening_a_finished_run_leaves_it_finished(folder: Path) -> None:
    run = opened(folder)
    run.end()
    assert opened(folder).finished
    assert client(folder).get_run(run.id).info.status == "FINISHED"


def test_the_same_child_key_under_another_parent_is_another_run(folder: Path) -> None:
    one, two = opened(folder, "one"), opened(folder, "two")
    assert one.child("m/p", "m/p").id != two.child("m/p", "m/p").id


def test_a_changed_parameter_is_refused(folder: Path) -> None:
    opened(folder).log(Params({"seed": 1}))
    with pytest.raises(
        InputError,
        match=(
            r"was recorded with seed = 1, got 2; parameters are written once: give the study "
            r"another name"
        ),
    ):
        opened(folder).log(Params({"seed": 2, "new": 3}))


def test_more_than_one_call_takes_and_long_values_are_cut(folder: Path) -> None:
    run = opened(folder)
    values = {f"p{i}": "x" * 7000 if i == 0 else i for i in range(230)}
    run.log(Params(values))
    opened(folder).log(Params(values))
    run.log(Tags({f"t{i}": "y" * 9000 if i == 0 else "z" for i in range(230)}))
    run.log(MetricCurve("long", range(2300), range(2300)))
    kept = client(folder).get_run(run.id)
    assert len(kept.data.params) == 230
    assert len(kept.data.params["p0"]) == 6000
    assert len(kept.data.tags["t0"]) == 8000
    assert kept.data.metrics["long"] == 2299


def test_infinite_metrics_are_named_and_left_out(folder: Path) -> None:
    run = opened(folder)
    run.log(Metrics({"distance": math.inf, "nan": math.nan}))
    opened(folder).log(MetricCurve("margin", [0, 1, 2], [1.0, math.inf, -math.inf]))
    kept = client(folder).get_run(run.id).data
    assert kept.tags["advcore.infinite"] == "distance, margin at step 1, margin at step 2"
    assert "distance" not in kept.metrics
    assert math.isnan(kept.metrics["nan"])
    assert [point.step for point in client(folder).get_metric_history(run.id, "margin")] == [0]
    opened(folder).log(Metrics({"distance": 3.0}))
    assert (
        client(folder).get_run(run.id).data.tags["advcore.infinite"]
        == "margin at step 1, margin at step 2"
    )


def test_warnings_are_those_of_the_last_attempt(folder: Path) -> None:
    def kept() -> dict[str, str]:
        tags = client(folder).get_run(run.id).data.tags
        return {name: value for name, value in tags.items() if "warning" in name}

    run = opened(folder)
    run.log(Tags({"a": "b"}))
    run.log(Warnings({"zero_gradients": "on 12%", "rising ε": "on 3%"}))
    assert kept() == {
        "advcore.warning.zero_gradients": "on 12%",
        "advcore.warning.rising _": "on 3%",
    }
    run = opened(folder)
    run.log(Warnings({"zero_gradients": "on 11%"}))
    assert kept() == {"advcore.warning.zero_gradients": "on 11%"}
    run.log(Warnings({}))
    assert kept() == {}
    assert client(folder).get_run(run.id).data.tags["a"] == "b"


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a/b.c-d e:f", "a/b.c-d e:f"),
        ("margin[3]", "margin_3_"),
        ("ε", "_"),
        ("/a//b/", "a/b"),
        ("../a/.", "_/a/_"),
        ("", "_"),
        ("x" * 300, "x" * 250),
    ],
)
def test_names_become_such_as_mlflow_takes(name: str, clean: str, folder: Path) -> None:
    run = opened(folder)
    run.log(Metrics({name: 1.0}))
    run.log(Params({name: 1}))
    kept = client(folder).get_run(run.id).data
    assert list(kept.metrics) == list(kept.params) == [clean]


def test_a_curve_needs_an_x_for_each_y(folder: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"expected as many x as y in curve 'c', got 1 and 2; give one x for each y",
    ):
        opened(folder).log(MetricCurve("c", [0], [1, 2]))


def test_a_key_with_quotes_is_refused(folder: Path) -> None:
    with pytest.raises(
        ValueError, match=r"expected a key without quotes, got \"it's\"; use letters, digits"
    ):
        opened(folder, "it's")


def test_the_environments_runs_and_experiments_do_not_confuse_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "12345")
    run = opened(folder)
    assert run.id != "12345"
    assert (
        client(folder).get_experiment(client(folder).get_run(run.id).info.experiment_id).name
        == "experiment"
    )


def test_the_environments_store_is_used_unless_one_is_given(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    run = MLflowTracker(None, tmp_path / "elsewhere").open("experiment", "k", "study")
    assert (
        client(folder)
        .get_run(run.id)
        .info.artifact_uri.startswith((tmp_path / "elsewhere" / "mlartifacts").as_uri())
    )
    assert make_tracker(True, "sqlite:///mine.db", folder).uri == "sqlite:///mine.db"  # type: ignore[attr-defined]


def test_the_command_that_opens_mlflow(folder: Path, tmp_path: Path) -> None:
    command, environment = ui_command(None, folder, 5001)
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    assert command[command.index("--host") + 1] == "127.0.0.1", "whatever MLFLOW_HOST says"
    assert environment == {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    secret = "postgresql://me:planted@db/mlflow"
    command, environment = ui_command(secret, folder, 5001)
    assert "planted" not in " ".join(command), "a command line is for everyone to see"
    assert environment == {"MLFLOW_BACKEND_STORE_URI": secret}
    assert command[-2:] == ["--port", "5001"]
    with pytest.raises(
        InputError,
        match=r"no MLflow store in .*; run a study first, or give the folder of one that ran",
    ):
        ui_command(None, tmp_path)
    with pytest.raises(
        InputError, match=r"http://\*\*\*@host is an MLflow server; open it in a browser"
    ):
        ui_command("http://a:b@host", tmp_path)


@pytest.mark.slow
def test_mlflow_opens_on_a_folder(folder: Path, tmp_path: Path) -> None:
    """The address leads to its pages for trained models; the store stands in nobody's command
    line.
    """
    opened(folder).end()
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "advcore.pipelines.cli",
        "ui",
        "--out",
        str(folder),
        "--port",
        str(port),
    ]
    with (tmp_path / "told").open("w") as told:
        process = subprocess.Popen(
            command, stdout=told, stderr=subprocess.DEVNULL, start_new_session=True
        )
    try:
        until = time.monotonic() + 120
        while (
            (page := answered(f"http://127.0.0.1:{port}/")) is None
            and process.poll() is None
            and time.monotonic() < until
        ):
            time.sleep(0.5)
        assert page is not None
        assert "MLflow" in page
        address = f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning"
        assert f"MLflow: {address}  (" in (tmp_path / "told").read_text()
        assert "mlflow.db" not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        os.killpg(
            process.pid, signal.SIGTERM
        )  # its own session: MLflow, its workers, and nobody else
        process.wait(60)


def answered(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=60) as page:
            return str(page.read().decode())
    except OSError:
        return None
