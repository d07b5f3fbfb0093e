"""Checks that a run in MLflow is still finished, without importing MLflow, which takes seconds."""

import base64
import json
import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from advcore.pipelines.tracking.addresses import sqlite_path
from advcore.workers.redaction import without_secrets
from advcore.workers.stores.timeouts import within

CHILDREN = "advcore.children"
"""The tag of a finished run that says how many runs there are inside it."""

TIMEOUT_SECONDS = 2.0
"""Time limit for a server's whole answer."""


def finished_in_mlflow(uri: str, run: str) -> str | None:
    """Return None unless the run, those inside it and their files are there and finished.

    None too where only MLflow itself can tell.

    That is nothing in general, and a line where a server does not answer: it had all of the run, as
    far as is known here.
    """
    if not run:
        return ""
    try:
        if uri.startswith("sqlite:///"):
            return "" if _of_file(sqlite_path(uri), run) else None
        if uri.startswith(("http://", "https://")):
            return "" if within(TIMEOUT_SECONDS, lambda: _of_server(uri, run)) else None
    except urllib.error.HTTPError:
        return None
    except OSError:
        return (
            f"MLflow at {without_secrets(uri)} does not answer now; all was logged there before\n"
        )
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        return None
    return None


def _of_file(path: Path, run: str) -> bool:
    """Look the run up in a SQLite file."""
    with closing(
        sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=TIMEOUT_SECONDS)
    ) as database:
        own = (
            "SELECT artifact_uri FROM runs WHERE status = 'FINISHED' AND lifecycle_stage = "
            "'active' AND run_uuid"
        )
        places = database.execute(f"{own} = ?", (run,)).fetchall()
        inside = (
            f"{own} IN (SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?)"
        )
        children = database.execute(inside, (run,)).fetchall()
        told = database.execute(
            "SELECT value FROM tags WHERE run_uuid = ? AND key = ?", (run, CHILDREN)
        ).fetchone()
    wanted = len(children) if told is None else int(told[0])
    return (
        bool(places)
        and len(children) == wanted
        and (told is None or all(_has_files(place) for (place,) in places + children))
    )


def _has_files(place: str) -> bool:
    """True if any artifact is there; artifacts on other machines are not looked for."""
    found = urlsplit(place)
    return found.scheme != "file" or any(Path(unquote(found.path)).glob("*"))


def _of_server(uri: str, run: str) -> bool:
    """Look the run up on a server."""
    own = ask_server(uri, f"mlflow/runs/get?run_id={quote(run)}")["run"]
    if not _is_finished(own):
        return False
    told = (
        {tag["key"]: tag["value"] for tag in own["data"].get("tags", [])} if "data" in own else {}
    )
    if CHILDREN not in told:
        return True
    inside = {
        "experiment_ids": [own["info"]["experiment_id"]],
        "filter": f"tags.`mlflow.parentRunId` = '{run}'",
        "max_results": 5000,
    }
    children = [
        child
        for child in ask_server(uri, "mlflow/runs/search", inside).get("runs", [])
        if _is_finished(child)
    ]
    return len(children) == int(told[CHILDREN]) and bool(
        ask_server(uri, f"mlflow/artifacts/list?run_id={quote(run)}").get("files")
    )


def _is_finished(run: Any) -> bool:
    return (run["info"]["status"], run["info"]["lifecycle_stage"]) == ("FINISHED", "active")


def ask_server(uri: str, path: str, body: object = None) -> Any:
    """Return a server's answer.

    Raises urllib.error.HTTPError where it refuses, OSError where it does not answer.
    """
    parts = urlsplit(uri)
    place = urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")
    )
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{place}/api/2.0/{path}", data, {"Content-Type": "application/json"} if data else {}
    )
    user = unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user:
        own = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        request.add_unredirected_header("Authorization", own)  # a redirect may lead to another host
    elif token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        return json.load(response)
