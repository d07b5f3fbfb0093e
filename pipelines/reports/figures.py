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


def draw(chart: Chart) -> Figure:
    """A chart as a figure, without any global state of matplotlib."""
    match chart:
        case Gallery():
            return draw_gallery(chart)
        case Maps():
            return draw_maps(chart)
        case Lines():
            return draw_lines(chart)


def save(chart: Chart, folder: Path) -> Path:
    """Draw a chart into `folder`/<name>.png, whole or not at all; gives the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{chart.name}.png"
    figure = draw(chart)
    FigureCanvasAgg(figure)
    with tempfile.NamedTemporaryFile(
        dir=folder, prefix=f".{chart.name}-", suffix=".png", delete=False
    ) as file:
        part = Path(file.name)
    try:
        figure.savefig(part, dpi=DPI, metadata={"Software": None})
        part.chmod(0o644)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
