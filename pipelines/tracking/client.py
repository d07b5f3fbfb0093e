"""A client of MLflow whose errors are one line without credentials, retryable ones apart."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from advcore.pipelines.tracking.addresses import sqlite_path
from advcore.pipelines.tracking.reasons import NO_FILES, may_pass, mended_by, serves_files
from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.stores.timeouts import check_listening, within

FIRST_CONTACT_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Time limit of the first contact: a port where nobody listens is told at once; a busy server, or
one that makes tables, takes some."""

LAST_WORD_SETTINGS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""Time limit of the end of a run that did not begin: whoever stopped it waits."""

CLIENT_SETTINGS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
"""Later on: whoever asks tries again himself, and knows how long it has been. MLflow's own tries
would take minutes a call."""

_SECONDS = "MLFLOW_HTTP_REQUEST_TIMEOUT"

_FILES = ("log_artifact", "log_artifacts")

_ADVICE = "check tracking_uri, or set track: false; measured rows are kept"

_SHOWN_CHARACTERS = 1000
"""Characters of a failure that are shown."""


def check_server(uri: str) -> None:
    """Raise InputError if nobody listens at the server of `uri`; MLflow is not imported for it."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        check_listening(uri, seconds=3.0)
    except (OSError, ValueError):
        raise InputError(
            f"MLflow at {without_secrets(uri)} cannot be used: no answer; {_ADVICE}"
        ) from None


class Client:
    """A client of MLflow for the store or server at `uri`."""

    def __init__(self, uri: str) -> None:
        self.place = without_secrets(uri)
        self._uri = uri
        self._server = uri.startswith(("http://", "https://"))
        self._here = (urlsplit(uri).hostname or "") in ("localhost", "127.0.0.1", "::1")
        self._no_files: str | None = None
        if uri.startswith("sqlite:") and uri.partition("://")[2].strip("/") in ("", ":memory:"):
            raise InputError(
                f"MLflow at {self.place} would be a store of each connection's own, in memory: "
                "name a file, sqlite:///FILE"
            )
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = (
            "false"  # nothing of ours needs it, and others' pickles are code
        )
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        utils.MAX_RETRY_COUNT = (
            4  # a data base that is not there is told within seconds, not minutes
        )
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("mlflow.store.db.utils").setLevel(
            logging.CRITICAL
        )  # it shows whole tracebacks of what is raised here
        try:
            with _no_quoted_folder(uri):
                self.client = MlflowClient(tracking_uri=uri)
        except Exception as error:  # whatever a store's driver raises
            raise self._refusal(error) from None

    def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of MLflow's client.

        Raises InputError where it fails, UnavailableError where it may succeed later.

        MLflow's own limit is one between two bytes of an answer; here the whole answer of a server
        has one. Files take as long as they take.
        """
        try:
            if not self._server or method in _FILES:
                return getattr(self.client, method)(*arguments, **named)
            seconds = float(os.environ.get(_SECONDS, "120"))
            return within(seconds, lambda: getattr(self.client, method)(*arguments, **named))
        except Exception as error:  # whatever a store's driver, a server or the network raises
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> InputError:
        answer = getattr(
            getattr(error, "response", None), "text", ""
        )  # a server's own words, where files are sent
        said = without_secrets(
            shortened(" ".join(shortened(f"{error} {answer}").split()), _SHOWN_CHARACTERS)
        )
        slow = (
            isinstance(error, TimeoutError)
            or "Max retries exceeded" in said
            or "timeout exception" in said
        )
        said = "no answer" if slow else said
        return (UnavailableError if may_pass(error) else InputError)(
            f"MLflow at {self.place} cannot be used: {said}; {mended_by(said)}{_ADVICE}"
        )

    def send(self, place: str, method: str, run: str, *arguments: Any) -> None:
        """Write files among the artifacts of a run, which are stored at `place`.

        Raises InputError as `ask` does.

        Where that cannot work for one of them, it is not tried for others: all give the same
        reason, with the place.
        """
        root = place.partition(f"/{run}")[0]
        if (
            self._no_files is None
            and self._server
            and urlsplit(place).scheme in ("", "file")
            and not self._here
        ):
            self._no_files = (
                f"they would lie on its own disk, at {root}: start it with "
                "--artifacts-destination, or name another one"
            )
        if self._no_files is None:
            try:
                self.ask(method, run, *arguments)
                return
            except UnavailableError:
                if not self._server or serves_files(self._uri):
                    raise
                self._no_files = (
                    f"they lie at {without_secrets(root)}, and it serves none: "
                    f"{mended_by(NO_FILES)}"
                ).rstrip("; ")
            except InputError as error:
                if method != "log_text" and not os.path.exists(arguments[0]):
                    raise
                self._no_files = f"they lie at {without_secrets(root)}: {error}"
        raise InputError(
            f"MLflow at {self.place} takes no files for this experiment, {self._no_files}; all "
            "else is logged"
        )


@contextlib.contextmanager
def _no_quoted_folder(uri: str) -> Iterator[None]:
    """Remove the folder that MLflow makes from a quoted SQLite URI, which is a wrong one."""
    spelt = Path(uri.removeprefix("sqlite:///")).parent
    stray = uri.startswith("sqlite:///") and spelt != sqlite_path(uri).parent and not spelt.exists()
    try:
        yield
    finally:
        if stray:
            with contextlib.suppress(OSError):
                os.removedirs(spelt)


@contextlib.contextmanager
def retry_settings(settings: dict[str, str]) -> Iterator[None]:
    """Set how long MLflow tries over HTTP inside the block.

    Variables that the environment sets are left alone.
    """
    ours = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextlib.contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Set MLflow's default store inside the block: `models:/...` is always looked up there."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI")
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
