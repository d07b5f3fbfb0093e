"""Lines with bands and clouds, as a matplotlib figure that is read at a glance."""

import re
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from advcore.probes import Lines, Series
from advcore.probes.charts import Scale

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's palette, told apart by all kinds of colour vision; its yellow, too light for a line, is grey here."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
GREY = "#5F5F5F"
TITLE, LABEL, TEXT = 16, 13, 11.5
"""Sizes of letters, in points."""

ROOM = 0.06
"""Between two ticks that were asked for, as a share of the axis."""

_GOLDEN = 0.6180339887498949


def draw_lines(chart: Lines) -> Figure:
    """The chart; values that cannot be drawn are counted below the title."""
    figure = Figure(figsize=(9, 5.8), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.07))
    axes = figure.subplots()
    drawn = [_Drawn(series, chart) for series in chart.series]
    for place, series in enumerate(drawn):
        series.onto(axes, place, len(drawn))
    _scale(axes, chart, drawn)
    _frame(axes, chart)
    _head(axes, chart.title, [*textwrap.wrap(chart.note, 92), *textwrap.wrap(_left_out(drawn), 92)])
    _references(axes, chart.references)
    _legend(figure, axes)
    return figure


class _Drawn:
    """A series as arrays, NaN where a value cannot be drawn, and how many those are."""

    def __init__(self, series: Series, chart: Lines) -> None:
        self.label, self.style = series.label, series.style
        self.shade, self.mark = series.shade, series.mark
        self.infinite = self.negative = 0
        self._log = chart.y_scale == "log"
        self._x_log = chart.x_scale == "log"
        self.x, self.y = self._pair(series.x, series.y)
        self.band = None
        if series.low is not None and series.high is not None:
            self.band = self._pair(series.x, series.low)[1], self._pair(series.x, series.high)[1]
        self.cloud = None if series.cloud is None else self._pair(*series.cloud)

    def _pair(self, x: object, y: object) -> tuple[np.ndarray, np.ndarray]:
        across, up = (np.array(values, dtype=float, copy=True).reshape(-1) for values in (x, y))
        lost = ~(np.isfinite(across) & np.isfinite(up))
        below = ~lost & ((self._log & (up <= 0)) | (self._x_log & (across <= 0)))
        self.infinite += int(lost.sum())
        self.negative += int(below.sum())
        up[lost | below] = np.nan
        return across, up

    def onto(self, axes: Axes, place: int, count: int) -> None:
        """Cloud, band, line; the clouds of several series stand side by side at each index."""
        shade, mark = (place if own is None else own for own in (self.shade, self.mark))
        colour = COLOURS[shade % len(COLOURS)]
        dashes = "none" if self.style == "points" else "-" if shade < len(COLOURS) else "--"
        if self.cloud is not None:
            across, up = self.cloud
            across = across + _jitter(across, place, count)
            axes.scatter(across, up, s=9, color=colour, alpha=0.22, linewidths=0, zorder=1)
            axes.plot(self.x, self.y, color="white", linewidth=5, alpha=0.85, zorder=2.5)
        if self.band is not None:
            axes.fill_between(self.x, *self.band, color=colour, alpha=0.2, linewidth=0, zorder=2)
        every = max(1, len(self.x) // 14)
        axes.plot(
            self.x,
            self.y,
            linestyle=dashes,
            color=colour,
            marker="none" if self.style == "line" else MARKERS[mark % len(MARKERS)],
            markevery=None if self.style == "points" else ((place * every) // max(1, count), every),
            label=self.label or "_",
            linewidth=2.4,
            markersize=9 if self.style == "points" else 7.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=2.9 if self.style == "line" else 3,
        )


def _jitter(across: np.ndarray, place: int, count: int) -> np.ndarray:
    """Shifts that spread points at whole numbers over the lane of their series, the same in every drawing; else none."""
    finite = across[np.isfinite(across)]
    if not len(finite) or np.any(finite != np.round(finite)):
        return np.zeros_like(across)
    lane = 0.8 / count
    spread = (np.arange(1, len(across) + 1) * _GOLDEN) % 1 - 0.5
    return (place - (count - 1) / 2) * lane + 0.75 * lane * spread


def _scale(axes: Axes, chart: Lines, drawn: Sequence[_Drawn]) -> None:
    """Scales, limits and ticks in plain numbers."""
    _scale_axis(axes, "x", chart.x_scale, [series.x for series in drawn])
    _scale_axis(axes, "y", chart.y_scale, [part for series in drawn for part in _heights(series)])
    axes.margins(x=0.03)
    axes.set_ylim(*chart.y_limits)
    if chart.ticks:
        axes.set_xticks(range(len(chart.ticks)), chart.ticks)
    elif chart.x_ticks:
        axes.set_xticks(_apart(axes, sorted(chart.x_ticks)), minor=False)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _apart(axes: Axes, values: Sequence[float]) -> list[float]:
    """Those of ascending values that lie at least `ROOM` of the x axis beyond the one before; the last one always."""
    places = axes.xaxis.get_transform().transform(np.asarray(values, dtype=float))
    room = ROOM * np.ptp(places)
    kept = [len(values) - 1]
    for i in range(len(values) - 2, -1, -1):
        if places[kept[-1]] - places[i] >= room:
            kept.append(i)
    return [values[i] for i in reversed(kept)]


def _scale_axis(axes: Axes, name: str, scale: Scale, parts: Sequence[np.ndarray]) -> None:
    axis, set_scale = (axes.xaxis, axes.set_xscale) if name == "x" else (axes.yaxis, axes.set_yscale)
    values = np.concatenate([np.zeros(0), *parts])
    values = values[np.isfinite(values)]
    sizes = np.abs(values[values != 0])
    plain = len(sizes) and sizes.min() >= 1e-4 and sizes.max() <= 1e5
    if scale == "linear" or not len(sizes):
        axes.ticklabel_format(axis=name, useOffset=False)  # type: ignore[arg-type]
        if name == "x" and len(sizes) and sizes.max() > 2 and np.all(sizes == np.round(sizes)):
            axis.set_major_locator(MaxNLocator(nbins=11, integer=True, steps=[1, 2, 5, 10]))
    elif scale == "log":
        set_scale("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if sizes.max() < 300 * sizes.min() else (1,)))
        axis.set_minor_formatter(NullFormatter())
        if plain:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        highest = int(np.floor(np.log10(sizes.max())))
        lowest = max(int(np.ceil(np.log10(np.quantile(sizes, 0.1)))), highest - 6)
        set_scale("symlog", linthresh=10.0**lowest)
        powers = [10.0**power for power in range(highest, lowest - 1, -max(1, (highest - lowest) // 3))]
        axis.set_major_locator(FixedLocator([*(-power for power in powers if (values < 0).any()), 0, *powers]))
        axis.set_minor_locator(NullLocator())
        if plain:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _heights(series: _Drawn) -> list[np.ndarray]:
    return [series.y, *(series.band or ()), *([series.cloud[1]] if series.cloud else [])]


def _frame(axes: Axes, chart: Lines) -> None:
    """Labels, and no more lines than are needed."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TEXT)
    axes.set_xlabel(_broken(chart.x_label, 70), fontsize=LABEL)
    axes.set_ylabel(_broken(chart.y_label, 38), fontsize=LABEL)
    if chart.ends:
        for share, words, side in ((0.0, f"← {chart.ends[0]}", "left"), (1.0, f"{chart.ends[1]} →", "right")):
            axes.annotate(
                words,
                (share, 0),
                (0, -24),
                xycoords="axes fraction",
                textcoords="offset points",
                ha=side,
                va="top",
                fontsize=TEXT,
                color=GREY,
            )


def _broken(text: str, width: int) -> str:
    """In lines of at most `width`, broken at spaces and, as names of numbers have none, behind slashes."""
    wrapper = textwrap.TextWrapper(width, break_on_hyphens=False)
    wrapper.wordsep_simple_re = re.compile("( +|(?<=/))")
    return wrapper.fill(text)


def _head(axes: Axes, title: str, note: Sequence[str]) -> None:
    """The title, and the lines of the note below it in smaller grey letters."""
    axes.set_title(textwrap.fill(title, 66), loc="left", fontsize=TITLE, fontweight="bold", pad=12 + 15 * len(note))
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


def _left_out(drawn: Sequence[_Drawn]) -> str:
    infinite, negative = sum(series.infinite for series in drawn), sum(series.negative for series in drawn)
    parts = [f"{_counted(infinite)} not finite, not drawn."] if infinite else []
    if negative:
        parts.append(f"{_counted(negative)} not positive, not drawn on a log scale.")
    return " ".join(parts)


def _counted(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"


def _references(axes: Axes, references: Sequence[tuple[float, str]]) -> None:
    """Dashed lines, with their words at the right end, apart from each other."""
    lowest = -np.inf
    for height, words in sorted(references):
        axes.axhline(height, color=GREY, linestyle=(0, (5, 4)), linewidth=1.3, zorder=2)
        share = axes.transAxes.inverted().transform(axes.transData.transform((axes.get_xlim()[1], height)))[1]
        lowest = max(share, lowest + 0.055)
        axes.text(
            1.01, lowest, textwrap.fill(words, 18), transform=axes.transAxes, fontsize=TEXT, color=GREY, va="center", ha="left"
        )


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the chart, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = max(1, min(len(labels), 95 // (max(map(len, labels)) + 8)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=LABEL, handlelength=2.4)
