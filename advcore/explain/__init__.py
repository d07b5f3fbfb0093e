"""Explanations: what in an input a classifier's answer rests on, and what would change it."""

from advcore.explain.attribution import Attribution, AttributionMaps, ScalarName, scalar_of
from advcore.explain.explanation_goals import (
    EXPLANATION_GOALS,
    CentreShift,
    ExplanationGoal,
    Into,
    OutOfTop,
)
from advcore.explain.fragility import ExplanationAttack
from advcore.explain.gradient import Gradient, GradientTimesInput
from advcore.explain.integrated_gradients import IntegratedGradients
from advcore.explain.smoothed_gradient import SmoothedGradient
from advcore.explain.softplus import SoftplusForReLU

ATTRIBUTIONS: dict[str, type] = {
    "gradient": Gradient,
    "gradient_times_input": GradientTimesInput,
    "integrated_gradients": IntegratedGradients,
    "smoothed_gradient": SmoothedGradient,
}
"""The attributions that a study can name by `kind`."""

__all__ = [
    "ATTRIBUTIONS",
    "EXPLANATION_GOALS",
    "Attribution",
    "AttributionMaps",
    "CentreShift",
    "ExplanationAttack",
    "ExplanationGoal",
    "Gradient",
    "GradientTimesInput",
    "IntegratedGradients",
    "Into",
    "OutOfTop",
    "ScalarName",
    "SmoothedGradient",
    "SoftplusForReLU",
    "scalar_of",
]
