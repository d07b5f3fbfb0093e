"""Rows of pictures with their captions, as a matplotlib figure."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advcore.pipelines.reports.style import TEXT, ShownFigure, write_head
from advcore.probes import Gallery, Panel

CELL, CAPTION, LINE, GAP = 1.55, 0.36, 0.18, 0.12
"""Side of a picture, height of its caption, of each further line of it, space between the columns,
in inches."""


def draw_gallery(chart: Gallery) -> Figure:
    """Draw the chart: row labels at the left, column labels on top, captions below the pictures.

    Grey for one channel, colour for three. A signed image is drawn around 0, scaled by its own
    largest value: blue below and red above for one channel, around mid-grey for three. Raises
    ValueError for other channels or labels that do not fit the rows.
    """
    columns = _columns(chart)
    row_labels = [textwrap.fill(label, 16, break_long_words=False) for label in chart.row_labels]
    tops = [
        "\n".join(textwrap.fill(line, 19) for line in label.split("\n"))
        for label in chart.column_labels
    ]
    left = 0.3 + 0.095 * max(len(line) for label in row_labels for line in label.split("\n"))
    width = left + columns * (CELL + GAP) + 0.2
    remarks = " ".join(filter(None, [chart.note, _left_out(chart)]))
    note = textwrap.wrap(remarks, max(24, int(width * 12.2)))
    title = textwrap.wrap(chart.title, max(16, int(width * 6.6)))
    lines = max(top.count("\n") + 1 for top in tops)
    head = 0.25 + 0.3 * len(title) + 0.21 * len(note) + 0.2 * lines + 0.15
    further = max(panel.caption.count("\n") for row in chart.rows for panel in row)
    step = CELL + CAPTION + LINE * further
    height = head + len(chart.rows) * step + 0.1
    figure = ShownFigure(figsize=(width, height))
    write_head(figure, title, note)
    for i, row in enumerate(chart.rows):
        bottom = height - head - i * step - CELL
        place = ((left - 0.12) / width, (bottom + CELL / 2) / height)
        figure.text(*place, row_labels[i], fontsize=TEXT, ha="right", va="center")
        for j, panel in enumerate(row):
            corner = left + j * (CELL + GAP)
            axes = figure.add_axes((corner / width, bottom / height, CELL / width, CELL / height))
            _show(axes, panel)
            if i == 0:
                _write_above(axes, tops[j])
    return figure


def _columns(chart: Gallery) -> int:
    """Return the number of columns. Raises ValueError where labels and pictures do not fit."""
    columns = max((len(row) for row in chart.rows), default=0)
    labelled = len(chart.row_labels) == len(chart.rows) and len(chart.column_labels) == columns
    if not columns or not labelled:
        came = (
            f"{len(chart.rows)} rows of {columns}, {len(chart.row_labels)} and "
            f"{len(chart.column_labels)} labels"
        )
        raise ValueError(
            f"gallery {chart.name!r}: expected pictures and a label for each row and column, "
            f"got {came}; add them"
        )
    return columns


def _write_above(axes: Axes, label: str) -> None:
    axes.annotate(
        label,
        (0.5, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        fontsize=TEXT,
    )


def _show(axes: Axes, panel: Panel) -> None:
    """Draw one picture with its caption."""
    image = np.asarray(panel.image.detach().cpu().double())
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            f"expected an image (C, H, W) of 1 or 3 channels, got shape {image.shape}; pick "
            "the channels to show"
        )
    image = np.where(np.isfinite(image), image, 0)
    largest = float(np.abs(image).max()) or 1.0
    if panel.signed and len(image) == 1:
        axes.imshow(image[0], cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    elif len(image) == 1:
        axes.imshow(image[0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    else:
        shown = 0.5 + image / (2 * largest) if panel.signed else image
        axes.imshow(shown.transpose(1, 2, 0).clip(0, 1), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color="#B0B0B0", linewidth=0.8)
    axes.set_xlabel(panel.caption, fontsize=TEXT, labelpad=4)


def _left_out(chart: Gallery) -> str:
    lost = sum(int((~panel.image.isfinite()).sum()) for row in chart.rows for panel in row)
    return f"{lost} pixel{'s' * (lost != 1)} not finite, drawn as 0." if lost else ""
