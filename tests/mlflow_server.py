"""An MLflow server on loopback."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from postgres import free_port


class Server:
    """`mlflow server` over the SQLite store in a folder, in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        places = [
            "--backend-store-uri",
            f"sqlite:///{self._folder / 'mlflow.db'}",
            "--artifacts-destination",
            str(self._folder / "files"),
        ]
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *places,
            "--port",
            str(self.port),
            "--workers",
            "1",
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 240
        while self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            time.sleep(0.3)
        raise RuntimeError(
            f"no MLflow server came up: {(self._folder / 'server.log').read_text()[-2000:]}"
        )

    def signal(self, number: int) -> None:
        """To all its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def runs(self) -> list[Any]:
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        return client.search_runs([client.get_experiment_by_name("advcore").experiment_id])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """One that is up, and killed in the end."""
    own = Server(folder)
    try:
        own.start()
        yield own
    finally:
        with contextlib.suppress(ProcessLookupError, AssertionError):
            own.signal(signal.SIGKILL)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of one, while inside."""
    with serving(folder) as own:
        yield own.uri
