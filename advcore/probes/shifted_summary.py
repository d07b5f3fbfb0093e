"""The numbers and the chart of the probe `shifted`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Summary
from advcore.probes.shifted_vectors import MINUS
from advcore.probes.table import Table
from advcore.shares import wilson

ENOUGH = 0.5
"""The share of the learnt vector's fooling rate from which that of a control is a warning."""

NUMBERS = {"fooling_rate": "fooled", "accuracy": "correct", "mean_confidence": "confidence"}
"""The columns whose means are in the summary, by their names there."""

BEST = "best_control"
"""The name of the control that fools most, in the summary."""


def summarise_shifted(table: Table, fit: str, box: bool) -> Summary:
    """Return the numbers of a table, whose vector is that of a fit."""
    means = {name: _means(table, name) for name in NUMBERS.values()}
    if not means["fooled"]:
        return Summary()
    rates = means["fooled"]
    controls = dict.fromkeys(filter(None, table.words("control")))
    best = max(controls, key=lambda name: rates[name], default=None)
    shown = {"none": "none", "learnt": "learnt", f"learnt{MINUS}": f"learnt{MINUS}"}
    shown |= {"sphere": "sphere"} if "sphere" in rates else {}
    shown |= {BEST: best} if best else {}
    scalars = {
        f"{own}/{name}": means[column][of]
        for own, column in NUMBERS.items()
        for name, of in shown.items()
        if (own, name) != ("fooling_rate", "none")
    }
    count = len(table.numbers("sample").unique())
    return Summary(
        scalars,
        warnings=_warnings(rates, best),
        meanings=_meanings(fit, count, best, box),
    )


def shifted_charts(
    tables: Mapping[str, Table], fit: str, norm: str | None, box: bool
) -> list[Chart]:
    """Return the chart of the fooling rates, for each vector with its opposite."""
    tables = {model: table for model, table in tables.items() if len(table["sample"])}
    names = dict.fromkeys(
        name.removesuffix(MINUS) for table in tables.values() for name in _means(table, "fooled")
    )
    names.pop("none", None)
    series = [
        one
        for place, (model, table) in enumerate(tables.items())
        for one in (
            _series(model, table, list(names), "", place),
            _series(f"{model}, opposite", table, list(names), MINUS, place),
        )
    ]
    if not series:
        return []
    clipped = "clipped to [0, 1]" if box else "no box"
    size = f"{norm} norm" if norm else "norm"
    return [
        Lines(
            name="fooled",
            title="Samples fooled by one vector for all",
            x_label=f"vector added to all samples, {size} of that of the fit {fit}",
            y_label="changed predictions (%)",
            series=series,
            ticks=[name.replace("chessboard_", "chess-\nboard ") for name in names],
            y_limits=(0, None),
            note=(
                f"Share of samples whose predicted label changes; {clipped}; band: 95 % over "
                "samples (Wilson). Sphere: mean over random vectors. A number is the side of a "
                "chessboard's squares, in pixels."
            ),
        )
    ]


def _means(table: Table, column: str) -> dict[str, float]:
    """Return the mean of a column by vector, the controls by their names, in the table's order."""
    labels = [
        control or vector
        for vector, control in zip(table.words("vector"), table.words("control"), strict=True)
    ]
    values, names = table.numbers(column).double(), list(dict.fromkeys(labels))
    places = {name: place for place, name in enumerate(names)}
    which = torch.tensor([places[label] for label in labels], dtype=torch.int64)
    return {name: values[which == place].mean().item() for name, place in places.items()}


def _series(label: str, table: Table, names: list[str], end: str, place: int) -> Series:
    """Return the rates of the vectors, or of their opposites, those that there are."""
    rates, count = _means(table, "fooled"), len(table.numbers("sample").unique())
    there = [number for number, name in enumerate(names) if f"{name}{end}" in rates]
    shares = [rates[f"{names[number]}{end}"] for number in there]
    bands = [wilson(share * count, count) for share in shares]
    low, high = (100 * torch.tensor(ends, dtype=torch.float64) for ends in zip(*bands, strict=True))
    x = torch.tensor(there, dtype=torch.float64) + (0.15 if end else -0.15)
    y: Tensor = 100 * torch.tensor(shares, dtype=torch.float64)
    return Series(label, x, y, low, high, shade=place, mark=2 * place + bool(end), style="points")


def _warnings(rates: Mapping[str, float], best: str | None) -> dict[str, str]:
    learnt = rates["learnt"]
    if best is None or not rates[best] or rates[best] < ENOUGH * learnt:
        return {}
    return {
        "controls_fool_too": (
            f"{best}, for which nothing was learnt, fools {rates[best]:.3f} of the samples, and "
            f"the learnt vector {learnt:.3f}: do not take the latter for what learning gave; take "
            "a smaller norm"
        )
    }


def _meanings(fit: str, count: int, best: str | None, box: bool) -> dict[str, str]:
    clipped = "clipped to [0, 1]" if box else "without a box"
    under = f"under one vector added to all, {clipped}, over {count} samples"
    names = (
        f"learnt: that of the fit {fit}; learnt_minus: its opposite; the others have its norm; "
        "sphere: mean over random vectors; none: nothing added"
    )
    return {
        "fooling_rate": f"share of samples whose predicted label changes {under} ({names})",
        f"fooling_rate/{BEST}": (
            f"largest of the fooling rates of the controls in both signs, that of {best}; chosen "
            f"on the same {count} samples"
        ),
        "accuracy": f"share of samples whose predicted label is the true one {under} ({names})",
        "mean_confidence": (f"mean probability of the samples' own predictions {under} ({names})"),
    }
