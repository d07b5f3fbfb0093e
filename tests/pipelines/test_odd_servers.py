"""Servers in MLflow's place that lead elsewhere, or never come to an end."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from odd_server import Asked, answering

from advcore.pipelines.tracking import finished_run
from advcore.pipelines.tracking.addresses import default_uri
from advcore.pipelines.tracking.client import Client
from advcore.pipelines.tracking.finished_run import finished_in_mlflow
from advcore.pipelines.tracking.record import Artifact, DatasetInput, Metrics, Text
from advcore.pipelines.tracking.tracker import MLflowTracker
from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.stores.timeouts import within

FINISHED = json.dumps(
    {"run": {"info": {"status": "FINISHED", "lifecycle_stage": "active"}}}
).encode()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted")


@pytest.mark.usefixtures("credentials")
def test_credentials_do_not_follow_to_another_host() -> None:
    with answering(lambda asked: asked.answer(200, FINISHED), host="127.0.0.2") as (other, there):

        def lead(asked: Asked) -> None:
            asked.answer(302, Location=f"{other}{asked.path}")

        with answering(lead) as (first, here):
            assert finished_in_mlflow(first, "abc") == ""
    assert here[0]["Authorization"].startswith("Basic ")
    assert [request["path"] for request in there] == ["/api/2.0/mlflow/runs/get?run_id=abc"]
    assert all("Authorization" not in request for request in there)


def drip(asked: Asked) -> None:
    """A byte now and then, each within every limit between two."""
    asked.send_response(200)
    asked.send_header("Content-Length", "10000")
    asked.end_headers()
    for _ in range(10000):
        asked.wfile.write(b" ")
        time.sleep(0.05)


def test_an_answer_that_drips_has_one_limit(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(finished_run, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with answering(drip) as (url, _):
        start = time.monotonic()
        assert "does not answer now" in (finished_in_mlflow(url, "abc") or "")
        own = Client(url)
        with pytest.raises(UnavailableError, match=r"cannot be used: no answer"):
            own.ask("get_run", "abc")
    assert time.monotonic() - start < 200  # the answer takes 500


def test_a_limit_hands_on_what_comes_and_what_is_raised() -> None:
    assert within(60, lambda: 3) == 3
    with pytest.raises(KeyError, match="no"):
        within(60, lambda: {}["no"])
    with pytest.raises(TimeoutError, match=r"no complete answer within 0\.1 s"):
        within(0.1, lambda: time.sleep(5))


def refused_with(status: int, body: bytes) -> str:
    """What is said of a server that answers so."""
    with (
        answering(lambda asked: asked.answer(status, body)) as (url, _),
        pytest.raises(InputError) as told,
    ):
        Client(url).ask("get_run", "abc")
    assert not isinstance(told.value, UnavailableError)
    return str(told.value)


@pytest.mark.usefixtures("credentials")
def test_what_mends_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in refused_with(
        401, b"You are not authenticated."
    )
    assert "ask for the right to write there" in refused_with(403, b"Permission denied")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(InputError, match=r"sqlite:///FILE\), or set MLFLOW_ALLOW_FILE_STORE=true"):
        Client((tmp_path / "mlruns").as_uri()).ask("search_experiments")


class Recorder:
    """MLflow's client: a run's files fail as `error` says; other calls are counted."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, [""]

    def __getattr__(self, method: str) -> Any:
        def ask(*arguments: Any, **named: Any) -> None:
            self.asked.append(method)
            if method in ("log_artifact", "log_artifacts", "log_text", "log_inputs"):
                raise self.error

        return ask


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        (
            "s3://gone/1",
            OSError("upload failed: NoSuchBucket: bucket does not exist"),
            "they lie at s3://gone/1: .*make the bucket",
        ),
        (
            "mlflow-artifacts:/1",
            OSError("503: `--no-serve-artifacts` mode"),
            "they lie at .*start the server with --serve-artifacts",
        ),
        ("/srv/mlruns/1", PermissionError(13, "Permission denied"), "they lie at /srv/mlruns/1: "),
    ],
)
def test_files_that_cannot_be_written_are_told_once_with_their_place(
    folder: Path, tmp_path: Path, place: str, error: Exception, words: str
) -> None:
    own = Client(default_uri(folder))
    own.client = recorder = Recorder(error)
    (tmp_path / "a.png").touch()
    reasons = []
    for run in ("run1", "run2"):
        with pytest.raises(
            InputError, match=rf"takes no files for this experiment, {words}"
        ) as told:
            own.send(f"{place}/{run}/artifacts", "log_artifact", run, str(tmp_path / "a.png"), None)
        assert not isinstance(told.value, UnavailableError)
        reasons.append(str(told.value))
    assert reasons[0] == reasons[1]
    assert recorder.asked.count("log_artifact") == 1


def test_a_server_that_serves_no_files_is_asked_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's client itself says "too many 503 error responses", as of a server that is busy."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "a.txt").touch()
    run = (
        b'{"run": {"info": {"run_id": "0af", "artifact_uri": "mlflow-artifacts:/1/0af/artifacts"}, '
        b'"data": {}, "inputs": {}}}'
    )
    disabled = (
        b"Endpoint disabled due to the mlflow server running in `--no-serve-artifacts` mode. "
        b"To enable it, ..."
    )

    def answer(asked: Asked) -> None:
        asked.answer(503, disabled) if "mlflow-artifacts" in asked.path else asked.answer(
            200, run, Content_Type="application/json"
        )

    with (
        answering(answer) as (url, _),
        pytest.raises(
            InputError, match=r"at mlflow-artifacts:/1, and it serves none: start"
        ) as told,
    ):
        Client(url).send(
            "mlflow-artifacts:/1/0af/artifacts",
            "log_artifact",
            "0af",
            str(tmp_path / "a.txt"),
            None,
        )
    assert not isinstance(told.value, UnavailableError)
    assert "--serve-artifacts and --artifacts-destination; all else is logged" in str(told.value)


def test_a_servers_own_disk_is_not_looked_for_here(tmp_path: Path) -> None:
    own = Client("http://mlflow.example:5000")
    with pytest.raises(
        InputError,
        match=(
            r"they would lie on its own disk, at /srv/mlruns/1: start it with "
            r"--artifacts-destination"
        ),
    ):
        own.send("/srv/mlruns/1/0af/artifacts", "log_artifact", "0af", str(tmp_path), None)


def test_a_file_of_ours_that_is_gone_is_no_fault_of_the_place(folder: Path, tmp_path: Path) -> None:
    run = MLflowTracker(None, folder).open("advcore", "0af", "one")
    with pytest.raises(InputError, match=r"gone\.png"):
        run.log(Artifact(tmp_path / "gone.png"))
    run.log(Text("hello", "said.txt"))


def test_a_server_that_knows_no_data_sets_records_all_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = MLflowTracker(None, folder).open("advcore", "0af", "one")
    whole = Client.ask

    def ask(self: Client, method: str, *arguments: Any, **named: Any) -> Any:
        if method == "log_inputs":
            raise InputError("MLflow cannot be used: 404")
        return whole(self, method, *arguments, **named)

    monkeypatch.setattr(Client, "ask", ask)
    run.log(DatasetInput("digits", "0af", 3, (1, 8, 8)))
    run.log(Metrics({"a": 1.0}))
    run.end()
