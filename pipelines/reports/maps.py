"""Fields over two axes, with a common colour scale or one each, as a matplotlib figure."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from advcore.pipelines.reports.colours import class_colours, draw_bar, draw_legend, shades
from advcore.pipelines.reports.map_layout import MapLayout, lay_out_maps
from advcore.pipelines.reports.style import LABEL, TEXT, ShownFigure, write_head
from advcore.probes import Maps, Mark

NOWHERE = "#D9D9D9"
"""The colour of values that are not finite."""


def draw_maps(chart: Maps) -> Figure:
    """Draw the chart: equal panels with captions, colour bars or a legend of the classes.

    Raises ValueError where there is no panel, or one that is not `(rows, columns)`, or marks or
    extents are not one for each panel.
    """
    fields = _fields(chart)
    captions = [
        "\n".join(textwrap.fill(line, 34) for line in caption.split("\n"))
        for _, caption in chart.panels
    ]
    layout = lay_out_maps(chart, captions, _left_out(fields))
    figure = ShownFigure(figsize=(layout.width, layout.height))
    write_head(figure, layout.title, layout.note)
    shown = class_colours(chart) if chart.categories else shades(chart, fields)
    for place, (field, caption) in enumerate(zip(fields, captions, strict=True)):
        axes = figure.add_axes(layout.panel(place))
        own = shades(chart, [field]) if layout.own_bars else shown
        if layout.own_bars:
            last = (place + 1) % layout.across == 0
            label = chart.value_label if last else ""
            draw_bar(figure, chart, *own, layout.own_bar(place), label)
        _show(axes, chart, place, field, *own)
        axes.set_title(caption, fontsize=TEXT, pad=4)
        _name(axes, chart, field, own[0], layout.upright)
        if not chart.extents:
            axes.tick_params(
                labelbottom=place + layout.across >= len(fields),
                labelleft=place % layout.across == 0,
            )
    _label_axes(figure, chart, layout)
    if chart.categories:
        draw_legend(figure, chart, fields, layout.legend_left(), layout.centre)
    elif not layout.own_bars:
        draw_bar(figure, chart, *shown, layout.common_bar(), chart.value_label)
    return figure


def _fields(chart: Maps) -> list[np.ndarray]:
    """Return the panels' values. Raises ValueError where panels, marks or extents do not fit."""
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
    return fields


def _label_axes(figure: Figure, chart: Maps, layout: MapLayout) -> None:
    """Write the labels that all panels share, below them and at their left."""
    below = 0.12 / layout.height
    figure.text(layout.middle, below, chart.x_label, fontsize=LABEL, ha="center", va="bottom")
    figure.text(
        0.12 / layout.width,
        layout.centre,
        textwrap.fill(chart.y_label, layout.down * 34),
        fontsize=LABEL,
        rotation=90,
        va="center",
    )


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
