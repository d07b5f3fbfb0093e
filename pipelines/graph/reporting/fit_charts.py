"""Charts of fits: how they converge, and what they learnt as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from advcore.fits import FitState
from advcore.pipelines.graph.layout import PlannedFit
from advcore.pipelines.graph.notation.members import without_seed
from advcore.pipelines.graph.reporting.replicates import mean_over_seeds, told_of_bands
from advcore.pipelines.settings.names import file_stem
from advcore.probes import Gallery, Lines, Panel, Series

QUANTITIES = {
    "fooling": "share of the samples that are fooled",
    "loss": "mean loss of the samples",
    "residual": "largest residual, in shares of the largest Rayleigh quotient",
    "largest": "Rayleigh quotient",
    "smallest": "Rayleigh quotient",
    "added": "number of samples that moved the vector",
}
"""The titles of axes of what a fit tells of each round, by its name; other names stand as they are.
What has one title is drawn together."""

PICTURED = ("vector", "directions")
"""The tensors of a fit that are pictures: one of an input's shape, or several."""

MOST_LINES, MOST_PICTURES, MOST_ROWS = 12, 8, 4
"""The largest numbers of lines in a chart, of pictures in a row and of rows in a gallery."""


@dataclass(frozen=True)
class FinishedFit:
    """A fit with its last state, of whose tensors what is drawn is enough."""

    planned: PlannedFit
    state: FitState


def drawn_part(state: FitState) -> FitState:
    """Return a state with the tensors that are drawn alone, the first vectors of each."""
    tensors = {
        name: state.tensors[name][:MOST_PICTURES].clone()
        for name in PICTURED
        if name in state.tensors and state.tensors[name].ndim
    }
    return replace(state, tensors=tensors)


def convergence_charts(family: str, fits: Sequence[FinishedFit]) -> list[Lines]:
    """Return a chart of each quantity that the fits of a family told more than once.

    Fits that differ in their seed alone are one line, their mean in a band, where they took as many
    rounds; the others have a line each.
    """
    names = dict.fromkeys(
        name for own in fits for name, values in own.state.history.items() if len(values) > 1
    )
    by_title: dict[str, list[str]] = {}
    for name in names:
        by_title.setdefault(_title(name), []).append(name)
    return [_chart(family, fits, title, own) for title, own in by_title.items()]


def fit_gallery(family: str, fits: Sequence[tuple[FinishedFit, Sequence[int]]]) -> Gallery | None:
    """Return what the fits of a family learnt, as pictures around 0; None where it is none.

    Beside each fit stands the shape of an input.
    """
    found = [(own.planned, pictures) for own, shape in fits if (pictures := _pictures(own, shape))]
    if not found:
        return None
    words = [planned.label.removeprefix(family).strip() for planned, _ in found]
    shown = [[_panel(picture) for picture in pictures[:MOST_PICTURES]] for _, pictures in found]
    count = max(map(len, shown))
    if count == 1:
        rows, labels = [[own for (own,) in shown][:MOST_PICTURES]], [family]
        columns = words[:MOST_PICTURES]
        seen = len(columns)
    else:
        rows, labels = shown[:MOST_ROWS], [word or family for word in words[:MOST_ROWS]]
        columns = [f"direction {place + 1}" for place in range(count)]
        seen = len(rows)
    note = "Blue below 0, red above" if len(rows[0][0].image) == 1 else "Grey is 0"
    note += "; each picture up to its own largest value, which stands below it."
    if seen < len(found):
        note += f" The first {seen} of {len(found)} fits."
    return Gallery(f"{family}-learnt", f"{family}: what was learnt", rows, labels, columns, note)


def rounds_axis(own: FinishedFit, name: str) -> tuple[str, list[int]]:
    """Return what one of a fit's numbers was told of, and of which: rounds, from 1, in the end.

    A fit in mini-batches tells some numbers after each pass over its samples.
    """
    count, rounds = len(own.state.history[name]), own.state.rounds
    settings: Any = own.planned.settings
    if count < rounds and any(field.name == "epochs" for field in fields(settings)):
        return "pass over the samples", list(range(1, count + 1))
    return "round", list(range(rounds - count + 1, rounds + 1))


def _title(name: str) -> str:
    return QUANTITIES.get(name, name.replace("_", " "))


def _chart(family: str, fits: Sequence[FinishedFit], title: str, names: Sequence[str]) -> Lines:
    groups: dict[str, list[Series]] = {}
    axes = []
    for own in fits:
        for name in names:
            if len(own.state.history.get(name, ())) > 1:
                axis, series = _line(own, name, len(names) > 1)
                label = without_seed(series.label, own.planned.at)
                groups.setdefault(label, []).append(series)
                axes.append(axis)
    lines, seeds = [], 0
    for label, members in groups.items():
        mean = mean_over_seeds(members, members[0])
        if mean is members[0]:
            lines += members
        else:
            seeds = max(seeds, len(members))
            lines.append(replace(mean, label=label))
    notes = [told_of_bands(seeds)] if seeds else []
    if len(lines) > MOST_LINES:
        notes.append(f"The first {MOST_LINES} of {len(lines)} lines.")
    values = torch.cat([own.y for own in lines])
    steep = bool((values > 0).all()) and bool(values.max() > 50 * values.min())
    return Lines(
        file_stem(f"{family}-{names[0]}"),
        f"{family}: {' and '.join(name.replace('_', ' ') for name in names)}",
        " or ".join(dict.fromkeys(axes)),
        title,
        lines[:MOST_LINES],
        " ".join(notes),
        y_scale="log" if steep else "linear",
    )


def _line(own: FinishedFit, name: str, named: bool) -> tuple[str, Series]:
    axis, x = rounds_axis(own, name)
    words = f"{own.planned.label}: {name.replace('_', ' ')}" if named else own.planned.label
    values = torch.tensor(own.state.history[name], dtype=torch.float64)
    return axis, Series(words, torch.tensor(x), values)


def _pictures(own: FinishedFit, shape: Sequence[int]) -> list[Tensor]:
    """Return the tensors of a fit that are inputs of one or three channels."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        return []
    for name in PICTURED:
        tensor = own.state.tensors.get(name)
        if tensor is not None and tensor.is_floating_point():
            if tuple(tensor.shape) == tuple(shape):
                return [tensor]
            if tensor.ndim == 4 and len(tensor) and tuple(tensor.shape[1:]) == tuple(shape):
                return list(tensor[:MOST_PICTURES])
    return []


def _panel(picture: Tensor) -> Panel:
    return Panel(picture, f"up to {picture.abs().max():.3g}", signed=True)
