"""Charts as pictures: pure functions from charts, which are data, to matplotlib figures."""

import os
import tempfile
from pathlib import Path

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
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{chart.name}.{kind}"
    figure = draw(chart)
    FigureCanvasAgg(figure)
    with tempfile.NamedTemporaryFile(
        dir=folder, prefix=f".{chart.name}-", suffix=path.suffix, delete=False
    ) as file:
        part = Path(file.name)
    try:
        figure.savefig(part, dpi=DPI, metadata=UNDATED[kind])
        part.chmod(0o644)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
