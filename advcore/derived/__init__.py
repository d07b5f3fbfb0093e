"""Derivations: samples made of others, by attacks on a network, of its features, or of a fit."""

from advcore.derived.adversarial import AdversarialExamples
from advcore.derived.class_gaussian import ClassGaussian
from advcore.derived.classes_along import ClassesAlong
from advcore.derived.derivation import Derivation, Made, Misleading, OfFits
from advcore.derived.inverted import Inverted
from advcore.derived.overconfident import Overconfident
from advcore.derived.painted import Painted
from advcore.derived.projected import Projected
from advcore.derived.pseudo_labelled import PseudoLabelled
from advcore.derived.towards import Towards

DERIVATIONS: dict[str, type] = {
    "adversarial": AdversarialExamples,
    "along": ClassesAlong,
    "class_gaussian": ClassGaussian,
    "inverted": Inverted,
    "overconfident": Overconfident,
    "painted": Painted,
    "projected": Projected,
    "pseudo_labelled": PseudoLabelled,
    "towards": Towards,
}
"""The derived data sets, made with a network or a fit, that a study can name by `kind`."""

__all__ = [
    "DERIVATIONS",
    "AdversarialExamples",
    "ClassGaussian",
    "ClassesAlong",
    "Derivation",
    "Inverted",
    "Made",
    "Misleading",
    "OfFits",
    "Overconfident",
    "Painted",
    "Projected",
    "PseudoLabelled",
    "Towards",
]
