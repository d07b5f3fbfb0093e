"""Colours of maps: norms, bars and legends."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from advcore.pipelines.reports.axes import log_locator
from advcore.pipelines.reports.style import COLOURS, LABEL, TEXT
from advcore.probes import Maps

PALETTE = (*COLOURS, "#F0E442", "#882255")
"""Colours of ten classes; more classes begin anew."""


def shades(chart: Maps, fields: Sequence[np.ndarray]) -> tuple[Normalize, Colormap]:
    """Return the norm and colours over the chart's limits, or over the fields' finite values."""
    values = np.concatenate([field[np.isfinite(field)] for field in fields])
    if chart.scale == "log":
        values = values[values > 0]
    low, high = chart.value_limits or (
        (float(values.min()), float(values.max())) if len(values) else (0.5, 1.0)
    )
    if low == high:
        low, high = (low / 2, high * 2) if chart.scale == "log" else (low - 0.5, high + 0.5)
    norm: Normalize = Normalize(low, high)
    if chart.scale == "log":
        norm = LogNorm(low, high)
    elif chart.scale == "symlog":
        norm = SymLogNorm(max(abs(low), abs(high)) / 1e4, vmin=low, vmax=high)
    return norm, ScalarMappable(cmap="viridis").get_cmap()


def class_colours(chart: Maps) -> tuple[Normalize, Colormap]:
    """Return the norm and colours of the chart's categories."""
    count = len(chart.categories)
    return Normalize(-0.5, count - 0.5), ListedColormap(
        [PALETTE[i % len(PALETTE)] for i in range(count)]
    )


def draw_bar(
    figure: Figure,
    chart: Maps,
    norm: Normalize,
    colours: Colormap,
    place: tuple[float, float, float, float],
    label: str,
) -> None:
    """Draw a colour bar with its label, and plain numbers as ticks where they are short."""
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=figure.add_axes(place))
    bar.set_label(textwrap.fill(label, 32), fontsize=LABEL)
    bar.ax.tick_params(labelsize=TEXT - 1)
    if chart.scale == "log" and norm.vmin and norm.vmax and norm.vmax < 1e5 and norm.vmin > 1e-4:
        bar.ax.yaxis.set_major_locator(log_locator(norm.vmin, norm.vmax))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    elif chart.scale == "linear" and chart.colours == "own":
        bar.ax.yaxis.set_major_locator(MaxNLocator(4))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def draw_legend(
    figure: Figure, chart: Maps, fields: Sequence[np.ndarray], left: float, middle: float
) -> None:
    """Draw the legend of the classes that occur somewhere."""
    present = sorted(
        {int(value) for field in fields for value in np.unique(field[np.isfinite(field)])}
    )
    patches = [
        Patch(color=PALETTE[value % len(PALETTE)], label=chart.categories[value])
        for value in present
    ]
    figure.legend(
        handles=patches,
        loc="center left",
        bbox_to_anchor=(left, middle),
        fontsize=TEXT,
        frameon=False,
        title=chart.value_label,
    )
