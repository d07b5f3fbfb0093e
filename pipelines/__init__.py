"""Experiments: studies, trainings and sweeps, from the command line or from Python.

`Study`, `run` and `Result` are imported when they are first used, for they bring torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advcore.pipelines.graph.settings import Study
    from advcore.pipelines.result import IncompleteError, Result, run
    from advcore.pipelines.settings.runs import RunSettings

__all__ = ["IncompleteError", "Result", "RunSettings", "Study", "run"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used. Raises AttributeError for any other."""
    if name not in __all__:
        raise AttributeError(f"module 'advcore.pipelines' has no attribute {name!r}")
    from advcore.pipelines import result
    from advcore.pipelines.graph import settings
    from advcore.pipelines.settings import runs

    return getattr({"RunSettings": runs, "Study": settings}.get(name, result), name)
