"""Axes of line charts: scales, limits and ticks, in plain numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from advcore.probes import Lines
from advcore.probes.charts import Scale

ROOM = 0.06
"""Between two ticks that were asked for, as a share of the axis."""

LETTER = 0.012
"""Width of a letter of a tick's word, as a share of the axis."""

FAR = 0.005
"""Largest share of the dots at either end that may lie outside the axis, where they would stretch
it."""


def scale_axes(
    axes: Axes,
    chart: Lines,
    x: Sequence[np.ndarray],
    y: Sequence[np.ndarray],
    dots: Sequence[np.ndarray],
) -> int:
    """Set scales, limits and ticks of a line chart; return how many dots lie outside.

    All lines and bands are in sight, and all dots but the few that would stretch the axis to more
    than one and a half its length.
    """
    axes.margins(x=0.03)
    _scale_axis(axes, "x", chart.x_scale, x)
    _scale_axis(axes, "y", chart.y_scale, [*y, *dots])
    outside = 0
    if chart.y_limits == (None, None):
        outside = _cut(axes, _finite(y), _finite(dots))
    axes.set_ylim(*chart.y_limits)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":  # by what is seen: some values may lie outside
            axis.set_major_locator(log_locator(*sorted(axis.get_view_interval())))
    if chart.ticks:
        axes.set_xticks(range(len(chart.ticks)), chart.ticks)
        longest = max(len(line) for words in chart.ticks for line in words.split("\n"))
        if LETTER * (longest + 1) * len(chart.ticks) > 1:
            axes.tick_params(axis="x", labelrotation=30)
            for label in axes.get_xticklabels():
                label.set(horizontalalignment="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, len(chart.ticks) - 0.5)  # as wide at the ends as between two words
    elif chart.x_ticks:
        _place_ticks(axes, chart.x_ticks)
    return outside


def log_locator(low: float, high: float) -> LogLocator:
    """Return the ticks of a logarithmic axis: the fewer decades it shows, the more a decade."""
    if high < 10 * low:
        return LogLocator(subs=(1, 1.5, 2, 3, 5, 7))
    return LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,))


def _finite(parts: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.zeros(0), *parts])
    return values[np.isfinite(values)]


def _cut(axes: Axes, seen: np.ndarray, dots: np.ndarray) -> int:
    """Set the y limits without far dots; return how many lie outside.

    This is done where it shortens the axis by a third.
    """
    if not len(dots):
        return 0
    transform = axes.yaxis.get_transform()
    drawn, lines = transform.transform(dots), transform.transform(seen)
    near = [*np.quantile(drawn, [FAR, 1 - FAR]), *lines]
    low, high = min(near), max(near)
    if np.ptp([*drawn, *lines]) <= 1.5 * (high - low):
        return 0
    room = 0.05 * (high - low)
    ends = transform.inverted().transform([low - room, high + room])
    axes.set_ylim(*ends)
    return int(((dots < ends[0]) | (dots > ends[1])).sum())


def _place_ticks(axes: Axes, ticks: Sequence[float] | Mapping[float, str]) -> None:
    """Place ticks where there is room for them.

    They are numbers, or the words of a mapping.
    """
    words = (
        {float(value): word for value, word in ticks.items()} if isinstance(ticks, Mapping) else {}
    )
    longest = max((len(line) for word in words.values() for line in word.split("\n")), default=0)
    axes.set_xticks(_apart(axes, sorted(ticks), max(ROOM, LETTER * (longest + 1))), minor=False)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.get(value, f"{value:.4g}")))


def _apart(axes: Axes, values: Sequence[float], least: float) -> list[float]:
    """Return the ascending values that are at least `least` of the x axis apart.

    The last one is always among them.
    """
    places = axes.xaxis.get_transform().transform(np.asarray(values, dtype=float))
    room = least * np.ptp(places)
    kept = [len(values) - 1]
    for i in range(len(values) - 2, -1, -1):
        if places[kept[-1]] - places[i] >= room:
            kept.append(i)
    return [values[i] for i in reversed(kept)]


def _scale_axis(axes: Axes, name: str, scale: Scale, parts: Sequence[np.ndarray]) -> None:
    axis, set_scale = (
        (axes.xaxis, axes.set_xscale) if name == "x" else (axes.yaxis, axes.set_yscale)
    )
    values = _finite(parts)
    sizes = np.abs(values[values != 0])
    plain = len(sizes) and sizes.min() >= 1e-4 and sizes.max() <= 1e5
    if scale == "linear" or not len(sizes):
        axes.ticklabel_format(axis=name, useOffset=False)  # type: ignore[arg-type]
        if name == "x" and len(sizes) and sizes.max() > 2 and np.all(sizes == np.round(sizes)):
            axis.set_major_locator(MaxNLocator(nbins=11, integer=True, steps=[1, 2, 5, 10]))
        if name == "x" and len(np.unique(values)) == 1:
            # around one place nothing is known
            axis.set_major_locator(FixedLocator(values[:1].tolist()))
        if name == "y" and len(sizes) and not 1e-4 <= sizes.max() < 1e6:
            # a power of ten beside the axis would stand in the note
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    elif scale == "log":
        set_scale("log")
        axis.set_minor_formatter(NullFormatter())
        if plain:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        highest = int(np.floor(np.log10(sizes.max())))
        lowest = max(int(np.ceil(np.log10(np.quantile(sizes, 0.1)))), highest - 6)
        set_scale("symlog", linthresh=10.0**lowest)
        powers = [
            10.0**power for power in range(highest, lowest - 1, -max(1, (highest - lowest) // 3))
        ]
        axis.set_major_locator(
            FixedLocator([*(-power for power in powers if (values < 0).any()), 0, *powers])
        )
        axis.set_minor_locator(NullLocator())
        if plain:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
