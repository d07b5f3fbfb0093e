"""Training: objectives, a recipe, the loop."""

from advcore.training.adversarial import Adversarial
from advcore.training.cure import CURE
from advcore.training.fit import Epoch, fit
from advcore.training.objective import CrossEntropy, Objective
from advcore.training.recipe import Recipe

OBJECTIVES: dict[str, type] = {"cross_entropy": CrossEntropy, "adversarial": Adversarial, "cure": CURE}
"""The objectives that a recipe can name by `kind`."""

__all__ = ["CURE", "OBJECTIVES", "Adversarial", "CrossEntropy", "Epoch", "Objective", "Recipe", "fit"]
