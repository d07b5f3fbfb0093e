"""The head of a figure that holds many panels: its title, and the note below it."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from advcore.pipelines.reports.lines import GREY, TEXT, TITLE


def write_head(figure: Figure, title: Sequence[str], note: Sequence[str]) -> None:
    """Write the lines of the title and of the note into the figure's upper left corner."""
    width, height = figure.get_size_inches()
    left = 0.15 / width
    figure.text(
        left, 1 - 0.15 / height, "\n".join(title), fontsize=TITLE, fontweight="bold", va="top"
    )
    below = 1 - (0.22 + 0.3 * len(title)) / height
    figure.text(left, below, "\n".join(note), fontsize=TEXT - 0.5, color=GREY, va="top")
