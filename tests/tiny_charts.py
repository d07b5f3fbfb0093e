"""Small charts to draw, and the words that can be seen in their figures."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axis import Axis, Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from advcore.probes import Gallery, Lines, Panel, Series

NAMES = (
    "plain, deepfool-l2",
    "plain, pgd-l2",
    "adversarial, deepfool-l2",
    "adversarial, bisected-deepfool-l2",
)


def lines(series: Sequence[Series], **more: Any) -> Lines:
    return Lines("chart", "A title", "radius (pixels in [0, 1])", "accuracy (%)", series, **more)


def falling(label: str = "plain", points: int = 8) -> Series:
    x = torch.arange(float(points))
    return Series(label, x, 100 * torch.exp(-x / 3))


def clouds(samples: int = 256) -> Lines:
    """21 subspaces x samples, two models, six margins that were not found."""
    positions = torch.arange(21.0)
    series = []
    for name in ("plain", "adversarial"):
        distance = torch.exp(positions[:, None] / 7 + torch.linspace(-1, 1, samples))
        distance[20, :3] = torch.inf
        cloud = (positions.repeat_interleave(samples), distance.flatten())
        series.append(Series(name, positions, distance.median(1).values, cloud=cloud))
    note = (
        "Line: median over samples. Dots: single samples. Larger is more invariant along that "
        "subspace (eq. 18)."
    )
    return Lines(
        "margins",
        "Margin in each subspace",
        "subspace",
        "margin: l2 norm of the minimal perturbation (pixels in [0, 1])",
        series,
        note,
        y_scale="log",
        ends=("low frequency", "high frequency"),
    )


LONG = "The photograph, what it becomes where the network is to say another class (l2 at most 40)"


def gallery(
    channels: int = 1, rows: int = 6, title: str = "Minimal perturbations", columns: int = 4
) -> Gallery:
    image = torch.linspace(0, 1, channels * 64).reshape(channels, 8, 8)
    row = [
        Panel(image, "label 7"),
        Panel(image - 0.5, "1.23", signed=True),
        Panel(image, "7 → 3"),
        Panel(image - 0.5, "2.34", True),
    ]
    heads = ["image", "plain:\nperturbation", "plain:\nadversarial", "adversarial:\nperturbation"]
    return Gallery(
        "examples",
        title,
        [row[:columns]] * rows,
        ["architecture=perceptron", *(f"sample {i}" for i in range(1, rows))],
        heads[:columns],
        "Scaled to be seen.",
    )


def texts(figure: Figure) -> list[Text]:
    """All words that can be seen, laid out; not the labels of ticks beyond the ends of their axis,
    which are never drawn.
    """
    FigureCanvasAgg(figure).draw()
    beyond = {
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in ticks_beyond(axis)
    }
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in beyond
    ]


def ticks_beyond(axis: Axis) -> list[Tick]:
    low, high = sorted(axis.get_view_interval())
    return [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]


def words(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in texts(figure))
