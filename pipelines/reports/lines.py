"""Lines with bands, and point clouds, as a matplotlib figure."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from advcore.counts import counted
from advcore.pipelines.reports.axes import scale_axes
from advcore.pipelines.reports.drawn_series import DrawnSeries
from advcore.pipelines.reports.style import GREY, LABEL, TEXT, TITLE, ShownFigure
from advcore.probes import Lines


def draw_lines(chart: Lines) -> Figure:
    """Draw the chart; values that cannot be drawn are counted below the title."""
    figure = ShownFigure(figsize=(9, 5.8), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.07))
    axes = figure.subplots()
    drawn = [DrawnSeries(series, chart) for series in chart.series]
    heights = [part for series in drawn for part in series.heights]
    edge = _edge(chart, drawn, heights)
    for place, series in enumerate(drawn):
        series.onto(axes, place, len(drawn), edge)
    dots = [series.cloud[1] for series in drawn if series.cloud is not None]
    outside = scale_axes(axes, chart, [series.x for series in drawn], heights, dots)
    if np.isfinite(edge):
        axes.set_ylim(bottom=edge)
    _frame(axes, chart)
    _head(
        axes,
        chart.title,
        [*textwrap.wrap(chart.note, 92), *textwrap.wrap(_left_out(drawn, outside), 92)],
    )
    _references(axes, chart.references)
    _legend(figure, axes)
    return figure


def _edge(chart: Lines, drawn: Sequence[DrawnSeries], heights: Sequence[np.ndarray]) -> float:
    """Return the lower edge of a log scale that bands go on below; NaN where none does."""
    if not any(series.goes_below for series in drawn):
        return np.nan
    if (given := chart.y_limits[0]) is not None:
        return given
    return 0.7 * min(float(np.nanmin(part)) for part in heights if np.isfinite(part).any())


def _frame(axes: Axes, chart: Lines) -> None:
    """Draw labels, and no more frame lines than needed."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TEXT)
    axes.set_xlabel(_broken(chart.x_label, 70), fontsize=LABEL)
    axes.set_ylabel(_broken(chart.y_label, 38), fontsize=LABEL)
    if chart.ends:
        words_of_ticks = (
            chart.x_ticks.values() if isinstance(chart.x_ticks, Mapping) else chart.ticks
        )
        below = 24 + 14 * max((words.count("\n") for words in words_of_ticks), default=0)
        for share, words, side in (
            (0.0, f"← {chart.ends[0]}", "left"),
            (1.0, f"{chart.ends[1]} →", "right"),
        ):
            axes.annotate(
                words,
                (share, 0),
                (0, -below),
                xycoords="axes fraction",
                textcoords="offset points",
                ha=side,
                va="top",
                fontsize=TEXT,
                color=GREY,
            )


def _broken(text: str, width: int) -> str:
    """Break a text into lines of at most `width`, at spaces and behind slashes."""
    wrapper = textwrap.TextWrapper(width, break_on_hyphens=False)
    wrapper.wordsep_simple_re = re.compile("( +|(?<=/))")
    return wrapper.fill(text)


def _head(axes: Axes, title: str, note: Sequence[str]) -> None:
    """Draw the title, and below it the note's lines in smaller grey letters."""
    axes.set_title(
        textwrap.fill(title, 66),
        loc="left",
        fontsize=TITLE,
        fontweight="bold",
        pad=12 + 15 * len(note),
    )
    axes.annotate(
        "\n".join(note),
        (0, 1),
        (0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=TEXT - 0.5,
        color=GREY,
        va="bottom",
    ).set_in_layout(False)


def _left_out(drawn: Sequence[DrawnSeries], outside: int) -> str:
    infinite, negative = (
        sum(series.infinite for series in drawn),
        sum(series.negative for series in drawn),
    )
    unseen = sum(series.unseen for series in drawn)
    parts = [f"{counted(infinite, 'value')} not finite, not drawn."] if infinite else []
    if negative:
        parts.append(f"{counted(negative, 'value')} not positive, not drawn on a log scale.")
    if any(series.goes_below for series in drawn):
        parts.append("Intervals that reach 0 or less go to the edge of the log scale.")
    if unseen:
        parts.append(f"{unseen} of the dots are left out for clearness; the line is over all.")
    if outside:
        parts.append(f"{outside} dot{'s lie' if outside > 1 else ' lies'} outside the axis.")
    return " ".join(parts)


def _references(axes: Axes, references: Sequence[tuple[float, str]]) -> None:
    """Draw dashed lines with their labels at the right end, apart from each other."""
    lowest = -np.inf
    for height, words in sorted(references):
        axes.axhline(height, color=GREY, linestyle=(0, (5, 4)), linewidth=1.3, zorder=2)
        share = axes.transAxes.inverted().transform(
            axes.transData.transform((axes.get_xlim()[1], height))
        )[1]
        lowest = max(share, lowest + 0.055)
        axes.text(
            1.01,
            lowest,
            textwrap.fill(words, 18),
            transform=axes.transAxes,
            fontsize=TEXT,
            color=GREY,
            va="center",
            ha="left",
        )


def _legend(figure: Figure, axes: Axes) -> None:
    """Draw the legend below the chart, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = max(1, min(len(labels), 80 // (max(map(len, labels)) + 8)))
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=LABEL,
            handlelength=2.4,
        )
