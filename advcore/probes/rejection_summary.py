"""The summary and the charts of rejection by confidence under attack."""

from collections.abc import Mapping

import torch
from torch import Tensor

from advcore.counts import counted
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Curve, Summary
from advcore.probes.table import Table
from advcore.separation import auroc, auroc_interval
from advcore.shares import wilson

POINTS = 101
"""Thresholds of the curves, from 0 to 1."""


def summary_of_rejection(table: Table) -> Summary:
    """Return the errors at the threshold, with Wilson's intervals, and over all thresholds."""
    if not len(table["sample"]):
        return Summary()
    correct, fooled = table.numbers("correct"), ~table.numbers("attacked_correct")
    counts, error = table.numbers("counted"), table.numbers("error")
    accepted, passed = table.numbers("accepted"), table.numbers("attacked_accepted")
    shares = {
        "accuracy": correct,
        "accepted": accepted[correct],
        "clean_error": ~correct[accepted],
        "robust_error": ~correct | fooled,
        "thresholded_robust_error": error[counts],
        "attacked_accepted": passed[fooled],
    }
    scalars = {name: table.numbers(name)[0].item() for name in ("threshold", "asked")}
    for name, own in shares.items():
        if len(own):
            low, high = wilson(int(own.sum()), len(own))
            scalars |= {name: own.double().mean().item(), f"{name}_low": low, f"{name}_high": high}
    clean, attacked = table.numbers("confidence")[correct], table.numbers("attacked_confidence")
    if len(clean) and fooled.any():
        scalars["auroc"] = auroc(clean, attacked[fooled])
        ends = auroc_interval(clean, attacked[fooled])
        scalars["auroc_low"], scalars["auroc_high"] = ends
    return Summary(scalars, _curves(table), meanings=_meanings(table))


def _curves(table: Table) -> dict[str, Curve]:
    """The shares over the threshold; NaN where nothing is accepted."""
    at = _thresholds()
    accepted = table.numbers("confidence")[:, None] >= at
    passed = table.numbers("attacked_confidence")[:, None] >= at
    right = table.numbers("correct")[:, None]
    wrong = (accepted & ~right) | (passed & ~table.numbers("attacked_correct")[:, None])
    held = {
        "accepted": accepted[right[:, 0]].double().mean(0),
        "clean_accuracy": (accepted & right).double().sum(0) / accepted.sum(0),
        "thresholded_robust_error": wrong.double().sum(0) / (accepted | passed).sum(0),
    }
    return {name: Curve(at.tolist(), values.tolist()) for name, values in held.items()}


def _thresholds() -> Tensor:
    return torch.linspace(0, 1, POINTS, dtype=torch.float64)


def _meanings(table: Table) -> dict[str, str]:
    samples = counted(len(table["sample"]), "sample")
    own = {
        "threshold": "the confidence tau below which an answer is refused",
        "asked": "share of the samples labelled right that tau was to accept, of those held out "
        "on which it was learnt",
        "accuracy": f"share of {samples} that are labelled right, unattacked",
        "accepted": "share of the samples labelled right whose confidence reaches the threshold, "
        "to be compared with `asked`",
        "clean_error": "share of the unattacked samples accepted at tau that are labelled wrong",
        "robust_error": f"share of {samples} that are labelled wrong, attacked or not",
        "thresholded_robust_error": "share labelled wrong and accepted, attacked or not, of those "
        "that are accepted, attacked or not",
        "attacked_accepted": "share of attacked samples labelled wrong that are accepted at tau",
        "auroc": "probability that a clean sample labelled right is more confident than an "
        "attacked one labelled wrong",
    }
    intervals = {
        f"{name}_{end}": f"{word} end of its 95 % interval over samples, given tau"
        for name in own
        if name not in ("threshold", "asked")
        for end, word in (("low", "lower"), ("high", "upper"))
    }
    accuracy = "share of the unattacked samples that are accepted which are labelled right"
    return {**own, **intervals, "clean_accuracy": accuracy}


def rejection_charts(tables: Mapping[str, Table]) -> list[Chart]:
    """Return the thresholded robust error, and what is accepted, over the threshold, by model."""
    errors, kept = list[Series](), list[Series]()
    for place, (model, table) in enumerate(tables.items()):
        if not len(table["sample"]):
            continue
        curves, tau = _curves(table), table.numbers("threshold")[:1]
        for drawn, name in ((errors, "thresholded_robust_error"), (kept, "accepted")):
            own = curves[name]
            x, y = torch.tensor(own.x), 100 * torch.tensor(own.y)
            drawn.append(Series(model, x, y, shade=place, style="line"))
            there = (x <= tau).nonzero()[-1]
            drawn.append(Series("", tau, y[there], shade=place, mark=place, style="points"))
    if not errors:
        return []
    note = "Point: the network's own threshold, from clean samples held out."
    return [
        Lines(
            name="rejection",
            title="Thresholded robust error",
            x_label="threshold of the confidence",
            y_label="wrong among the accepted (%)",
            series=errors,
            y_limits=(-2, 102),
            note=f"{note} A sample counts as accepted if it is so clean or attacked.",
        ),
        Lines(
            name="accepted",
            title="Clean samples that are accepted",
            x_label="threshold of the confidence",
            y_label="accepted (% of samples labelled right)",
            series=kept,
            y_limits=(-2, 102),
            note=note,
        ),
    ]
