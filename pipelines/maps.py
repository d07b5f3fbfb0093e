"""Fields over two axes in one scale of colours, as a matplotlib figure."""

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from advcore.probes import Maps
from pipelines.lines import COLOURS, GREY, LABEL, TEXT, TITLE

SIDE, GAP, CAPTION, LINE, LEFT, RIGHT, FOOT = 2.7, 0.28, 0.34, 0.2, 0.95, 1.75, 0.8
"""In inches: side of a panel, space between columns, height of a caption and of each further line of it, room at the left, at the
right, at the foot."""

LETTER = 0.09
"""In inches: room for a letter of a name at an axis."""

PALETTE = (*COLOURS, "#F0E442", "#882255")
"""Of ten classes; more begin anew."""

NOWHERE = "#D9D9D9"
"""The colour of values that are not finite."""


def draw_maps(chart: Maps) -> Figure:
    """The chart: equal panels with their captions, one bar of colours, or a legend of the classes that occur.

    Raises ValueError where there is no panel, or one that is not `(rows, columns)`.
    """
    fields = [np.asarray(values.detach().cpu().double()) for values, _ in chart.panels]
    if not fields or any(field.ndim != 2 for field in fields):
        came = [field.shape for field in fields]
        raise ValueError(f"maps {chart.name!r}: expected at least one panel, each (rows, columns), got {came}; mend them")
    across = min(len(fields), chart.across)
    down = math.ceil(len(fields) / across)
    captions = ["\n".join(textwrap.fill(line, 34) for line in caption.split("\n")) for _, caption in chart.panels]
    over = CAPTION + LINE * max(caption.count("\n") for caption in captions)
    beside, below = (LETTER * max(map(len, names), default=0) for names in (chart.y_names, chart.x_names))
    upright = below > SIDE / max(1, len(chart.x_names))
    left, foot = LEFT + beside, FOOT + upright * below
    width = left + across * (SIDE + GAP) + RIGHT
    title = textwrap.wrap(chart.title, max(16, int(width * 7.2)))
    note = textwrap.wrap(" ".join(filter(None, [chart.note, _left_out(fields)])), max(24, int(width * 11.5)))
    head = 0.25 + 0.3 * len(title) + 0.21 * len(note) + 0.1
    height = head + down * (SIDE + over) + foot
    figure = Figure(figsize=(width, height))
    figure.text(0.15 / width, 1 - 0.15 / height, "\n".join(title), fontsize=TITLE, fontweight="bold", va="top")
    figure.text(0.15 / width, 1 - (0.22 + 0.3 * len(title)) / height, "\n".join(note), fontsize=TEXT - 0.5, color=GREY, va="top")
    norm, colours = _classes(chart) if chart.categories else _shades(chart, fields)
    for place, (field, caption) in enumerate(zip(fields, captions, strict=True)):
        row, column = divmod(place, across)
        bottom = height - head - (row + 1) * (SIDE + over)
        corner = (left + column * (SIDE + GAP)) / width
        axes = figure.add_axes((corner, bottom / height, SIDE / width, SIDE / height))
        _show(axes, chart, field, caption, norm, colours)
        _name(axes, chart, field, norm, upright)
        axes.tick_params(labelbottom=place + across >= len(fields), labelleft=column == 0)
    middle = left + (across * (SIDE + GAP) - GAP) / 2
    figure.text(middle / width, 0.12 / height, chart.x_label, fontsize=LABEL, ha="center", va="bottom")
    centre = (foot + down * (SIDE + over) / 2) / height
    figure.text(0.12 / width, centre, textwrap.fill(chart.y_label, down * 34), fontsize=LABEL, rotation=90, va="center")
    if chart.categories:
        _legend(figure, chart, fields, (width - RIGHT + 0.05) / width, centre)
    else:
        place_of_bar = ((width - RIGHT + 0.1) / width, foot / height, 0.16 / width, SIDE / height)
        _bar(figure, chart, norm, colours, place_of_bar)
    return figure


def _show(axes: Axes, chart: Maps, field: np.ndarray, caption: str, norm: Normalize, colours: Colormap) -> None:
    extent = (*chart.x_limits, *chart.y_limits)
    shown = np.ma.masked_invalid(field)
    axes.imshow(shown, colours, norm, origin="lower", extent=extent, interpolation="nearest", aspect="auto")
    axes.set_facecolor(NOWHERE)
    axes.set_title(caption, fontsize=TEXT, pad=4)
    axes.tick_params(labelsize=TEXT - 1)
    if chart.origin:
        axes.plot(0, 0, marker="o", color="white", markeredgecolor="black", markersize=6)


def _name(axes: Axes, chart: Maps, field: np.ndarray, norm: Normalize, upright: bool) -> None:
    """The names of columns and rows at the middles of their cells, and in each cell its value, dark on light colours."""
    for names, axis, (low, high) in ((chart.x_names, axes.xaxis, chart.x_limits), (chart.y_names, axes.yaxis, chart.y_limits)):
        if names:
            axis.set_ticks(_middles(low, high, len(names)), names)
            axis.set_tick_params(length=0)
    if upright:
        axes.tick_params(axis="x", labelrotation=90)
    if chart.x_names and chart.y_names:
        up, across = _middles(*chart.y_limits, len(chart.y_names)), _middles(*chart.x_limits, len(chart.x_names))
        for (row, column), value in np.ndenumerate(field):
            ink = "black" if not np.isfinite(value) or norm(value) > 0.6 else "white"
            axes.text(across[column], up[row], f"{value:.3g}", color=ink, fontsize=TEXT, ha="center", va="center")


def _middles(low: float, high: float, count: int) -> list[float]:
    """Of equal steps."""
    return [low + (high - low) * (place + 0.5) / count for place in range(count)]


def _shades(chart: Maps, fields: list[np.ndarray]) -> tuple[Normalize, Colormap]:
    """Over the chart's limits, else from the smallest to the largest finite value of all panels."""
    values = np.concatenate([field[np.isfinite(field)] for field in fields])
    if chart.scale == "log":
        values = values[values > 0]
    low, high = chart.value_limits or ((float(values.min()), float(values.max())) if len(values) else (0.5, 1.0))
    if low == high:
        low, high = (low / 2, high * 2) if chart.scale == "log" else (low - 0.5, high + 0.5)
    norm: Normalize = Normalize(low, high)
    if chart.scale == "log":
        norm = LogNorm(low, high)
    elif chart.scale == "symlog":
        norm = SymLogNorm(max(abs(low), abs(high)) / 1e4, vmin=low, vmax=high)
    return norm, ScalarMappable(cmap="viridis").get_cmap()


def _classes(chart: Maps) -> tuple[Normalize, Colormap]:
    count = len(chart.categories)
    return Normalize(-0.5, count - 0.5), ListedColormap([PALETTE[i % len(PALETTE)] for i in range(count)])


def _bar(figure: Figure, chart: Maps, norm: Normalize, colours: Colormap, place: tuple[float, float, float, float]) -> None:
    """With ticks in plain numbers where they are short."""
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=figure.add_axes(place))
    bar.set_label(textwrap.fill(chart.value_label, 32), fontsize=LABEL)
    bar.ax.tick_params(labelsize=TEXT - 1)
    if chart.scale == "log" and norm.vmin and norm.vmax and norm.vmax < 1e5 and norm.vmin > 1e-4:
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if norm.vmax < 300 * norm.vmin else (1,)))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _legend(figure: Figure, chart: Maps, fields: list[np.ndarray], left: float, middle: float) -> None:
    """The classes that occur somewhere."""
    present = sorted({int(value) for field in fields for value in np.unique(field[np.isfinite(field)])})
    patches = [Patch(color=PALETTE[value % len(PALETTE)], label=chart.categories[value]) for value in present]
    figure.legend(
        handles=patches, loc="center left", bbox_to_anchor=(left, middle), fontsize=TEXT, frameon=False, title=chart.value_label
    )


def _left_out(fields: list[np.ndarray]) -> str:
    lost = sum(int((~np.isfinite(field)).sum()) for field in fields)
    return f"{lost} value{'s' * (lost != 1)} not finite, in grey." if lost else ""
