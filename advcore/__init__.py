"""advcore: measure how deep networks respond to adversarial perturbations.

The mathematics stand here and need torch alone; `advcore.workers` holds the places where they are
done, `advcore.pipelines` the experiments. Names are imported when they are first used, for torch
takes seconds and `advcore --help` needs none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advcore import (
        attacks,
        certify,
        criteria,
        curvature,
        frequency,
        margins,
        networks,
        normal_spectra,
        norms,
        objectives,
        probes,
        random_noise,
        subspaces,
        training,
        transferability,
        transforms,
    )
    from advcore.classifier import Classifier, Normalized, frozen
    from advcore.criteria import Targeted, Untargeted
    from advcore.hard_label import HardLabel
    from advcore.randomness import Randomness

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "classifier",
    "HardLabel": "hard_label",
    "Normalized": "classifier",
    "frozen": "classifier",
    "Randomness": "randomness",
    "Targeted": "criteria",
    "Untargeted": "criteria",
}
"""The modules of the names that do not stand for a module."""

__all__ = [
    "Classifier",
    "HardLabel",
    "Normalized",
    "Randomness",
    "Targeted",
    "Untargeted",
    "attacks",
    "certify",
    "criteria",
    "curvature",
    "frequency",
    "frozen",
    "margins",
    "networks",
    "normal_spectra",
    "norms",
    "objectives",
    "probes",
    "random_noise",
    "subspaces",
    "training",
    "transferability",
    "transforms",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used. Raises AttributeError for any other."""
    if name not in __all__:
        raise AttributeError(f"module 'advcore' has no attribute {name!r}")
    if name in _HOMES:
        return getattr(import_module(f"advcore.{_HOMES[name]}"), name)
    return import_module(f"advcore.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
