"""Servers in MLflow's place that lead elsewhere, or never come to an end."""

import json
import time
from pathlib import Path

import pytest
from odd_server import Asked, answering

from pipelines import still
from pipelines.client import Client
from pipelines.still import still_finished
from workers.deadline import within
from workers.refusal import Away

FINISHED = json.dumps({"run": {"info": {"status": "FINISHED", "lifecycle_stage": "active"}}}).encode()


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
            assert still_finished(first, "abc") == ""
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
    monkeypatch.setattr(still, "SECONDS", 0.5)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with answering(drip) as (url, _):
        start = time.monotonic()
        assert "does not answer now" in (still_finished(url, "abc") or "")
        own = Client(url)
        with pytest.raises(Away, match=r"cannot be used: no answer"):
            own.ask("get_run", "abc")
    assert time.monotonic() - start < 200  # the answer takes 500


def test_a_limit_hands_on_what_comes_and_what_is_raised() -> None:
    assert within(60, lambda: 3) == 3
    with pytest.raises(KeyError, match="no"):
        within(60, lambda: {}["no"])
    with pytest.raises(TimeoutError, match=r"no whole answer within 0\.1 s"):
        within(0.1, lambda: time.sleep(5))
