"""Whether a run in MLflow is still finished, asked without importing MLflow, which takes seconds."""

import base64
import json
import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from workers.deadline import within
from workers.redaction import without_secrets

SECONDS = 2.0
"""That a server has for its whole answer."""


def sqlite_uri(path: Path) -> str:
    """The URI of a SQLite file, in which the signs of its path that mean something else there are quoted."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def sqlite_path(uri: str) -> Path:
    """The file that a SQLite URI names."""
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


def still_finished(uri: str, run: str) -> str | None:
    """None where the run is not there or not finished, or where only MLflow itself can tell; else what is to be said of it.

    That is nothing in general, and a line where a server does not answer: it had all of the run, as far as is known here.
    """
    if not run:
        return ""
    try:
        if uri.startswith("sqlite:///"):
            return "" if _of_file(sqlite_path(uri), run) else None
        if uri.startswith(("http://", "https://")):
            return "" if within(SECONDS, lambda: _of_server(uri, run)) else None
    except urllib.error.HTTPError:
        return None
    except OSError:
        return f"MLflow at {without_secrets(uri)} does not answer now; all was logged there before\n"
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        return None
    return None


def _of_file(path: Path, run: str) -> bool:
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=SECONDS)) as database:
        found = database.execute("SELECT status, lifecycle_stage FROM runs WHERE run_uuid = ?", (run,)).fetchone()
    return found == ("FINISHED", "active")


def _of_server(uri: str, run: str) -> bool:
    parts = urlsplit(uri)
    place = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    request = urllib.request.Request(f"{place}/api/2.0/mlflow/runs/get?run_id={quote(run)}")
    user = unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user:
        own = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        request.add_unredirected_header("Authorization", own)  # a redirect may lead to another host
    elif token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        info = json.load(response)["run"]["info"]
    return (info["status"], info["lifecycle_stage"]) == ("FINISHED", "active")
