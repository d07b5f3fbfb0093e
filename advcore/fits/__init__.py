"""Fits: what is learnt from many samples of one model, in rounds over shards."""

from advcore.fits.anisotropy_directions import AnisotropyDirections
from advcore.fits.attribute_classifier import AttributeClassifier
from advcore.fits.class_statistics import ClassStatistics
from advcore.fits.components import Components
from advcore.fits.confidence_threshold import ConfidenceThreshold
from advcore.fits.curved_directions import CurvedDirections
from advcore.fits.distances import Medians
from advcore.fits.entry_directions import EntryDirections
from advcore.fits.exemplars import Exemplars
from advcore.fits.fit import Fit, FitSamples, FitState, Sums, Warns, check_declared, declared_by
from advcore.fits.frequencies import Frequencies
from advcore.fits.layer_variation import LayerVariation
from advcore.fits.leading_normals import LeadingNormals
from advcore.fits.random_directions import RandomDirections
from advcore.fits.rounds import Adder, Share, fit_here, next_round
from advcore.fits.sensitive_directions import SensitiveDirections
from advcore.fits.sequential import Sequential
from advcore.fits.temperature import Temperature
from advcore.fits.universal import Universal
from advcore.fits.weights import Weights
from advcore.learnt import Learnt, learnt_in, with_learnt

FITS: dict[str, type] = {
    "universal": Universal,
    "sequential": Sequential,
    "normals": LeadingNormals,
    "shared_curvature": CurvedDirections,
    "class_statistics": ClassStatistics,
    "layer_variation": LayerVariation,
    "weights": Weights,
    "exemplars": Exemplars,
    "components": Components,
    "anisotropy": AnisotropyDirections,
    "frequencies": Frequencies,
    "temperature": Temperature,
    "confidence_threshold": ConfidenceThreshold,
    "attribute_classifier": AttributeClassifier,
    "sensitive_directions": SensitiveDirections,
    "random_directions": RandomDirections,
    "entry_directions": EntryDirections,
}
"""The fits that a study can name by `kind`."""

VERSIONS: dict[type, int] = {Universal: 2, Sequential: 2, Exemplars: 2, ConfidenceThreshold: 2}
"""Versions of these fits, 1 where none stands here: part of a fit's key. Raise that of one whose
code begins to learn other tensors, so that what the store has of before is not taken for them."""

__all__ = [
    "FITS",
    "VERSIONS",
    "Adder",
    "AnisotropyDirections",
    "AttributeClassifier",
    "ClassStatistics",
    "Components",
    "ConfidenceThreshold",
    "CurvedDirections",
    "EntryDirections",
    "Exemplars",
    "Fit",
    "FitSamples",
    "FitState",
    "Frequencies",
    "LayerVariation",
    "LeadingNormals",
    "Learnt",
    "Medians",
    "RandomDirections",
    "SensitiveDirections",
    "Sequential",
    "Share",
    "Sums",
    "Temperature",
    "Universal",
    "Warns",
    "Weights",
    "check_declared",
    "declared_by",
    "fit_here",
    "learnt_in",
    "next_round",
    "with_learnt",
]
