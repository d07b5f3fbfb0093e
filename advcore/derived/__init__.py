"""Derivations: samples made of others: adversarial, inverted, projected, pseudo-labelled, moved."""

from advcore.derived.adversarial import AdversarialExamples
from advcore.derived.derivation import Derivation, Made, OfFits
from advcore.derived.inverted import Inverted
from advcore.derived.projected import Projected
from advcore.derived.pseudo_labelled import PseudoLabelled
from advcore.derived.towards import Towards

DERIVATIONS: dict[str, type] = {
    "adversarial": AdversarialExamples,
    "inverted": Inverted,
    "projected": Projected,
    "pseudo_labelled": PseudoLabelled,
    "towards": Towards,
}
"""The derived data sets, made with a network or a fit, that a study can name by `kind`."""

__all__ = [
    "DERIVATIONS",
    "AdversarialExamples",
    "Derivation",
    "Inverted",
    "Made",
    "OfFits",
    "Projected",
    "PseudoLabelled",
    "Towards",
]
