"""Eigenvalue profiles: their chart (article, Fig. 4a), and whether they are settled."""

from collections.abc import Mapping

import torch
from torch import Tensor

from advcore.probes.charts import Chart, Lines, medians
from advcore.probes.table import Table

NEGLIGIBLE = 1e-6
"""Share of the largest magnitude in the chart: what is smaller at every sample is left out."""

UNSETTLED = 0.1
"""The residual, as a share of a sample's largest eigenvalue in magnitude, above which its
eigenpairs are not settled."""


def profile_chart(
    tables: Mapping[str, Table], whole: bool, bottom: int | None, step: float
) -> Chart:
    """Chart median and quartiles of the column `eigenvalues`, descending, against the rank.

    There is a line for each table (Fig. 4a, which shows the mean).

    The mean is that of the few samples near the boundary, and orders networks otherwise; it stands
    in the summary.

    A whole spectrum with negative eigenvalues is drawn from both its ends, so that either is seen:
    the rank is counted from the nearer one, and the line goes out with the first half of the
    eigenvalues and comes back with the second.

    Args:
        whole: whether they are all eigenvalues, and not only the extreme ones.
        bottom: how many of the extreme ones are the smallest by sign; the others are the largest.
            None: they are the largest in magnitude.
        step: of the Hessian, to be told.
    """
    spectra = {model: _finite(table.numbers("eigenvalues")) for model, table in tables.items()}
    spectra = {model: values for model, values in spectra.items() if len(values)}
    if not spectra:
        return Lines(
            "eigenvalues",
            "Curvature of the loss at the samples",
            "rank of the eigenvalue",
            "eigenvalue",
            (),
        )
    largest = max(values.abs().max().item() for values in spectra.values())
    by_size: dict[int, dict[str, Tensor]] = {}  # models may see images of other sizes
    for model, values in spectra.items():
        by_size.setdefault(values.shape[1], {})[model] = values
    seen = {size: _seen(alike, largest) for size, alike in by_size.items()}
    most = max(by_size)
    signed = any((values < -NEGLIGIBLE * largest).any() for values in spectra.values())
    both_ends = signed and whole
    ranks = {size: torch.arange(1, size + 1) for size in by_size}
    if both_ends:
        ranks = {size: own.minimum(own.flip(0)) for size, own in ranks.items()}
    notes = [
        "Median over samples in its 95 % interval, and between the quartiles. A sample that the "
        "network is sure of has next to none, however steep the network is: this is confidence "
        "more than flatness, and a mean is that of the few samples near the boundary."
    ]
    if both_ends:
        notes.append(
            "Upper arm: from the largest eigenvalue down; lower arm: from the smallest up."
        )
    notes += [
        _rest(seen[size], alike, whole) for size, alike in by_size.items() if not seen[size].all()
    ]
    return Lines(
        name="eigenvalues",
        title="Curvature of the loss at the samples"
        + (f", over a step of {step:g}" if step else ", exact"),
        x_label="rank of the eigenvalue"
        + (
            ", counted from the nearer end of the spectrum"
            if both_ends
            else _measured(bottom, seen[most])
        ),
        y_label="eigenvalue of the input Hessian "
        + (f"at step {step:g} " if step else "")
        + "(loss per pixel unit²)",
        series=[
            medians(model, ranks[size][seen[size]], values[:, seen[size]])
            for model, values in spectra.items()
            for size in (values.shape[1],)
        ],
        x_scale="log" if both_ends else "linear",
        y_scale="linear" if largest == 0 else "symlog" if signed else "log",
        note=" ".join(notes),
    )


def _seen(spectra: Mapping[str, Tensor], largest: float) -> Tensor:
    """Return which ranks `(n,)` are shown of spectra of one length."""
    seen = torch.stack(
        [(values.abs() > NEGLIGIBLE * largest).any(0) for values in spectra.values()]
    ).any(0)
    seen[0] |= not seen.any()  # flat everywhere: one rank of zeros to show
    return seen


def _finite(values: Tensor) -> Tensor:
    """The samples whose eigenvalues `(B, n)` are all finite."""
    return values[values.isfinite().all(1)]


def _measured(bottom: int | None, seen: Tensor) -> str:
    """Return the suffix of the axis label when both ends of the spectrum were measured."""
    return (
        "" if bottom is None else f" (the {len(seen) - bottom} largest, then the {bottom} smallest)"
    )


def _rest(seen: Tensor, spectra: Mapping[str, Tensor], whole: bool) -> str:
    """Describe what the chart leaves out."""
    hidden = len(seen) - int(seen.sum())
    among = f"{len(seen)}" if whole else f"the {len(seen)} measured"
    exact = all((values[:, ~seen] == 0).all() for values in spectra.values())
    return f"The other {hidden} of {among} are {'0' if exact else 'below 1e-6 of the largest'}."


def unsettled(table: Table) -> dict[str, str]:
    """Warn if the column `residual` is large against `eigenvalues` at some sample.

    It can be so at a step, where the products of a network that is piecewise linear are not those
    of one matrix.
    """
    residual, values = table.numbers("residual"), table.numbers("eigenvalues")
    share = (residual > UNSETTLED * values.abs().amax(1)).double().mean().item()
    if share == 0:
        return {}
    sentence = (
        f"the residual of an eigenpair exceeds {UNSETTLED:.0%} of the largest eigenvalue on "
        f"{share:.1%} of the samples, so that they are no eigenpairs of one matrix: take step: 0, "
        "or the whole spectrum of the probe curvature"
    )
    return {"unsettled_eigenvalues": sentence}
