"""Training: terms of objectives, schedules, a recipe, the loop."""

from advcore.training.acet import ACET
from advcore.training.adversarial import Adversarial
from advcore.training.cure import CURE
from advcore.training.fit import Epoch, fit
from advcore.training.gaussian import Gaussian
from advcore.training.gradient_alignment import GradientAlignment
from advcore.training.gradient_penalty import GradientPenalty
from advcore.training.local_linearity import LocalLinearity
from advcore.training.recipe import Recipe
from advcore.training.schedule import Cosine, Linear, Schedule, Steps, scheduled
from advcore.training.stability import Stability
from advcore.training.term import CrossEntropy, Objective, Term

TERMS: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "adversarial": Adversarial,
    "cure": CURE,
    "gradient_penalty": GradientPenalty,
    "local_linearity": LocalLinearity,
    "gradient_alignment": GradientAlignment,
    "gaussian": Gaussian,
    "stability": Stability,
    "acet": ACET,
}
"""The terms of objectives that a recipe can name by `kind`."""

SCHEDULES: dict[str, type] = {"linear": Linear, "steps": Steps, "cosine": Cosine}
"""The schedules that a recipe can name by `kind`."""

__all__ = [
    "ACET",
    "CURE",
    "SCHEDULES",
    "TERMS",
    "Adversarial",
    "Cosine",
    "CrossEntropy",
    "Epoch",
    "Gaussian",
    "GradientAlignment",
    "GradientPenalty",
    "Linear",
    "LocalLinearity",
    "Objective",
    "Recipe",
    "Schedule",
    "Stability",
    "Steps",
    "Term",
    "fit",
    "scheduled",
]
