"""MLflow stores: open runs, check, show and download.

MLflow is imported when one is opened, because that takes seconds.

The driver alone writes; workers never do. A run is found by its tag `advcore.key`, so an
interrupted study continues in its own run, and what is written twice is there once.
"""

import contextlib
import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path

from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.tracking.addresses import default_uri, store_uri
from advcore.pipelines.tracking.client import (
    FIRST_CONTACT_SETTINGS,
    Client,
    check_server,
    default_store,
    retry_settings,
)
from advcore.pipelines.tracking.limits import cut
from advcore.pipelines.tracking.mlflow_run import MLflowRun, open_run
from advcore.pipelines.tracking.moved_results import ARTIFACTS, adopt_artifacts
from advcore.pipelines.tracking.record import NullTracker, Run, Tracker
from advcore.workers.errors import InputError
from advcore.workers.redaction import shortened, without_secrets

__all__ = [
    "MLflowRun",
    "MLflowTracker",
    "NullTracker",
    "Run",
    "Tracker",
    "check_tracking",
    "environment_tags",
    "make_tracker",
    "ui_command",
]


KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The tag by which MLflow opens its page on runs and metrics, not in its view for language
models."""


def make_tracker(track: bool, uri: str | None, folder: Path) -> Tracker:
    """Return MLflow at `uri`, MLFLOW_TRACKING_URI or `folder`; a null tracker if not `track`."""
    return MLflowTracker(uri, folder) if track else NullTracker()


def check_tracking(uri: str | None, folder: Path) -> str:
    """Return where a run would be recorded, without credentials.

    Raises InputError where MLflow does not answer there.
    """
    place = store_uri(uri, folder)
    if place == default_uri(folder) and not (folder / "mlflow.db").is_file():
        return f"{place} (the first run makes it)"
    with retry_settings(FIRST_CONTACT_SETTINGS):
        Client(place).ask("search_experiments", max_results=1)
    return without_secrets(place)


def ui_command(uri: str | None, folder: Path, port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """Return the command that opens MLflow's page, and its environment variables.

    The store's URI is in the environment, because it may hold a password and command lines are
    public. Raises InputError where there is no store.
    """
    place = store_uri(uri, folder)
    if place.startswith(("http://", "https://")):
        raise InputError(f"{without_secrets(place)} is an MLflow server; open it in a browser")
    if place == default_uri(folder) and not (folder / "mlflow.db").is_file():
        raise InputError(
            f"no MLflow store in {folder}; run a study first, or give the folder of one that ran"
        )
    if place == default_uri(folder):
        adopt_artifacts(folder.absolute())
    artifacts = ["--default-artifact-root", (folder.absolute() / ARTIFACTS).as_uri()]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        *artifacts,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    return command, {"MLFLOW_BACKEND_STORE_URI": place}


def download(name: str, place: Path, tracking_uri: str | None, folder: Path) -> Path:
    """Download `runs:/ID/PATH` or `models:/NAME/VERSION` into `place`; return the file or folder.

    Raises InputError where it is missing.
    """
    uri = store_uri(tracking_uri, folder)
    if uri == default_uri(folder) and not (folder / "mlflow.db").is_file():
        raise InputError(
            f"{name} is looked for in {folder}, where no MLflow store is: give tracking_uri, "
            "or the folder (out: ...)"
        )
    if uri == default_uri(folder):
        adopt_artifacts(folder.absolute())
    client = Client(uri)
    from mlflow.artifacts import download_artifacts

    place.mkdir(parents=True, exist_ok=True)
    try:
        with retry_settings(FIRST_CONTACT_SETTINGS), default_store(uri):
            return Path(
                download_artifacts(artifact_uri=name, dst_path=str(place), tracking_uri=uri)
            )
    except Exception as error:  # whatever a store's driver, a server or the network raises
        said = cut(without_secrets(" ".join(shortened(str(error)).split())), 300)
        raise InputError(
            f"{name} cannot be fetched from MLflow at {client.place}: {said}; check its name "
            "and tracking_uri"
        ) from None


class MLflowTracker:
    """Runs in an MLflow server or store.

    It is `uri`, else MLFLOW_TRACKING_URI, else `folder`/mlflow.db.

    Raises InputError where nobody listens there.
    """

    def __init__(self, uri: str | None, folder: Path) -> None:
        self.uri = store_uri(uri, folder)
        self.folder = folder.absolute()
        check_server(self.uri)

    def open(self, experiment: str, key: str, name: str) -> Run:
        """Open the run with this key as it was left, or a new one.

        Raises InputError when MLflow cannot be reached or written to.
        """
        with retry_settings(FIRST_CONTACT_SETTINGS), self._hold_lock():
            if self.uri == default_uri(self.folder):
                adopt_artifacts(self.folder)
            client = Client(self.uri)
            return open_run(client, self._experiment(client, experiment), key, name)

    def _experiment(self, client: Client, name: str) -> str:
        """Return the experiment's id.

        Artifacts go to `folder`/mlartifacts whatever the current folder is; a server decides for
        itself.
        """
        found = client.ask("get_experiment_by_name", name)
        if found is None:
            local = not self.uri.startswith(("http://", "https://"))
            return str(
                client.ask(
                    "create_experiment",
                    name,
                    (self.folder / ARTIFACTS).as_uri() if local else None,
                    KIND,
                )
            )
        if found.lifecycle_stage != "active":
            raise InputError(
                f"MLflow experiment {name!r} is deleted; restore it there, or give another "
                "name (experiment: ...)"
            )
        for tag, value in KIND.items():
            if tag not in found.tags:
                with contextlib.suppress(InputError):  # it decides how a page looks, no more
                    client.ask("set_experiment_tag", found.experiment_id, tag, value)
        return str(found.experiment_id)

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Hold a lock while MLflow makes its tables.

        Two processes at once would break the store.
        """
        if self.uri != default_uri(self.folder):
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / ".mlflow.lock", "w")  # noqa: SIM115
        except OSError as error:
            raise InputError(
                f"{self.folder} cannot be written ({error.strerror}); give another folder "
                "(out: ...)"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
