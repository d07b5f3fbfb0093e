"""Training: terms of objectives, schedules, a recipe, the loop."""

from advcore.training.adversarial import Adversarial
from advcore.training.cure import CURE
from advcore.training.diagnosis import Diagnosis
from advcore.training.fit import Epoch, fit
from advcore.training.overfitting import catastrophic_overfitting, robust_overfitting
from advcore.training.recipe import Recipe
from advcore.training.schedule import Cosine, Linear, Schedule, Steps, scheduled
from advcore.training.term import CrossEntropy, Objective, Term

TERMS: dict[str, type] = {"cross_entropy": CrossEntropy, "adversarial": Adversarial, "cure": CURE}
"""The terms of objectives that a recipe can name by `kind`."""

SCHEDULES: dict[str, type] = {"linear": Linear, "steps": Steps, "cosine": Cosine}
"""The schedules that a recipe can name by `kind`."""

__all__ = [
    "CURE",
    "SCHEDULES",
    "TERMS",
    "Adversarial",
    "Cosine",
    "CrossEntropy",
    "Diagnosis",
    "Epoch",
    "Linear",
    "Objective",
    "Recipe",
    "Schedule",
    "Steps",
    "Term",
    "catastrophic_overfitting",
    "fit",
    "robust_overfitting",
    "scheduled",
]
