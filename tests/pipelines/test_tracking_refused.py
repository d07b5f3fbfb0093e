"""MLflow stores and servers that cannot be used: refused in one line, in seconds, without a
secret.
"""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_store import client, opened

from advcore.pipelines.tracking import client as client_settings
from advcore.pipelines.tracking.record import Artifact
from advcore.pipelines.tracking.tracker import MLflowTracker
from advcore.workers.errors import InputError


def test_a_deleted_experiment_is_refused(folder: Path) -> None:
    opened(folder)
    own = client(folder)
    own.delete_experiment(own.get_experiment_by_name("experiment").experiment_id)
    with pytest.raises(
        InputError,
        match=r"MLflow experiment 'experiment' is deleted; restore it there, or give another name",
    ):
        opened(folder)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_server_that_does_not_answer_is_refused_in_seconds(
    folder: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(client_settings.FIRST_CONTACT_SETTINGS, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    before = dict(os.environ)
    start = time.perf_counter()
    for port in (1, silent):
        match = (
            rf"^MLflow at http://\*\*\*@127.0.0.1:{port} cannot be used: no answer; check "
            r"tracking_uri, or set track: false"
        )
        with pytest.raises(InputError, match=match) as refused:
            MLflowTracker(f"http://user:secret@127.0.0.1:{port}", folder).open(
                "experiment", "k", "study"
            )
        assert "secret" not in str(refused.value)
        assert refused.value.__cause__ is None
    assert time.perf_counter() - start < 20
    assert {name: value for name, value in os.environ.items() if "HTTP_REQUEST" in name} == {
        name: value for name, value in before.items() if "HTTP_REQUEST" in name
    }


@pytest.mark.parametrize(
    "uri", ["nonsense://somewhere", "postgresql://user:secret@localhost/db", "relative/mlruns"]
)
def test_a_store_that_cannot_be_opened_is_refused_in_one_line(folder: Path, uri: str) -> None:
    with pytest.raises(
        InputError,
        match=(
            r"^MLflow at .* cannot be used: .*; check tracking_uri, or set track: false; "
            r"measured rows are kept$"
        ),
    ) as refused:
        MLflowTracker(uri, folder).open("experiment", "k", "study")
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_store_in_memory_is_refused(folder: Path, uri: str) -> None:
    with pytest.raises(InputError, match=r"in memory: name a file, sqlite:///FILE$"):
        MLflowTracker(uri, folder).open("experiment", "k", "study")


def test_a_store_that_breaks_later_is_refused_too(folder: Path) -> None:
    run = opened(folder)
    with pytest.raises(InputError, match=r"^MLflow at sqlite.* cannot be used: .*gone.png"):
        run.log(Artifact(folder / "gone.png"))


def test_a_folder_that_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError,
        match=r"file/out cannot be written \(Not a directory\); give another folder \(out: ...\)",
    ):
        MLflowTracker(None, tmp_path / "file" / "out").open("experiment", "k", "study")
