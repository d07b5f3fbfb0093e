"""Results that are compared: a folder, or a run in MLflow."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advcore.pipelines.graph.reporting.report import RESULTS
from advcore.pipelines.reports.machine_readable import SCHEMA
from advcore.workers.errors import InputError

STUDY = "study.yaml"
RUNS = "runs:/"
"""Before the id of a run in MLflow."""


def read_results(place: str, tracking_uri: str | None, out: Path) -> tuple[Mapping[str, Any], str]:
    """Return results.json and the text of study.yaml of a folder or of a run, `runs:/ID`.

    Runs are looked for in MLflow at `tracking_uri`, else MLFLOW_TRACKING_URI, else in `out`. Raises
    InputError for a place that holds none.
    """
    if not place.startswith(RUNS):
        return _read(Path(place), place)
    from advcore.pipelines.tracking.tracker import download  # imports MLflow

    with tempfile.TemporaryDirectory() as folder:
        for name in (RESULTS, STUDY):
            download(f"{place.rstrip('/')}/{name}", Path(folder), tracking_uri, out)
        return _read(Path(folder), place)


def _read(folder: Path, place: str) -> tuple[Mapping[str, Any], str]:
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        study = (folder / STUDY).read_text(encoding="utf-8")
    except OSError as error:
        there = [name for name in (RESULTS, STUDY) if (folder / name).is_file()]
        found = f"holds {there[0]} alone" if len(there) == 1 else "holds no results"
        raise InputError(
            f"{place} {found}: expected the folder of a study that was run, with "
            f"{RESULTS} and {STUDY}, or {RUNS}ID of a run in MLflow"
        ) from error
    except ValueError as error:
        raise InputError(f"{place}: {RESULTS} cannot be read: {error}") from error
    _check(results, f"{place}: {RESULTS}")
    return results, study


def _check(results: Any, at: str) -> None:
    """Raise InputError, with the place, for what is none of a study's results."""
    if (version := _mapping(results, at).get("schema", SCHEMA)) != SCHEMA:
        raise InputError(
            f"{at}: expected schema {SCHEMA}, got {version!r}: another version of advcore wrote "
            "it; run the study again with this one"
        )
    claims = _mapping(results.get("claims", {}), f"{at}, claims")
    for name, own in claims.items():
        where = f"{at}, claims, {name}"
        if not isinstance(_mapping(own, where).get("says"), str):
            raise InputError(f"{where}: expected a text as says, got {own.get('says')!r}")
        if not isinstance(own.get("verdict") or "", str):
            raise InputError(f"{where}: expected a text as verdict, got {own['verdict']!r}")
        for part in ("value", "low", "high"):
            _check_number(own.get(part, "nan"), f"{where}, {part}")
    for probe, models in _mapping(results.get("scalars", {}), f"{at}, scalars").items():
        for model, own in _mapping(models, f"{at}, scalars, {probe}").items():
            where = f"{at}, scalars, {probe}, {model}"
            for number, value in _mapping(own, where).items():
                _check_number(value, f"{where}, {number}")


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{at}: expected names with values, got {type(value).__name__}")
    return value


def _check_number(value: Any, at: str) -> None:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{at}: expected a number, got {value!r}") from None
