"""Training: terms of objectives, schedules, a recipe, the loop."""

from advcore.training.adversarial import Adversarial
from advcore.training.augmentation import Augmentation, Cutout, HorizontalFlip, RandomCrop
from advcore.training.cure import CURE
from advcore.training.fit import Epoch, Fit, fit
from advcore.training.recipe import Recipe
from advcore.training.schedule import Cosine, Linear, Schedule, Steps, scheduled
from advcore.training.term import CrossEntropy, Objective, Term
from advcore.training.validation import Validation
from advcore.training.watch import Watch

TERMS: dict[str, type] = {"cross_entropy": CrossEntropy, "adversarial": Adversarial, "cure": CURE}
"""The terms of objectives that a recipe can name by `kind`."""

SCHEDULES: dict[str, type] = {"linear": Linear, "steps": Steps, "cosine": Cosine}
"""The schedules that a recipe can name by `kind`."""

AUGMENTATIONS: dict[str, type] = {"random_crop": RandomCrop, "horizontal_flip": HorizontalFlip, "cutout": Cutout}
"""The augmentations that a recipe can name by `kind`."""

WATCHES: dict[str, type] = {}
"""What a training can be watched by, by `kind`."""

__all__ = [
    "AUGMENTATIONS",
    "CURE",
    "SCHEDULES",
    "TERMS",
    "WATCHES",
    "Adversarial",
    "Augmentation",
    "Cosine",
    "CrossEntropy",
    "Cutout",
    "Epoch",
    "Fit",
    "HorizontalFlip",
    "Linear",
    "Objective",
    "RandomCrop",
    "Recipe",
    "Schedule",
    "Steps",
    "Term",
    "Validation",
    "Watch",
    "fit",
    "scheduled",
]
