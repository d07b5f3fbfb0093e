"""Training: terms of objectives, schedules, a recipe, the loop."""

from typing import TYPE_CHECKING, Any

from advcore.training.acet import ACET
from advcore.training.adversarial import AdversarialTraining
from advcore.training.adversary import Adversary
from advcore.training.advprop import AdvProp
from advcore.training.augmentation import Augmentation, Cutout, HorizontalFlip, RandomCrop
from advcore.training.augmix import AugMix
from advcore.training.calibrated import CCAT
from advcore.training.change import Change
from advcore.training.consistency import Consistency
from advcore.training.cure import CURE
from advcore.training.diagnosis import Diagnosis
from advcore.training.drocc import DROCC
from advcore.training.feature_distillation import FeatureDistillation
from advcore.training.free import Free
from advcore.training.freelb import FreeLB
from advcore.training.gaussian import Gaussian
from advcore.training.gradient_alignment import GradientAlignment
from advcore.training.gradient_matching import GradientMatching
from advcore.training.gradient_penalty import GradientPenalty
from advcore.training.hat import HAT
from advcore.training.ig_norm import IGNorm
from advcore.training.inputs import Inputs
from advcore.training.interval_bounds import IntervalBounds
from advcore.training.jensen_shannon import JensenShannon
from advcore.training.local_linearity import LocalLinearity
from advcore.training.macer import MACER
from advcore.training.overfitting_detectors import (
    catastrophic_overfitting,
    overfitting,
    robust_overfitting,
)
from advcore.training.prime import PRIME, Diffeomorphism, RandomColour, RandomFilter
from advcore.training.random_direction import RandomDirection
from advcore.training.recipe import Recipe
from advcore.training.right_reasons import RightReasons
from advcore.training.rlat import RLAT
from advcore.training.schedule import Cosine, Linear, Schedule, Steps, scheduled
from advcore.training.smooth_adv import SmoothAdv
from advcore.training.squared_error import SquaredError
from advcore.training.stability import Stability
from advcore.training.task_training import TaskTraining
from advcore.training.term import CrossEntropy, Objective, Term
from advcore.training.trades import TRADES
from advcore.training.training_loop import Epoch, TrainingLoop, fit
from advcore.training.validation import Validation
from advcore.training.vat import VAT
from advcore.training.watch import Watch
from advcore.training.weight_perturbation import WeightPerturbation

TERMS: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "squared_error": SquaredError,
    "adversarial": AdversarialTraining,
    "free": Free,
    "weight_perturbation": WeightPerturbation,
    "hat": HAT,
    "trades": TRADES,
    "calibrated": CCAT,
    "advprop": AdvProp,
    "rlat": RLAT,
    "cure": CURE,
    "gradient_penalty": GradientPenalty,
    "ig_norm": IGNorm,
    "right_reasons": RightReasons,
    "local_linearity": LocalLinearity,
    "gradient_alignment": GradientAlignment,
    "gaussian": Gaussian,
    "stability": Stability,
    "jensen_shannon": JensenShannon,
    "smooth_adv": SmoothAdv,
    "macer": MACER,
    "consistency": Consistency,
    "interval_bounds": IntervalBounds,
    "acet": ACET,
    "drocc": DROCC,
    "feature_distillation": FeatureDistillation,
    "gradient_matching": GradientMatching,
    "vat": VAT,
    "freelb": FreeLB,
    "random_direction": RandomDirection,
    "task": TaskTraining,
    "adversary": Adversary,
}
"""The terms of objectives that a recipe can name by `kind`."""

SCHEDULES: dict[str, type] = {"linear": Linear, "steps": Steps, "cosine": Cosine}
"""The schedules that a recipe can name by `kind`."""

AUGMENTATIONS: dict[str, type] = {
    "random_crop": RandomCrop,
    "horizontal_flip": HorizontalFlip,
    "cutout": Cutout,
    "augmix": AugMix,
    "prime": PRIME,
    "random_filter": RandomFilter,
    "random_colour": RandomColour,
    "diffeomorphism": Diffeomorphism,
}
"""The augmentations that a recipe can name by `kind`."""

WATCHES: dict[str, type] = {"diagnosis": Diagnosis}
"""Measurements that can watch a training, by `kind`."""

__all__ = [
    "ACET",
    "AUGMENTATIONS",
    "CCAT",
    "CURE",
    "DROCC",
    "HAT",
    "MACER",
    "PRIME",
    "RLAT",
    "SCHEDULES",
    "TERMS",
    "TRADES",
    "VAT",
    "WATCHES",
    "AdvProp",
    "AdversarialTraining",
    "Adversary",
    "AugMix",
    "Augmentation",
    "Change",
    "Consistency",
    "Cosine",
    "CrossEntropy",
    "Cutout",
    "Diagnosis",
    "Diffeomorphism",
    "Epoch",
    "FeatureDistillation",
    "Free",
    "FreeLB",
    "Gaussian",
    "GradientAlignment",
    "GradientMatching",
    "GradientPenalty",
    "HorizontalFlip",
    "IGNorm",
    "Inputs",
    "IntervalBounds",
    "JensenShannon",
    "Linear",
    "LocalLinearity",
    "Objective",
    "RandomColour",
    "RandomCrop",
    "RandomDirection",
    "RandomFilter",
    "Recipe",
    "RightReasons",
    "Schedule",
    "SmoothAdv",
    "SquaredError",
    "Stability",
    "Steps",
    "TaskTraining",
    "Term",
    "TrainingLoop",
    "Validation",
    "Watch",
    "WeightPerturbation",
    "catastrophic_overfitting",
    "fit",
    "overfitting",
    "robust_overfitting",
    "scheduled",
]

FORMER_NAMES = {"Adversarial": "AdversarialTraining", "Calibrated": "CCAT"}
"""Names that terms had before, which code may still import from here, and their present ones."""

if not TYPE_CHECKING:  # that the type checker goes on knowing which names there are

    def __getattr__(name: str) -> Any:
        """Return the term of a former name. Raises AttributeError for any other."""
        if name not in FORMER_NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[FORMER_NAMES[name]]
