"""Settings of results that are not those of their study as it ships."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import load_yaml
from advcore.pipelines.settings.shipped import shipped_files
from advcore.pipelines.settings.small import differences
from advcore.workers.errors import InputError
from advcore.workers.redaction import plain_without_secrets

MEASURING = ("seed", "dtype", "shard_size")
"""Settings of the section `run` that can change a number."""


def other_settings(study: str, folder: Path) -> str:
    """Return, in one line, the settings of results that are not those of a study as it ships.

    They are read from study.yaml in `folder`, the results of the study or of its small version.
    Empty where all are the same, for results in folders of other names, such as those on other
    data, and for studies that do not ship. Recipes that `train` of a study names are not compared.
    """
    small = folder.name == f"{study}-small"
    if study not in shipped_files("studies") or not (small or folder.name == study):
        return ""
    file = folder / "study.yaml"
    try:
        return _compared(study, small, file, file.stat().st_mtime_ns)
    except (OSError, InputError, TypeError, AttributeError):
        return "nobody knows which, since its study.yaml cannot be read: run it again"


@cache
def _compared(study: str, small: bool, file: Path, changed: int) -> str:
    """Return the settings that differ; `changed` is the time of the file, in nanoseconds."""
    shipped, own = _shipped(study, small), load_yaml(file)
    trained = shipped.get("train", {})
    found = differences(_measured(shipped, trained), _measured(own, trained))
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


@cache
def _shipped(study: str, small: bool) -> Mapping[str, Any]:
    """Return the settings of a study that ships, as its study.yaml holds them."""
    return plain_without_secrets(schema.unstructure(read_study(study, (), small)))


def _measured(study: Mapping[str, Any], trained: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide the numbers.

    Models in `trained` are left out: study.yaml names their checkpoints in place of their recipes.
    """
    run = {f"run.{name}": study["run"].get(name) for name in MEASURING} if "run" in study else {}
    models = {name: own for name, own in study.get("models", {}).items() if name not in trained}
    kept = {name: own for name, own in study.items() if name not in ("small_of", "train")}
    every = {**kept, **run, "models": models}
    return {name: own for name, own in every.items() if own not in (None, {})}
