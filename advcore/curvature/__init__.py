"""Curvature in input space.

Hessians as operators, their spectra, the decision boundary's curvatures, landscapes.
"""

from advcore.curvature.across import Across, most_curved_across
from advcore.curvature.boundary_curvature import (
    BoundaryPoints,
    ShapeOperator,
    Tangential,
    boundary_points,
    logit_difference,
    principal_curvatures,
    shape_operator,
)
from advcore.curvature.coarse import gradient_change, one_step_changes, turn
from advcore.curvature.cross_sections import CrossSections, landscape, plane_basis
from advcore.curvature.differences import DifferenceHessian
from advcore.curvature.eigenvalue_profile import Eigenprofile, check_formed, eigenprofile
from advcore.curvature.gauss_newton_matrix import GaussNewton, gauss_newton
from advcore.curvature.hessian import Hessian, InputHessian, input_hessian
from advcore.curvature.lanczos_method import Eigenpairs, Ends, lanczos
from advcore.curvature.linearity import LinearityError, linearity_error
from advcore.curvature.loss import cross_entropy_of
from advcore.curvature.shared import Mean, Stacked, curvature_along, energy, random_basis
from advcore.curvature.temperature import Tempered, check_confidence, temperature_for
from advcore.curvature.trace import Moments, hutchinson
from advcore.curvature.universal import fools, random_vectors

__all__ = [
    "Across",
    "BoundaryPoints",
    "CrossSections",
    "DifferenceHessian",
    "Eigenpairs",
    "Eigenprofile",
    "Ends",
    "GaussNewton",
    "Hessian",
    "InputHessian",
    "LinearityError",
    "Mean",
    "Moments",
    "ShapeOperator",
    "Stacked",
    "Tangential",
    "Tempered",
    "boundary_points",
    "check_confidence",
    "check_formed",
    "cross_entropy_of",
    "curvature_along",
    "eigenprofile",
    "energy",
    "fools",
    "gauss_newton",
    "gradient_change",
    "hutchinson",
    "input_hessian",
    "lanczos",
    "landscape",
    "linearity_error",
    "logit_difference",
    "most_curved_across",
    "one_step_changes",
    "plane_basis",
    "principal_curvatures",
    "random_basis",
    "random_vectors",
    "shape_operator",
    "temperature_for",
    "turn",
]
