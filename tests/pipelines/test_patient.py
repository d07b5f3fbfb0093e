"""What is logged while MLflow is away: in order, once, later; nobody waits but the end, and it up
to a limit.
"""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from advcore.pipelines.tracking import background
from advcore.pipelines.tracking.background import Ledger, background_log, start_run
from advcore.pipelines.tracking.record import Entry, Metrics, NullRun, Params, Text
from advcore.workers.errors import InputError, UnavailableError


class Flaky(NullRun):
    """A run that writes down what it is told, except while it is away."""

    def __init__(self) -> None:
        self.away = threading.Event()
        self.written: list[tuple[Any, ...]] = []
        self.tries = 0

    def log(self, entry: Entry) -> None:
        if isinstance(entry, Params):
            raise InputError("parameters are written once, user:secret@host")
        self._write(entry)

    def child(self, key: str, name: str) -> "Flaky":
        self._write("child", key, name)
        return self

    def other(self, run: str) -> "Flaky":
        self._write("other", run)
        return self

    def end(self, status: str = "FINISHED") -> None:
        self._write("end", status)

    def _write(self, *entry: Any) -> None:
        self.tries += 1
        if self.away.is_set():
            raise UnavailableError(
                "MLflow at http://***@here cannot be used: no answer; check tracking_uri"
            )
        self.written.append(entry)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(background, "LONGEST_PAUSE_SECONDS", 0.05)


def test_all_is_written_in_order_after_it_was_away(capsys: pytest.CaptureFixture[str]) -> None:
    run = Flaky()
    run.away.set()
    with background_log(run, 30) as log:
        start = time.monotonic()
        for step in range(1000):
            log.run.log(Metrics({"shards": step}, step))
        log.run.child("k", "one/margins").log(Text("none", "failures.txt"))
        assert time.monotonic() - start < 1  # nobody waits
        while run.tries < 5:
            time.sleep(0.01)
        assert run.written == []
        run.away.clear()
        log.status = "FINISHED"
    assert log.unlogged == ""
    assert run.written[:1000] == [(Metrics({"shards": step}, step),) for step in range(1000)]
    assert run.written[1000:] == [
        ("child", "k", "one/margins"),
        (Text("none", "failures.txt"),),
        ("end", "FINISHED"),
    ]
    told = capsys.readouterr().err
    assert told.count("no answer; the work goes on, and what is to be logged waits") == 1
    assert told.count("MLflow is back, after it was away since") == 1


def test_the_end_waits_up_to_its_limit_and_says_what_is_missing() -> None:
    run = Flaky()
    run.away.set()
    start = time.monotonic()
    with background_log(run, 0.3) as log:
        log.run.log(Metrics({"a": 1.0}))
    assert 0.3 <= time.monotonic() - start < 5
    assert log.unlogged.startswith(
        "2 entries are not logged: MLflow at http://***@here cannot be used: no answer"
    )
    assert "\n" not in log.unlogged
    tries = run.tries
    run.away.clear()
    time.sleep(0.2)
    assert run.tries <= tries + 1  # given up: a later run of the same study writes it


def test_the_end_waits_longer_for_one_that_is_slow() -> None:
    run = Flaky()
    with background_log(run, 0.4) as log:
        for step in range(8):
            log.run.child(str(step), "name").start()
        run.start = lambda: time.sleep(0.1)  # type: ignore[method-assign]
    assert log.unlogged == ""
    assert run.written[-1] == ("end", "FAILED")


def test_what_is_refused_is_told_and_the_rest_is_written() -> None:
    run = Flaky()
    with background_log(run, 10) as log:
        log.run.log(Params({"a": 1}))
        log.run.log(Params({"a": 1}))
        log.run.log(Text("x", "y"))
    assert log.unlogged == "parameters are written once, ***@host (2 entries)"
    assert run.written == [(Text("x", "y"),), ("end", "FAILED")]


def test_an_interrupted_run_waits_a_moment_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(background, "INTERRUPTED_WAIT_SECONDS", 0.1)
    run = Flaky()
    run.away.set()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), background_log(run, 600) as log:
        raise KeyboardInterrupt
    assert time.monotonic() - start < 5
    assert log.status == "KILLED"
    assert "not all is in MLflow: 1 entries" in capsys.readouterr().err


def test_a_ledger_that_was_told_nothing_has_no_thread() -> None:
    before = set(threading.enumerate())
    ledger = Ledger(print)
    assert ledger.settle(0) == ""
    assert set(threading.enumerate()) <= before
    ledger.close()


def test_whether_a_run_had_finished_is_no_while_nobody_knows(tmp_path: Path) -> None:
    run = Flaky()
    with background_log(run, 10) as log:
        child = log.run.child("k", "name")
        run.finished = True
        assert child.finished
        run.away.set()
        assert not log.run.child("l", "name").finished
        run.away.clear()


def test_a_run_that_cannot_begin_is_refused_and_ended() -> None:
    run = Flaky()
    with pytest.raises(InputError, match="parameters are written once"):
        start_run(run, lambda: run.log(Params({})))
    assert run.written == [("end", "FAILED")]


def test_a_run_that_is_interrupted_as_it_begins_has_ended() -> None:
    run = Flaky()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_run(run, interrupted)
    assert run.written[-1] == ("end", "KILLED")
