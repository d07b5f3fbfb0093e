"""Training: terms of objectives, schedules, a recipe, the loop."""

from advcore.training.adversarial import Adversarial
from advcore.training.cure import CURE
from advcore.training.fit import Epoch, Fit, fit
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
    "Epoch",
    "Fit",
    "Linear",
    "Objective",
    "Recipe",
    "Schedule",
    "Steps",
    "Term",
    "fit",
    "scheduled",
]
