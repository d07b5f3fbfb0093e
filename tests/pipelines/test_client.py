"""Failures of MLflow's client: which may pass, and that an answer that was lost writes nothing
twice.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow_store import client, opened

from advcore.pipelines.tracking.client import Client
from advcore.pipelines.tracking.record import MetricCurve
from advcore.workers.errors import InputError, UnavailableError


def http_error(status: int) -> OSError:
    """As requests raises it while a file is sent."""
    error = OSError(f"{status} of https://user:secret@host")
    error.response = SimpleNamespace(status_code=status)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        ("INTERNAL_ERROR", True),
        ("TEMPORARILY_UNAVAILABLE", True),
        ("REQUEST_LIMIT_EXCEEDED", True),
        ("INVALID_PARAMETER_VALUE", False),
        ("RESOURCE_DOES_NOT_EXIST", False),
        ("PERMISSION_DENIED", False),
        (http_error(503), True),
        (http_error(429), True),
        (http_error(403), False),
        (ConnectionResetError("reset"), True),
        (FileNotFoundError("gone.png"), False),
        (ValueError("wrong"), False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(folder: Path, error: Any, may_pass: bool) -> None:
    from mlflow.exceptions import ErrorCode, MlflowException

    if isinstance(error, str):
        error = MlflowException("at https://user:secret@host", ErrorCode.Value(error))

    def fail(*_: object) -> None:
        raise error

    own = Client(f"sqlite:///{folder / 'mlflow.db'}")
    own.client = SimpleNamespace(get_run=fail)
    with pytest.raises(
        InputError,
        match=r"^MLflow at sqlite.* cannot be used: .*; check tracking_uri, or set track: false",
    ) as refused:
        own.ask("get_run", "k")
    assert isinstance(refused.value, UnavailableError) is may_pass
    assert "secret" not in str(refused.value)


def test_numbers_whose_answer_was_lost_stand_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(folder)
    whole = Client.ask

    def lose_the_answer(self: Client, method: str, *arguments: Any, **named: Any) -> Any:
        whole(self, method, *arguments, **named)
        raise UnavailableError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(Client, "ask", lose_the_answer)
        with pytest.raises(UnavailableError, match="no answer"):
            run.log(MetricCurve("loss", [1.0, 2.0], [3.0, 4.0]))
    run.log(MetricCurve("loss", [1.0, 2.0], [3.0, 4.0]))
    history = client(folder).get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 3.0), (1, 4.0)]
    assert client(folder).get_run(run.id).data.tags["advcore.x.loss"] == "1, 2"
