"""Fields over two axes, with a common colour scale or one each, as a matplotlib figure."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from advcore.pipelines.reports.colours import class_colours, draw_bar, draw_legend, shades
from advcore.pipelines.reports.style import LABEL, TEXT, write_head
from advcore.probes import Maps, Mark

SIDE, GAP, CAPTION, LINE, LEFT, RIGHT, FOOT = 2.7, 0.28, 0.34, 0.2, 0.95, 1.75, 0.8
"""Lengths in inches: side of a panel, space between columns, height of a caption and of each
further line of it, room at the left, at the right, at the foot."""

LETTER = 0.09
"""Room for a letter of a name at an axis, in inches."""

BAR, TICKS, ROW = 0.8, 0.5, 0.3
"""Room beside a panel, in inches: for a bar of its own, beside and below one for ticks of its
own."""

NOWHERE = "#D9D9D9"
"""The colour of values that are not finite."""


def draw_maps(chart: Maps) -> Figure:
    """Draw the chart: equal panels with captions, colour bars or a legend of the classes.

    Raises ValueError where there is no panel, or one that is not `(rows, columns)`, or marks or
    extents are not one for each panel.
    """
    fields = [np.asarray(values.detach().cpu().double()) for values, _ in chart.panels]
    if not fields or any(field.ndim != 2 for field in fields):
        came = [field.shape for field in fields]
        raise ValueError(
            f"maps {chart.name!r}: expected at least one panel, each (rows, columns), got "
            f"{came}; correct them"
        )
    for name, given in (("marks", chart.marks), ("extents", chart.extents)):
        if given and len(given) != len(fields):
            raise ValueError(
                f"maps {chart.name!r}: expected {name} for each of {len(fields)} panels, got "
                f"{len(given)}; correct them"
            )
    own_bars = chart.colours == "own" and not chart.categories
    across = min(len(fields), chart.across)
    down = math.ceil(len(fields) / across)
    captions = [
        "\n".join(textwrap.fill(line, 34) for line in caption.split("\n"))
        for _, caption in chart.panels
    ]
    over = (
        CAPTION
        + LINE * max(caption.count("\n") for caption in captions)
        + ROW * bool(chart.extents)
    )
    beside, below = (
        LETTER * max(map(len, names), default=0) for names in (chart.y_names, chart.x_names)
    )
    upright = below > SIDE / max(1, len(chart.x_names))
    left, foot = LEFT + beside, FOOT + upright * below
    step = SIDE + GAP + BAR * own_bars + TICKS * bool(chart.extents)
    width = left + across * step + (0.5 if own_bars else RIGHT)
    title = textwrap.wrap(chart.title, max(16, int(width * 7.2)))
    note = textwrap.wrap(
        " ".join(filter(None, [chart.note, _left_out(fields)])), max(24, int(width * 11.5))
    )
    head = 0.25 + 0.3 * len(title) + 0.21 * len(note) + 0.1
    height = head + down * (SIDE + over) + foot
    figure = Figure(figsize=(width, height))
    write_head(figure, title, note)
    norm, colours = class_colours(chart) if chart.categories else shades(chart, fields)
    for place, (field, caption) in enumerate(zip(fields, captions, strict=True)):
        row, column = divmod(place, across)
        bottom = height - head - (row + 1) * (SIDE + over) + ROW * bool(chart.extents)
        corner = left + column * step
        axes = figure.add_axes((corner / width, bottom / height, SIDE / width, SIDE / height))
        if own_bars:
            norm, colours = shades(chart, [field])
            beside_panel = (
                (corner + SIDE + 0.08) / width,
                bottom / height,
                0.12 / width,
                SIDE / height,
            )
            draw_bar(
                figure,
                chart,
                norm,
                colours,
                beside_panel,
                chart.value_label if (column + 1) % across == 0 else "",
            )
        _show(axes, chart, place, field, norm, colours)
        axes.set_title(caption, fontsize=TEXT, pad=4)
        _name(axes, chart, field, norm, upright)
        if not chart.extents:
            axes.tick_params(labelbottom=place + across >= len(fields), labelleft=column == 0)
    middle = left + (across * step - GAP) / 2
    figure.text(
        middle / width, 0.12 / height, chart.x_label, fontsize=LABEL, ha="center", va="bottom"
    )
    centre = (foot + down * (SIDE + over) / 2) / height
    figure.text(
        0.12 / width,
        centre,
        textwrap.fill(chart.y_label, down * 34),
        fontsize=LABEL,
        rotation=90,
        va="center",
    )
    if chart.categories:
        draw_legend(figure, chart, fields, (width - RIGHT + 0.05) / width, centre)
    elif not own_bars:
        place_of_bar = ((width - RIGHT + 0.1) / width, foot / height, 0.16 / width, SIDE / height)
        draw_bar(figure, chart, norm, colours, place_of_bar, chart.value_label)
    return figure


def _show(
    axes: Axes, chart: Maps, place: int, field: np.ndarray, norm: Normalize, colours: Colormap
) -> None:
    extent = chart.extents[place] if chart.extents else (*chart.x_limits, *chart.y_limits)
    shown = np.ma.masked_invalid(field)
    axes.imshow(
        shown, colours, norm, origin="lower", extent=extent, interpolation="nearest", aspect="auto"
    )
    axes.set_facecolor(NOWHERE)
    axes.tick_params(labelsize=TEXT - 1)
    if chart.origin:
        axes.plot(0, 0, marker="o", color="white", markeredgecolor="black", markersize=6)
    if chart.marks:
        _mark(axes, chart.marks[place])


def _mark(axes: Axes, marks: Sequence[Mark]) -> None:
    """Draw the points within the panel, each with its label on the side where there is room."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for mark in marks:
        if not (left <= mark.x <= right and bottom <= mark.y <= top):
            continue
        axes.plot(mark.x, mark.y, marker="X", color="white", markeredgecolor="black", markersize=8)
        side = -1 if mark.x > (left + right) / 2 else 1
        word = axes.annotate(
            mark.label,
            (mark.x, mark.y),
            (7 * side, 5),
            textcoords="offset points",
            fontsize=TEXT,
            ha="right" if side < 0 else "left",
        )
        word.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _name(axes: Axes, chart: Maps, field: np.ndarray, norm: Normalize, upright: bool) -> None:
    """Label columns and rows at the middles of their cells, and write each cell's value."""
    for names, axis, (low, high) in (
        (chart.x_names, axes.xaxis, chart.x_limits),
        (chart.y_names, axes.yaxis, chart.y_limits),
    ):
        if names:
            axis.set_ticks(_middles(low, high, len(names)), names)
            axis.set_tick_params(length=0)
    if upright:
        axes.tick_params(axis="x", labelrotation=90)
    if chart.x_names and chart.y_names:
        up, across = (
            _middles(*chart.y_limits, len(chart.y_names)),
            _middles(*chart.x_limits, len(chart.x_names)),
        )
        for (row, column), value in np.ndenumerate(field):
            ink = "black" if not np.isfinite(value) or norm(value) > 0.6 else "white"
            axes.text(
                across[column],
                up[row],
                f"{value:.3g}",
                color=ink,
                fontsize=TEXT,
                ha="center",
                va="center",
            )


def _middles(low: float, high: float, count: int) -> list[float]:
    """Return the centres of `count` equal steps from low to high."""
    return [low + (high - low) * (place + 0.5) / count for place in range(count)]


def _left_out(fields: list[np.ndarray]) -> str:
    lost = sum(int((~np.isfinite(field)).sum()) for field in fields)
    return f"{lost} value{'s' * (lost != 1)} not finite, in grey." if lost else ""
