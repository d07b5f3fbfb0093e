"""The place where runs are recorded: the address of an MLflow server or of a SQLite file."""

import os
from pathlib import Path
from urllib.parse import unquote


def store_uri(uri: str | None, folder: Path) -> str:
    """Return where a run is recorded: `uri`, MLFLOW_TRACKING_URI, or a SQLite file in `folder`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(folder)


def default_uri(folder: Path) -> str:
    """Return the URI of the SQLite file in a folder of results."""
    return sqlite_uri(folder.absolute() / "mlflow.db")


def sqlite_uri(path: Path) -> str:
    """Return the URI of a SQLite file, with special characters of its path quoted."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def sqlite_path(uri: str) -> Path:
    """Return the file that a SQLite URI names."""
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))
