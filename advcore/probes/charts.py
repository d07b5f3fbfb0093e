"""Charts as data: what is drawn, in which units, without a plotting library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

Scale = Literal["linear", "log", "symlog"]


@dataclass(frozen=True)
class Series:
    """One line with its optional band and cloud of points.

    `x`, `y` `(n,)`: the line, in its own order. `low`, `high` `(n,)`: a band around it (quartiles, say). `cloud`: two tensors
    `(m,)`, the x and y of single samples, drawn faintly behind the line. Values that are not finite are left out. `shade` and
    `mark` number its colour and its marker, by its place among the series when not given: those of one shade belong together.
    `style` leaves out the markers (line) or the line between them (points).
    """

    label: str
    x: Tensor
    y: Tensor
    low: Tensor | None = None
    high: Tensor | None = None
    cloud: tuple[Tensor, Tensor] | None = None
    shade: int | None = None
    mark: int | None = None
    style: Literal["both", "line", "points"] = "both"


def over_samples(label: str, x: Tensor, values: Tensor) -> Series:
    """The median over samples of `values` `(samples, n)` at `x` `(n,)`, in a band between the quartiles.

    Each is the lower of two neighbours, so that a value that is not finite stays one sample's own.
    """
    ordered = values.sort(0).values
    low, middle, high = (ordered[int(share * (len(values) - 1))] for share in (0.25, 0.5, 0.75))
    return Series(label, x, middle, low, high)


@dataclass(frozen=True)
class Lines:
    """Lines over a common axis. `name` is the file's name, `note` a sentence below the title, `ends` the words at both ends
    of the x axis (low frequency, high frequency), `references` horizontal lines with their labels, `ticks` the words at x = 0, 1,
    2, ... in place of numbers, `x_ticks` the numbers that stand there as far as there is room. A series without a label stands in
    no legend."""

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
    x_ticks: Sequence[float] = ()


@dataclass(frozen=True)
class Panel:
    """One picture of a gallery: `image` `(C, H, W)`, its caption, and whether it is signed (a perturbation, drawn around 0)."""

    image: Tensor
    caption: str
    signed: bool = False


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures: `rows[i]` has its words in `row_labels[i]`, `column_labels` stand on top."""

    name: str
    title: str
    rows: Sequence[Sequence[Panel]]
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    note: str = ""


@dataclass(frozen=True)
class Maps:
    """Fields over two axes, side by side, in one scale of colours: `panels` each `(rows, columns)` with its caption.

    Entry (i, j) of a panel lies at the i-th of `rows` equal steps over `y_limits`, upwards, and the j-th over `x_limits`.
    `categories` names the values 0, 1, 2, ... of fields that hold classes; else `value_label` names the quantity, with its unit,
    and `value_limits` the ends of its colours, those of the values when not given. `x_names`, `y_names` name the columns and rows
    of a table, in place of numbers at the axes; each cell then bears its value. `origin` marks the point (0, 0). `across` panels at
    most stand in a row.
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


Chart = Lines | Gallery | Maps
