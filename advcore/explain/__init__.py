"""Explanations: what in an input a classifier's answer rests on, and what would change it."""

from advcore.explain.attribution import Attribution, AttributionMaps, ScalarName, scalar_of
from advcore.explain.gradient import Gradient, GradientTimesInput
from advcore.explain.integrated_gradients import IntegratedGradients
from advcore.explain.smoothed_gradient import SmoothedGradient

ATTRIBUTIONS: dict[str, type] = {
    "gradient": Gradient,
    "gradient_times_input": GradientTimesInput,
    "integrated_gradients": IntegratedGradients,
    "smoothed_gradient": SmoothedGradient,
}
"""The attributions that a study can name by `kind`."""

__all__ = [
    "ATTRIBUTIONS",
    "Attribution",
    "AttributionMaps",
    "Gradient",
    "GradientTimesInput",
    "IntegratedGradients",
    "ScalarName",
    "SmoothedGradient",
    "scalar_of",
]
