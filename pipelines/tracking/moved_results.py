"""Results folders that were moved: artifacts' absolute paths in MLflow's file are corrected."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

ARTIFACTS = "mlartifacts"
"""The folder of artifacts beside MLflow's file."""

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def adopt_artifacts(folder: Path) -> None:
    """Make MLflow's file name the artifacts that lie beside it, after a move.

    Experiments whose artifacts somebody has put into a folder of another name are left alone.
    """
    file, new = folder / "mlflow.db", (folder / ARTIFACTS).as_uri()
    if not file.is_file():
        return
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(file, timeout=20)) as database,
        database,
    ):  # MLflow tells what is wrong
        known = [
            place
            for (place,) in database.execute("SELECT DISTINCT artifact_location FROM experiments")
        ]
        for old in known:
            if (
                _was_beside(old)
                and old != new
                and ((folder / ARTIFACTS).is_dir() or not _path(old).is_dir())
            ):
                for table, column in _PLACES:
                    with suppress(sqlite3.OperationalError):  # older files have fewer tables
                        database.execute(
                            (
                                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                                f"WHERE substr({column}, 1, ?) IN (?, ?)"
                            ),
                            (new, len(old) + 1, len(old) + 1, old, f"{old}/"),
                        )


def _was_beside(place: str | None) -> bool:
    return place is not None and place.startswith("file:") and place.endswith(f"/{ARTIFACTS}")


def _path(place: str) -> Path:
    return Path(unquote(urlsplit(place).path))
