"""Colours and sizes of letters of all figures, and the head of a figure of many panels."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's palette, told apart by all kinds of colour vision; its yellow, too light for a
line, is grey here."""

GREY = "#5F5F5F"

TITLE, LABEL, TEXT = 16, 13, 11.5
"""Sizes of letters, in points."""


class ShownFigure(Figure):
    """A figure that a notebook shows as a picture, without pyplot."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def write_head(figure: Figure, title: Sequence[str], note: Sequence[str]) -> None:
    """Write the lines of the title and of the note into the figure's upper left corner."""
    width, height = figure.get_size_inches()
    left = 0.15 / width
    figure.text(
        left, 1 - 0.15 / height, "\n".join(title), fontsize=TITLE, fontweight="bold", va="top"
    )
    below = 1 - (0.22 + 0.3 * len(title)) / height
    figure.text(left, below, "\n".join(note), fontsize=TEXT - 0.5, color=GREY, va="top")
