"""Charts as pictures: pure functions from charts, which are data, to matplotlib figures."""

import io
import os
import tempfile
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from advcore.pipelines.reports.galleries import draw_gallery
from advcore.pipelines.reports.lines import draw_lines
from advcore.pipelines.reports.maps import draw_maps
from advcore.probes import Chart, Gallery, Lines, Maps

DPI = 150

UNDATED: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""The kinds of files that can be drawn, and what is left out of them so that the same numbers give
the same bytes."""


def draw(chart: Chart) -> Figure:
    """A chart as a figure, without any global state of matplotlib."""
    match chart:
        case Gallery():
            return draw_gallery(chart)
        case Maps():
            return draw_maps(chart)
        case Lines():
            return draw_lines(chart)


def save(chart: Chart, folder: Path, kind: str = "png") -> Path:
    """Draw a chart into `folder`/<name>.<kind>, whole or not at all; return the path."""
    path = folder / f"{chart.name}.{kind}"
    save_figure(draw(chart), path)
    return path


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the file `path`, of the kind of its suffix, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix, delete=False
    ) as file:
        part = Path(file.name)
    try:
        figure.savefig(part, dpi=DPI, metadata=UNDATED[path.suffix[1:]])
        part.chmod(0o644)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def as_svg(figure: Figure) -> str:
    """Return a figure as SVG, the same text for the same numbers."""
    with rc_context({"svg.hashsalt": "advcore"}), io.StringIO() as text:
        figure.savefig(text, format="svg", metadata=UNDATED["svg"])
        return text.getvalue()
