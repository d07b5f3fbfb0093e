"""advcore: look into deep networks with adversarial examples. The mathematics, on torch alone."""

from advcore import (
    attacks,
    criteria,
    curvature,
    frequency,
    margins,
    networks,
    noise,
    normals,
    norms,
    objectives,
    probes,
    subspaces,
    training,
    transfer,
    transforms,
)
from advcore.classifier import Classifier, Normalized, frozen
from advcore.criteria import Targeted, Untargeted
from advcore.randomness import Randomness

__version__ = "0.1.0"

__all__ = [
    "Classifier",
    "Normalized",
    "Randomness",
    "Targeted",
    "Untargeted",
    "attacks",
    "criteria",
    "curvature",
    "frequency",
    "frozen",
    "margins",
    "networks",
    "noise",
    "normals",
    "norms",
    "objectives",
    "probes",
    "subspaces",
    "training",
    "transfer",
    "transforms",
]
