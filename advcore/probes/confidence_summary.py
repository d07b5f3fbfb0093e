"""The summary and the charts of confidences: calibration errors, the reliability diagram."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from advcore.calibration import (
    BINS,
    calibration_error,
    equal_mass_bins,
    equal_width_bins,
    error_by_chance,
    error_interval,
    mean_interval,
)
from advcore.counts import counted
from advcore.probes.charts import Chart, Lines, Series, Style, equality
from advcore.probes.probe import Curve, Summary
from advcore.probes.table import Table
from advcore.shares import wilson

WITH_SCALED = 3
"""Largest number of models of which what stands behind the temperature is drawn, too."""
SCALED = "scaled_"
"""The prefix of what is measured behind the temperature."""


def calibration_summary(table: Table) -> Summary:
    """Return the calibration errors and proper scores of a table, each with its 95 % interval."""
    correct = table.numbers("correct")
    count = len(correct)
    if not count:
        return Summary()
    low, high = wilson(int(correct.sum()), count)
    scalars = {
        "accuracy": correct.double().mean().item(),
        "accuracy_low": low,
        "accuracy_high": high,
    }
    scalars |= _numbers(table, "")
    if "temperature" in table:
        scalars["temperature"] = table.numbers("temperature")[0].item()
        scalars |= _numbers(table, SCALED)
    places, accuracy = _by_bin(table.numbers("confidence"), correct)
    curves = {"reliability": Curve(places.tolist(), accuracy.tolist())}
    return Summary(scalars, curves, meanings=_meanings(count))


def _numbers(table: Table, prefix: str) -> dict[str, float]:
    """The numbers of a column of confidences, by name."""
    confidence, correct = table.numbers(f"{prefix}confidence"), table.numbers("correct")
    found: dict[str, float] = {}
    bins = {"ece": equal_width_bins(confidence), "adaptive_ece": equal_mass_bins(confidence)}
    for name, places in bins.items():
        found[name] = calibration_error(confidence, correct, places)
        found[f"{name}_low"], found[f"{name}_high"] = error_interval(confidence, correct, places)
        found[f"{name}_by_chance"] = error_by_chance(confidence, places)
    means = {"brier": "brier", "nll": "nll", "mean_confidence": "confidence"}
    for name, column in means.items():
        values = table.numbers(f"{prefix}{column}")
        found[name] = values.double().mean().item()
        found[f"{name}_low"], found[f"{name}_high"] = mean_interval(values)
    return {f"{prefix}{name}": own for name, own in found.items()}


def _by_bin(confidence: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    """Mean confidence and accuracy of the bins of equal width that hold samples."""
    places = equal_width_bins(confidence)
    counts = places.bincount(minlength=BINS)
    sums = torch.zeros(2, BINS, dtype=torch.float64)
    sums = sums.index_add_(1, places, torch.stack([confidence, correct.double()]))
    held = counts > 0
    mean, accuracy = sums[:, held] / counts[held]
    return mean, accuracy


def _meanings(count: int) -> dict[str, str]:
    of = f"over {counted(count, 'sample')}"
    error = "mean over bins, by their samples, of |mean confidence - accuracy|"
    interval = "95 % interval over samples, by percentiles of a bootstrap"
    own = {
        "ece": f"expected calibration error: {error}; {BINS} bins of equal width, {of}",
        "ece_by_chance": "what it is on average where each confidence is true",
        "adaptive_ece": f"the same in {BINS} bins of equally many samples, the last one included",
        "adaptive_ece_by_chance": "what that is on average where each confidence is true",
        "brier": f"mean of sum_k (p_k - [k = y])^2, in [0, 2], {of}",
        "nll": f"mean of -log p_y (nats), {of}",
        "mean_confidence": f"mean of the largest probability, {of}",
    }
    for name in ("brier", "nll", "mean_confidence"):
        own |= {f"{name}_low": f"lower end of its {interval}"}
        own |= {f"{name}_high": f"upper end of its {interval}"}
    for name in ("ece", "adaptive_ece"):
        for end, word in (("low", "lower"), ("high", "upper")):
            own[f"{name}_{end}"] = f"{word} end of its 95 % interval over samples, bias taken out"
    behind = {f"{SCALED}{name}": f"behind the temperature: {text}" for name, text in own.items()}
    return {
        "accuracy": f"share of {counted(count, 'sample')} whose predicted label is the data set's",
        "accuracy_low": "lower end of its 95 % interval by Wilson",
        "accuracy_high": "upper end of its 95 % interval by Wilson",
        **own,
        "temperature": "divisor of the logits, fitted on samples held out",
        **behind,
        "reliability": "accuracy over the mean confidence of bins of equal width",
    }


def calibration_charts(tables: Mapping[str, Table]) -> list[Chart]:
    """Return the reliability diagram of each model, and the samples in its bins."""
    held = {model: own for model, own in tables.items() if len(own["sample"])}
    if not held:
        return []
    bins = (torch.arange(BINS).double() + 0.5) / BINS
    accuracies, counts = list[Series](), list[Series]()
    for place, (model, table) in enumerate(held.items()):
        columns = {"": "confidence"}
        if "temperature" in table and len(held) <= WITH_SCALED:
            columns[", scaled"] = f"{SCALED}confidence"
        for aside, column in columns.items():
            confidence, correct = table.numbers(column), table.numbers("correct")
            series = _reliability(f"{model}{aside}", confidence, correct)
            style: Style = "line" if aside else "points"
            drawn = replace(series, shade=place, mark=place, thin=bool(aside), style=style)
            accuracies.append(drawn)
            held_by_bin = equal_width_bins(confidence).bincount(minlength=BINS).double()
            counts.append(
                Series(f"{model}{aside}", bins, held_by_bin, shade=place, thin=bool(aside))
            )
    ends = equality(torch.tensor([0.0, 1.0]))
    note = f"{BINS} bins of equal width; bars: 95 % over samples (Wilson); grey: calibrated."
    if len(accuracies) > len(held):
        note += " Thin: behind the temperature."
    return [
        Lines(
            name="reliability",
            title="Reliability diagram",
            x_label="mean confidence of the bin",
            y_label="accuracy in the bin",
            series=[*accuracies, ends],
            y_limits=(0, 1.02),
            note=note,
        ),
        Lines(
            name="counts",
            title="Samples by confidence",
            x_label="confidence (middle of the bin)",
            y_label="samples in the bin",
            series=counts,
            y_scale="symlog",
            note=f"The bins of the reliability diagram, {BINS} of equal width.",
        ),
    ]


def _reliability(label: str, confidence: Tensor, correct: Tensor) -> Series:
    """Accuracy over the mean confidence of the bins that hold samples, with Wilson's intervals."""
    mean, accuracy = _by_bin(confidence, correct)
    held_by_bin = equal_width_bins(confidence).bincount()
    counts = held_by_bin[held_by_bin > 0].tolist()
    hits = [round(share * count) for share, count in zip(accuracy.tolist(), counts, strict=True)]
    ends = [wilson(hit, count) for hit, count in zip(hits, counts, strict=True)]
    low, high = torch.tensor(ends, dtype=torch.float64).T
    return Series(label, mean, accuracy, low, high)
