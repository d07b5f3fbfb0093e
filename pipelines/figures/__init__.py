"""Figures of a study over all its members: the numbers that its claims are about, drawn."""

from advcore.pipelines.figures.captions import Caption
from advcore.pipelines.figures.kinds import FigureKind
from advcore.pipelines.figures.lines import LinesOver
from advcore.pipelines.figures.map import MapOver
from advcore.pipelines.figures.pictures import PicturesOf
from advcore.pipelines.figures.scatter import ScatterOf

FIGURES: dict[str, type] = {
    "lines": LinesOver,
    "map": MapOver,
    "scatter": ScatterOf,
    "pictures": PicturesOf,
}
"""The figures that a study can name by `kind`."""

__all__ = ["FIGURES", "Caption", "FigureKind", "LinesOver", "MapOver", "PicturesOf", "ScatterOf"]
