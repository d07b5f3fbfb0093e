"""Certificates: radii within which a prediction is proven not to change, and exact distances."""

from advcore.certify.clopper_pearson import lower_bound
from advcore.certify.exact import ExactDistances, ExactStatus, exact_distance
from advcore.certify.hessian_bound import CurvatureCertificates, curvature_certificate
from advcore.certify.lipschitz_constant import lipschitz
from advcore.certify.margin_bounds import MarginBounds, bounds, verified_radius
from advcore.certify.noise_blocks import BLOCK_DRAWS, blocks_of, count_labels
from advcore.certify.randomised_smoothing import (
    ABSTAINS,
    Certificates,
    certificates_of,
    certify,
    largest_radius,
)

__all__ = [
    "ABSTAINS",
    "BLOCK_DRAWS",
    "Certificates",
    "CurvatureCertificates",
    "ExactDistances",
    "ExactStatus",
    "MarginBounds",
    "blocks_of",
    "bounds",
    "certificates_of",
    "certify",
    "count_labels",
    "curvature_certificate",
    "exact_distance",
    "largest_radius",
    "lipschitz",
    "lower_bound",
    "verified_radius",
]
