"""Experiments: studies, trainings and sweeps, from the command line or from Python.

The names are imported when they are first used, for they bring torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advcore.pipelines.graph.settings import GraphStudy, Study, read_study
    from advcore.pipelines.result import IncompleteError, Result, run
    from advcore.pipelines.settings.runs import RunSettings
    from advcore.workers.datasets import DataSpec
    from advcore.workers.errors import InputError
    from advcore.workers.models import ModelSpec

_HOMES = {
    "DataSpec": "advcore.workers.datasets",
    "GraphStudy": "advcore.pipelines.graph.settings",
    "IncompleteError": "advcore.pipelines.result",
    "InputError": "advcore.workers.errors",
    "ModelSpec": "advcore.workers.models",
    "Result": "advcore.pipelines.result",
    "RunSettings": "advcore.pipelines.settings.runs",
    "Study": "advcore.pipelines.graph.settings",
    "read_study": "advcore.pipelines.graph.settings",
    "run": "advcore.pipelines.result",
}
"""The module of each name."""

__all__ = [
    "DataSpec",
    "GraphStudy",
    "IncompleteError",
    "InputError",
    "ModelSpec",
    "Result",
    "RunSettings",
    "Study",
    "read_study",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used. Raises AttributeError for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module 'advcore.pipelines' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
