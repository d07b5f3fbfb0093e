"""Charts as data: what is drawn, in which units, without a plotting library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from advcore.shares import wilson

Scale = Literal["linear", "log", "symlog"]


Style = Literal["both", "line", "points"]
"""The ways to draw a series: a line with markers, either alone."""


@dataclass(frozen=True)
class Series:
    """One line with its optional bands and cloud of points.

    `x`, `y` `(n,)`: the line, in its own order. `low`, `high` `(n,)`: a band around it (quartiles,
    say), drawn as bars where the style is points. `outer`: two tensors `(n,)`, the ends of a
    second, fainter band. `cloud`: two tensors `(m,)`, the x and y of single samples, drawn faintly
    behind the line; of many dots every k-th is drawn, and few far ones may lie outside the axis,
    both told below the title. Values that are not finite are left out. `shade` and `mark` number
    its colour and its marker, by its place among the series when not given: those of one shade
    belong together. `style` leaves out the markers (line) or the line between them (points). `thin`
    draws a narrow line without markers, for what stands behind the others.
    """

    label: str
    x: Tensor
    y: Tensor
    low: Tensor | None = None
    high: Tensor | None = None
    cloud: tuple[Tensor, Tensor] | None = None
    shade: int | None = None
    mark: int | None = None
    style: Style = "both"
    outer: tuple[Tensor, Tensor] | None = None
    thin: bool = False


def median_band(label: str, x: Tensor, values: Tensor) -> Series:
    """Return the median over samples in a band between the quartiles.

    `values` are `(samples, n)` at `x` `(n,)`.

    Each is the lower of two neighbours, so that a value that is not finite stays one sample's own.
    """
    ordered = values.sort(0).values
    low, middle, high = (ordered[int(share * (len(values) - 1))] for share in (0.25, 0.5, 0.75))
    return Series(label, x, middle, low, high)


def medians(label: str, x: Tensor, values: Tensor, style: Style = "both") -> Series:
    """Return the median over samples in its 95 % interval, and fainter between the quartiles.

    `values` are `(samples, n)` at `x` `(n,)`.

    The interval's ends are order statistics, so it holds for samples of any distribution: those
    between which the median lies in 95 % of draws by the binomial distribution of how many samples
    lie below it.
    """
    inner = median_band(label, x, values)
    ordered, reach = values.sort(0).values, _median_reach(len(values))
    low, high = ordered[reach], ordered[len(values) - 1 - reach]
    assert inner.low is not None
    assert inner.high is not None
    return Series(label, x, inner.y, low, high, outer=(inner.low, inner.high), style=style)


def shares(label: str, x: Tensor, hits: Tensor) -> Series:
    """Return the share in % of the samples for which `hits` is true, in Wilson's 95 % interval.

    `hits` are `(samples, n)` at `x` `(n,)`.
    """
    low, high = (
        100
        * torch.tensor(
            [wilson(int(count), len(hits)) for count in hits.sum(0)], dtype=torch.float64
        ).T
    )
    return Series(label, x, 100 * hits.double().mean(0), low, high)


def ascending(label: str, values: Tensor) -> Series:
    """Return values `(samples,)` in ascending order over the share of samples in %, without NaN.

    The share is that of the samples whose value is at most this one.
    """
    ordered = values[~values.isnan()].sort().values
    share = 100 * torch.arange(1, len(ordered) + 1) / max(1, len(ordered))
    return Series(label, share, ordered, style="line")


def equality(*values: Tensor) -> Series:
    """Return the line of equal x and y, from the least to the largest of the finite values."""
    finite = torch.cat([own[own.isfinite()].double() for own in values])
    ends = torch.stack([finite.min(), finite.max()]) if len(finite) else finite
    return Series("", ends, ends, style="line", thin=True)


def _median_reach(count: int) -> int:
    """Return how many ordered samples may lie outside the median's interval at each end.

    The median lies between the others with 95 % confidence.
    """
    chances = torch.distributions.Binomial(count, torch.tensor(0.5, dtype=torch.float64)).log_prob(
        torch.arange(count + 1, dtype=torch.float64)
    )
    return max(0, int((chances.exp().cumsum(0) <= 0.025).sum()) - 1)


@dataclass(frozen=True)
class Lines:
    """Lines over a common axis.

    `name` is the file's name, `note` a sentence below the title, `ends` the words at both ends of
    the x axis (low frequency, high frequency), `references` horizontal lines with their labels,
    `ticks` the words at x = 0, 1, 2, ... in place of numbers, `x_ticks` the numbers that stand
    there as far as there is room, or a mapping from them to their words (a block's number and its
    frequencies, say). A series without a label stands in no legend.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    note: str = ""
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    y_limits: tuple[float | None, float | None] = (None, None)
    ends: tuple[str, str] | None = None
    references: Sequence[tuple[float, str]] = field(default_factory=tuple)
    ticks: Sequence[str] = ()
    x_ticks: Sequence[float] | Mapping[float, str] = ()


@dataclass(frozen=True)
class Panel:
    """One picture of a gallery: `image` `(C, H, W)`, and its caption.

    It may be signed: a perturbation, drawn around 0.
    """

    image: Tensor
    caption: str
    signed: bool = False


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures.

    `rows[i]` has its words in `row_labels[i]`, `column_labels` stand on top.
    """

    name: str
    title: str
    rows: Sequence[Sequence[Panel]]
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    note: str = ""


@dataclass(frozen=True)
class Mark:
    """A point of a map, in the units of its axes, with its word beside it."""

    x: float
    y: float
    label: str = ""


@dataclass(frozen=True)
class Maps:
    """Fields over two axes, side by side: `panels` each `(rows, columns)` with its caption.

    Entry (i, j) of a panel lies at the i-th of `rows` equal steps over `y_limits`, upwards, and the
    j-th over `x_limits`. `categories` names the values 0, 1, 2, ... of fields that hold classes;
    else `value_label` names the quantity, with its unit, and `value_limits` the ends of its
    colours, those of the values when not given. `x_names`, `y_names` name the columns and rows of a
    table, in place of numbers at the axes; each cell then bears its value. `origin` marks the point
    (0, 0). `across` panels at most stand in a row. `colours`: one scale of colours for all panels,
    or one of its own for each, with its own bar, where they are not to be compared. `marks`: for
    each panel the points that are marked in it. `extents`: for each panel its own ends of the axes,
    (left, right, bottom, top), in place of `x_limits` and `y_limits`.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    panels: Sequence[tuple[Tensor, str]]
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    value_label: str = ""
    value_limits: tuple[float, float] | None = None
    categories: Sequence[str] = ()
    x_names: Sequence[str] = ()
    y_names: Sequence[str] = ()
    across: int = 4
    scale: Scale = "linear"
    origin: bool = False
    note: str = ""
    colours: Literal["shared", "own"] = "shared"
    marks: Sequence[Sequence[Mark]] = ()
    extents: Sequence[tuple[float, float, float, float]] = ()


Chart = Lines | Gallery | Maps


def told_apart(models: Sequence[str]) -> list[str]:
    """Return the models' names without the coordinates, `seed=0` say, that all of them have."""
    words = [model.split(" ") for model in models]
    common = set.intersection(*map(set, words))
    return [
        " ".join(word for word in own if "=" not in word or word not in common) for own in words
    ]
