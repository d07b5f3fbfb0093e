"""The places of panels, bars and texts in a figure of maps, in inches and as shares of it."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from advcore.probes import Maps

SIDE, GAP, CAPTION, LINE, LEFT, RIGHT, FOOT = 2.7, 0.28, 0.34, 0.2, 0.95, 1.75, 0.8
"""Lengths in inches: side of a panel, space between columns, height of a caption and of each
further line of it, room at the left, at the right, at the foot."""

LETTER = 0.09
"""Room for a letter of a name at an axis, in inches."""

BAR, TICKS, ROW = 0.8, 0.5, 0.3
"""Room beside a panel, in inches: for a bar of its own, beside and below one for ticks of its
own."""

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class MapLayout:
    """The lengths of a figure of maps.

    Attributes:
        across: number of columns.
        down: number of rows.
        own_bars: true if each panel has a colour bar of its own.
        upright: true if the names of the columns are written upright.
        over: height of a panel's caption, and of its ticks where each has its own, in inches.
        ticks: the part of it that ticks take.
        left: room at the left, in inches.
        foot: room at the foot, in inches.
        step: distance from a column to the next, in inches.
        width: width of the figure, in inches.
        height: height of the figure, in inches.
        head: height of title and note, in inches.
        title: lines of the title.
        note: lines of the note.
    """

    across: int
    down: int
    own_bars: bool
    upright: bool
    over: float
    ticks: float
    left: float
    foot: float
    step: float
    width: float
    height: float
    head: float
    title: Sequence[str]
    note: Sequence[str]

    @property
    def middle(self) -> float:
        """The middle of the columns, as a share of the width."""
        return (self.left + (self.across * self.step - GAP) / 2) / self.width

    @property
    def centre(self) -> float:
        """The middle of the rows, as a share of the height."""
        return (self.foot + self.down * (SIDE + self.over) / 2) / self.height

    def panel(self, place: int) -> Rectangle:
        """Return left, bottom, width and height of the panel, as shares of the figure."""
        left, bottom = self._corner(place)
        return left / self.width, bottom / self.height, SIDE / self.width, SIDE / self.height

    def own_bar(self, place: int) -> Rectangle:
        """Return where the panel's own colour bar stands, as shares of the figure."""
        left, bottom = self._corner(place)
        return (
            (left + SIDE + 0.08) / self.width,
            bottom / self.height,
            0.12 / self.width,
            SIDE / self.height,
        )

    def common_bar(self) -> Rectangle:
        """Return where the colour bar of all panels stands, as shares of the figure."""
        return (
            (self.width - RIGHT + 0.1) / self.width,
            self.foot / self.height,
            0.16 / self.width,
            SIDE / self.height,
        )

    def legend_left(self) -> float:
        """Return the left end of the legend, as a share of the width."""
        return (self.width - RIGHT + 0.05) / self.width

    def _corner(self, place: int) -> tuple[float, float]:
        row, column = divmod(place, self.across)
        bottom = self.height - self.head - (row + 1) * (SIDE + self.over) + self.ticks
        return self.left + column * self.step, bottom


def lay_out_maps(chart: Maps, captions: Sequence[str], remarks: str) -> MapLayout:
    """Return the layout of the chart with these captions; the remarks follow its note."""
    own_bars = chart.colours == "own" and not chart.categories
    across = min(len(captions), chart.across)
    down = math.ceil(len(captions) / across)
    ticks = ROW * bool(chart.extents)
    over = CAPTION + LINE * max(caption.count("\n") for caption in captions) + ticks
    beside, below = (
        LETTER * max(map(len, names), default=0) for names in (chart.y_names, chart.x_names)
    )
    upright = below > SIDE / max(1, len(chart.x_names))
    left, foot = LEFT + beside, FOOT + upright * below
    step = SIDE + GAP + BAR * own_bars + TICKS * bool(chart.extents)
    width = left + across * step + (0.5 if own_bars else RIGHT)
    title = textwrap.wrap(chart.title, max(16, int(width * 6.6)))
    words = " ".join(filter(None, [chart.note, remarks]))
    note = textwrap.wrap(words, max(24, int(width * 11.5)))
    head = 0.25 + 0.3 * len(title) + 0.21 * len(note) + 0.1
    return MapLayout(
        across=across,
        down=down,
        own_bars=own_bars,
        upright=upright,
        over=over,
        ticks=ticks,
        left=left,
        foot=foot,
        step=step,
        width=width,
        height=head + down * (SIDE + over) + foot,
        head=head,
        title=title,
        note=note,
    )
