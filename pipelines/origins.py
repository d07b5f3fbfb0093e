"""Which files a study comes of, and which it leaves: all that a second run would look at."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipelines import schema
from pipelines.again import Stats, stats
from pipelines.report import Report
from pipelines.study import Study, find
from workers.datasets.origin import files
from workers.folder_store import FolderStore
from workers.paths import local
from workers.store import Store


def came_of(study: Study, resolved: Study) -> Stats | None:
    """The recipes of a study, its data, the checkpoints of its models, a user's own modules; None where one is no local file.

    `resolved` is the study with its trained models.
    """
    data = files(study.data)
    checkpoints = [spec.checkpoint for spec in resolved.models.values() if spec.checkpoint is not None]
    modules = [_source(name) for name in _modules(schema.unstructure(resolved))]
    if data is None or any(":/" in checkpoint for checkpoint in checkpoints) or None in modules:
        return None
    recipes = [find(recipe, "recipes").absolute() for recipe in study.train.values()]
    own = [local(checkpoint).absolute() for checkpoint in checkpoints]
    try:
        return stats([*recipes, *data, *own, *(Path(str(module)) for module in modules)])
    except OSError:
        return None


def left(report: Report, store: Store, keys: list[str]) -> Stats | None:
    """The rows, in a folder, and what was made of them; None where they lie elsewhere."""
    if not isinstance(store, FolderStore):
        return None
    try:
        return stats([*map(store.path, keys), *report.files])
    except OSError:
        return None


def _modules(settings: Any) -> Iterator[str]:
    """The module of each `package.module:Name` that stands as a kind or an architecture somewhere in the settings."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            if name in ("kind", "architecture") and isinstance(value, str) and ":" in value:
                yield value.partition(":")[0]
            yield from _modules(value)
    elif isinstance(settings, list):
        for value in settings:
            yield from _modules(value)


def _source(module: str) -> str | None:
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        return None
    return None if found is None else found.origin
