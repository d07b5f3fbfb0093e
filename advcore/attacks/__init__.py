"""Attacks: one call, `attack(classifier, images, criterion, randomness) -> Adversarial`."""

from advcore.attacks.apgd import APGD
from advcore.attacks.apgdt import APGDT
from advcore.attacks.attack import Adversarial, Attack, Status
from advcore.attacks.boundary import Bisected, bisect
from advcore.attacks.deepfool import DeepFool
from advcore.attacks.ensemble import StandardEnsemble
from advcore.attacks.fgsm import FGSM
from advcore.attacks.minimal_norm import MinimalNorm
from advcore.attacks.pgd import PGD
from advcore.attacks.restarts import Restarts
from advcore.attacks.square import Square
from advcore.attacks.within import Within
from advcore.attacks.worst import Worst

ATTACKS: dict[str, type] = {
    "fgsm": FGSM,
    "pgd": PGD,
    "apgd": APGD,
    "apgdt": APGDT,
    "square": Square,
    "restarts": Restarts,
    "worst": Worst,
    "within": Within,
    "standard": StandardEnsemble,
    "deepfool": DeepFool,
    "minimal_norm": MinimalNorm,
    "bisected": Bisected,
}
"""The attacks that a study can name by `kind`."""

__all__ = [
    "APGD",
    "APGDT",
    "ATTACKS",
    "FGSM",
    "PGD",
    "Adversarial",
    "Attack",
    "Bisected",
    "DeepFool",
    "MinimalNorm",
    "Restarts",
    "Square",
    "StandardEnsemble",
    "Status",
    "Within",
    "Worst",
    "bisect",
]
