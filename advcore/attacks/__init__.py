"""Attacks: one call, `attack(classifier, images, criterion, randomness) -> Adversarial`."""

from advcore.attacks.attack import Adversarial, Attack, Status
from advcore.attacks.boundary import Bisected, bisect
from advcore.attacks.deepfool import DeepFool
from advcore.attacks.fgsm import FGSM
from advcore.attacks.pgd import PGD

ATTACKS: dict[str, type] = {"fgsm": FGSM, "pgd": PGD, "deepfool": DeepFool, "bisected": Bisected}
"""The attacks that a study can name by `kind`."""

__all__ = ["ATTACKS", "FGSM", "PGD", "Adversarial", "Attack", "Bisected", "DeepFool", "Status", "bisect"]
