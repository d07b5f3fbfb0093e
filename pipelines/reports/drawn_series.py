"""One series of a chart of lines: its numbers as arrays, and how it is drawn."""

import numpy as np
from matplotlib.axes import Axes

from advcore.pipelines.reports.style import COLOURS
from advcore.probes import Lines, Series

THIN = ("--", ":", "-.", "-")
"""Dashes of narrow lines, by their mark: they bear no markers."""

_GOLDEN = 0.6180339887498949


class DrawnSeries:
    """A series as arrays, NaN where a value cannot be drawn, and the number of those.

    Ends of bands are not counted, but `open` says where one of them goes on below a log scale: its
    lower end is at 0 or less, and is drawn to the axis' edge.
    """

    def __init__(self, series: Series, chart: Lines) -> None:
        self._series = series
        self._log, self._x_log = chart.y_scale == "log", chart.x_scale == "log"
        self.infinite = self.negative = self.unseen = 0
        self.x, self.y = self._pair(series.x, series.y)
        self.cloud = None if series.cloud is None else self._thinned(*self._pair(*series.cloud))
        counted = self.infinite, self.negative
        inner = None if series.low is None or series.high is None else (series.low, series.high)
        given = [ends for ends in (series.outer, inner) if ends is not None]
        self.bands = [[self._pair(series.x, end)[1] for end in ends] for ends in given]
        self.infinite, self.negative = counted
        self.open = [
            self._log & _is_below(low) & np.isfinite(self.y + high)
            for (low, _), (_, high) in zip(given, self.bands, strict=True)
        ]

    @property
    def goes_below(self) -> bool:
        """True if a band goes on below the log scale."""
        return any(below.any() for below in self.open)

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

    def onto(self, axes: Axes, place: int, count: int, edge: float) -> None:
        """Draw the cloud, the bands, the line.

        The clouds of several series are side by side at each index. Bands that go on below a log
        scale end at `edge`.
        """
        own = self._series
        shade = place if own.shade is None else own.shade
        colour = COLOURS[shade % len(COLOURS)]
        if self.cloud is not None:
            across, up = self.cloud
            across = across + _jitter(across, place, count)
            axes.scatter(across, up, s=9, color=colour, alpha=0.22, linewidths=0, zorder=1)
            axes.plot(self.x, self.y, color="white", linewidth=5, alpha=0.85, zorder=2.5)
        for (end, high), below, alpha in zip(
            self.bands, self.open, (0.2,) if own.outer is None else (0.13, 0.32), strict=False
        ):
            low = np.where(below, edge, end)
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
        crowded = own.style == "points" and len(self.x) > CROWD
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
            alpha=0.75 if own.thin else 0.5 if crowded else 1,
            markersize=5 if crowded else 9 if own.style == "points" else 7.5,
            markeredgecolor="white",
            markeredgewidth=0 if crowded else 0.8,
            zorder=2.8 if own.thin else 2.9 if own.style == "line" else 3,
        )


def _is_below(end: object) -> np.ndarray:
    """Return where a band's end is a number that a log scale cannot show."""
    heights = np.array(end, dtype=float).reshape(-1)
    return np.isfinite(heights) & (heights <= 0)


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


MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")

DOTS = 1500
"""Largest number of dots of a series that are drawn: more are a cloud in which no sample can be
told from another."""

CROWD = 150
"""Largest number of points of a series that are drawn at full size."""
