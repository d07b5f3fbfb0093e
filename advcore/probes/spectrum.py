"""The spectrum of the loss's input Hessian at each sample, whole or its ends.

These are columns of the probe `curvature`.
"""

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.curvature import (
    Ends,
    cross_entropy_of,
    eigenprofile,
    hutchinson,
    input_hessian,
    lanczos,
)
from advcore.randomness import Randomness

SMALL = 0.01
"""Share of a sample's largest eigenvalue in magnitude: what is below counts in `small_share`."""


def whole_spectrum(
    classifier: Classifier, images: Tensor, labels: Tensor, step: float, randomness: Randomness
) -> dict[str, Tensor]:
    """Return all D eigenvalues, descending, and what follows from them exactly.

    See `advcore.probes.Curvature`.
    """
    profile = eigenprofile(classifier, images, labels, randomness=randomness, step=step)
    exact = torch.zeros_like(profile.trace)
    return {
        "eigenvalues": profile.values,
        "small_share": _small_share(profile.values),
        "trace": profile.trace,
        "trace_error": exact,
        "frobenius": profile.frobenius,
        "frobenius_error": exact,
        "residual": exact,
        "low_rank": profile.low_rank,
    }


def extreme_spectrum(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    step: float,
    wanted: int | Ends,
    draws: int,
    randomness: Randomness,
) -> dict[str, Tensor]:
    """Return the wanted eigenvalues by Lanczos, descending.

    Trace and Frobenius norm are Hutchinson's estimates of `draws` vectors.
    """
    hessian = input_hessian(classifier, images, cross_entropy_of(labels), step)
    pairs = lanczos(hessian, randomness, hessian.shape[1], wanted, images.dtype)
    moments = hutchinson(hessian, randomness, hessian.shape[1], draws, images.dtype)
    return {
        "eigenvalues": pairs.values.sort(1, descending=True).values,
        "trace": moments.trace,
        "trace_error": moments.trace_error,
        "frobenius": moments.frobenius,
        "frobenius_error": torch.where(moments.squares > 0, moments.frobenius_error, 0),
        "residual": pairs.residuals.amax(1),
        "low_rank": torch.zeros_like(moments.trace, dtype=torch.bool),
    }


def _small_share(values: Tensor) -> Tensor:
    """The share of eigenvalues `(B, D)` below 1 % of the sample's largest, in magnitude, `(B,)`."""
    sizes = values.abs()
    return (sizes <= SMALL * sizes.amax(1, keepdim=True)).to(values.dtype).mean(1)
