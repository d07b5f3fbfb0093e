"""The summary of the curvature of the loss and of its flatness."""

import math

from torch import Tensor

from advcore.probes.probe import Curve, Summary, median
from advcore.probes.profiles import unsettled
from advcore.probes.table import Table

SHOWN_EIGENVALUES = 20
"""Number of the largest eigenvalues that stand in the summary; all are in the table."""

MEDIANS = (
    "confidence",
    "loss_change",
    "turn",
    "distance",
    "cosine",
    "small_share",
    "linearity_error",
    "relative_linearity_error",
)
"""The columns whose medians stand in the summary."""

MEANINGS = {
    "mean_top_eigenvalue": (
        "mean over samples of the largest eigenvalue of the loss's input Hessian, loss per "
        "pixel unit squared: that of the few samples near the boundary, as a sure one has none"
    ),
    "median_top_eigenvalue": "its median over samples: the surer a network, the smaller",
    "mean_smallest_eigenvalue": "mean over samples of the smallest eigenvalue, by sign",
    "mean_trace": "mean over samples of the Hessian's trace",
    "mean_frobenius": "mean over samples of the Hessian's Frobenius norm",
    "mean_gradient_norm": (
        "mean over samples of the length of the loss's gradient, loss per pixel unit"
    ),
    "low_rank_share": (
        "share of samples at which the network is piecewise linear, so that the Hessian has a "
        "rank below K"
    ),
    "temperature": "what logits are divided by for loss_change, one number a network",
    "one_step_share": (
        "share of samples whose class changes after one l2 step of 1.5 times the distance to "
        "the boundary, up the margin's gradient"
    ),
    "median_confidence": "median largest probability, at temperature 1",
    "median_loss_change": (
        "median change of the loss's gradient over one length, at the temperature: lower is flatter"
    ),
    "median_turn": (
        "median turn of the margin's gradient over one length in random directions, as a "
        "share of it: lower is flatter"
    ),
    "median_distance": (
        "median length of the minimal l2 perturbation out of the predicted class, no box"
    ),
    "median_cosine": "median cosine of the loss's gradient and that perturbation",
    "median_random_cosine": (
        "median magnitude of the cosine of the loss's gradient and a random direction"
    ),
    "median_small_share": (
        "median share of eigenvalues below 1 % of the sample's largest, in magnitude"
    ),
    "median_linearity_error": (
        "median largest departure of the loss from its tangent that was seen in the ball (nats)"
    ),
    "median_relative_linearity_error": (
        "the same of the margin, as a share of what the tangent changes by: lower is flatter"
    ),
    "mean_eigenvalue": "mean over samples of the eigenvalue of each rank",
    "median_eigenvalue": "median over samples of the eigenvalue of each rank",
}
"""Meanings of the summary's numbers."""


def summarise_curvature(table: Table, both_ends: bool) -> Summary:
    """Return the numbers of a table of the probe `curvature`.

    With `both_ends` the last eigenvalue of a row is the smallest by sign.
    """
    if not len(table["sample"]):
        return Summary()
    values = table.numbers("eigenvalues")
    defined = values.isfinite().all(1)
    values = values[defined]
    scalars = {
        "mean_top_eigenvalue": values[:, 0].mean().item(),
        "median_top_eigenvalue": values[:, 0].quantile(0.5).item() if len(values) else math.nan,
        **({"mean_smallest_eigenvalue": values[:, -1].mean().item()} if both_ends else {}),
        "mean_trace": table.numbers("trace")[defined].mean().item(),
        "mean_frobenius": table.numbers("frobenius")[defined].mean().item(),
        "mean_gradient_norm": table.numbers("gradient_norm").mean().item(),
        "low_rank_share": table.numbers("low_rank").double().mean().item(),
        "temperature": table.numbers("temperature")[0].item(),
        "one_step_share": table.numbers("one_step").double().mean().item(),
        "median_random_cosine": table.numbers("random_cosine").abs().nanquantile(0.5).item(),
    }
    for name in MEDIANS:
        if name in table:
            scalars[f"median_{name}"] = median(table.numbers(name))
    largest = values[:, :SHOWN_EIGENVALUES]
    ranks = list(range(1, largest.shape[1] + 1))
    curves = {
        "mean_eigenvalue": Curve(ranks, largest.mean(0).tolist()),
        "median_eigenvalue": Curve(
            ranks,
            largest.quantile(0.5, dim=0).tolist() if len(values) else [math.nan] * len(ranks),
        ),
    }
    return Summary(scalars, curves, {**unsettled(table), **_undefined(defined)}, MEANINGS)


def _undefined(defined: Tensor) -> dict[str, str]:
    share = 1 - defined.double().mean().item()
    sentence = (
        f"a second derivative is not finite at {share:.1%} of the samples: the numbers of the "
        "Hessian are those of the others; "
        "look for an operation without one (a square root at 0, say)"
    )
    return {"undefined_curvature": sentence} if share else {}
