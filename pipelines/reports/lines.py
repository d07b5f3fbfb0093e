"""Lines with bands, and point clouds, as a matplotlib figure."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from advcore.pipelines.reports.axes import scale_axes
from advcore.probes import Lines, Series

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's palette, told apart by all kinds of colour vision; its yellow, too light for a
line, is grey here."""

THIN = ("--", ":", "-.", "-")
"""Dashes of narrow lines, by their mark: they bear no markers."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
GREY = "#5F5F5F"
TITLE, LABEL, TEXT = 16, 13, 11.5
"""Sizes of letters, in points."""

DOTS = 1500
"""So many dots of a series are drawn at most: more are a cloud in which no sample can be told from
another."""

_GOLDEN = 0.6180339887498949


def draw_lines(chart: Lines) -> Figure:
    """Draw the chart; values that cannot be drawn are counted below the title."""
    figure = Figure(figsize=(9, 5.8), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.07))
    axes = figure.subplots()
    drawn = [_Drawn(series, chart) for series in chart.series]
    for place, series in enumerate(drawn):
        series.onto(axes, place, len(drawn))
    heights = [part for series in drawn for part in series.heights]
    dots = [series.cloud[1] for series in drawn if series.cloud is not None]
    outside = scale_axes(axes, chart, [series.x for series in drawn], heights, dots)
    _frame(axes, chart)
    _head(
        axes,
        chart.title,
        [*textwrap.wrap(chart.note, 92), *textwrap.wrap(_left_out(drawn, outside), 92)],
    )
    _references(axes, chart.references)
    _legend(figure, axes)
    return figure


class _Drawn:
    """A series as arrays, NaN where a value cannot be drawn, and the number of those.

    Ends of bands are not counted.
    """

    def __init__(self, series: Series, chart: Lines) -> None:
        self._series = series
        self._log, self._x_log = chart.y_scale == "log", chart.x_scale == "log"
        self.infinite = self.negative = self.unseen = 0
        self.x, self.y = self._pair(series.x, series.y)
        self.cloud = None if series.cloud is None else self._thinned(*self._pair(*series.cloud))
        counted = self.infinite, self.negative
        inner = None if series.low is None or series.high is None else (series.low, series.high)
        self.bands = [
            [self._pair(series.x, end)[1] for end in ends]
            for ends in (series.outer, inner)
            if ends is not None
        ]
        self.infinite, self.negative = counted

    @property
    def heights(self) -> list[np.ndarray]:
        """Return the line and the ends of its bands."""
        return [self.y, *(end for band in self.bands for end in band)]

    def _pair(self, x: object, y: object) -> tuple[np.ndarray, np.ndarray]:
        across, up = (np.array(values, dtype=float, copy=True).reshape(-1) for values in (x, y))
        lost = ~(np.isfinite(across) & np.isfinite(up))
        below = ~lost & ((self._log & (up <= 0)) | (self._x_log & (across <= 0)))
        self.infinite += int(lost.sum())
        self.negative += int(below.sum())
        up[lost | below] = np.nan
        return across, up

    def _thinned(self, across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every k-th dot of many.

        They are taken in the order of x, so that some are left at each x.
        """
        every = -(-len(across) // DOTS)
        order = np.argsort(across, kind="stable")[::every] if every > 1 else np.arange(len(across))
        self.unseen = len(across) - len(order)
        return across[order], up[order]

    def onto(self, axes: Axes, place: int, count: int) -> None:
        """Draw the cloud, the bands, the line.

        The clouds of several series are side by side at each index.
        """
        own = self._series
        shade = place if own.shade is None else own.shade
        colour = COLOURS[shade % len(COLOURS)]
        if self.cloud is not None:
            across, up = self.cloud
            across = across + _jitter(across, place, count)
            axes.scatter(across, up, s=9, color=colour, alpha=0.22, linewidths=0, zorder=1)
            axes.plot(self.x, self.y, color="white", linewidth=5, alpha=0.85, zorder=2.5)
        for (low, high), alpha in zip(
            self.bands, (0.2,) if own.outer is None else (0.13, 0.32), strict=False
        ):
            if own.style == "points":
                axes.vlines(
                    self.x,
                    low,
                    high,
                    color=colour,
                    alpha=min(1, 2.5 * alpha),
                    linewidth=2,
                    zorder=2,
                )
            else:
                axes.fill_between(
                    self.x, low, high, color=colour, alpha=alpha, linewidth=0, zorder=2
                )
        self._line(axes, place, count, shade, colour)

    def _line(self, axes: Axes, place: int, count: int, shade: int, colour: str) -> None:
        own = self._series
        bare = own.style == "line" or own.thin
        dashes = "none" if own.style == "points" else "-" if shade < len(COLOURS) else "--"
        if own.thin and own.mark is not None:
            dashes = THIN[own.mark % len(THIN)]
        every = max(1, len(self.x) // 14)
        axes.plot(
            self.x,
            self.y,
            linestyle=dashes,
            color=colour,
            marker="none"
            if bare
            else MARKERS[(place if own.mark is None else own.mark) % len(MARKERS)],
            markevery=None if own.style == "points" else ((place * every) // max(1, count), every),
            label=own.label or "_",
            linewidth=1.1 if own.thin else 2.4,
            alpha=0.75 if own.thin else 1,
            markersize=9 if own.style == "points" else 7.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=2.8 if own.thin else 2.9 if own.style == "line" else 3,
        )


def _jitter(across: np.ndarray, place: int, count: int) -> np.ndarray:
    """Return shifts that spread points at whole numbers over their series' lane; else none.

    They are the same in every drawing.
    """
    finite = across[np.isfinite(across)]
    if not len(finite) or np.any(finite != np.round(finite)):
        return np.zeros_like(across)
    lane = 0.8 / count
    spread = (np.arange(1, len(across) + 1) * _GOLDEN) % 1 - 0.5
    return (place - (count - 1) / 2) * lane + 0.75 * lane * spread


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


def _left_out(drawn: Sequence[_Drawn], outside: int) -> str:
    infinite, negative = (
        sum(series.infinite for series in drawn),
        sum(series.negative for series in drawn),
    )
    unseen = sum(series.unseen for series in drawn)
    parts = [f"{_counted(infinite)} not finite, not drawn."] if infinite else []
    if negative:
        parts.append(f"{_counted(negative)} not positive, not drawn on a log scale.")
    if unseen:
        parts.append(f"{unseen} of the dots are left out for clearness; the line is over all.")
    if outside:
        parts.append(f"{outside} dot{'s lie' if outside > 1 else ' lies'} outside the axis.")
    return " ".join(parts)


def _counted(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"


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
        columns = max(1, min(len(labels), 95 // (max(map(len, labels)) + 8)))
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=LABEL,
            handlelength=2.4,
        )
