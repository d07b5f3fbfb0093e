"""Training: terms of objectives, schedules, a recipe, the loop."""

from advcore.training.adversarial import Adversarial
from advcore.training.advprop import AdvProp
from advcore.training.calibrated import Calibrated
from advcore.training.cure import CURE
from advcore.training.fit import Epoch, fit
from advcore.training.free import Free
from advcore.training.recipe import Recipe
from advcore.training.schedule import Cosine, Linear, Schedule, Steps, scheduled
from advcore.training.term import CrossEntropy, Objective, Term
from advcore.training.trades import TRADES

TERMS: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "adversarial": Adversarial,
    "free": Free,
    "trades": TRADES,
    "calibrated": Calibrated,
    "advprop": AdvProp,
    "cure": CURE,
}
"""The terms of objectives that a recipe can name by `kind`."""

SCHEDULES: dict[str, type] = {"linear": Linear, "steps": Steps, "cosine": Cosine}
"""The schedules that a recipe can name by `kind`."""

__all__ = [
    "CURE",
    "SCHEDULES",
    "TERMS",
    "TRADES",
    "AdvProp",
    "Adversarial",
    "Calibrated",
    "Cosine",
    "CrossEntropy",
    "Epoch",
    "Free",
    "Linear",
    "Objective",
    "Recipe",
    "Schedule",
    "Steps",
    "Term",
    "fit",
    "scheduled",
]
