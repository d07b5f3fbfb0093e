"""Probes: the measurements that are distributed over samples."""

from advcore.probes.charts import Chart, Gallery, Lines, Maps, Panel, Series
from advcore.probes.curvature import Curvature
from advcore.probes.examples import Examples
from advcore.probes.landscape import Landscape
from advcore.probes.margins import Margins
from advcore.probes.masking import Masking
from advcore.probes.probe import Batch, Columns, Curve, Probe, Summary
from advcore.probes.robustness import Robustness
from advcore.probes.shared_curvature import SharedCurvature

PROBES: dict[str, type] = {
    "robustness": Robustness,
    "masking": Masking,
    "margins": Margins,
    "curvature": Curvature,
    "shared_curvature": SharedCurvature,
    "landscape": Landscape,
    "examples": Examples,
}
"""The probes that a study can name by `kind`."""

__all__ = [
    "PROBES",
    "Batch",
    "Chart",
    "Columns",
    "Curvature",
    "Curve",
    "Examples",
    "Gallery",
    "Landscape",
    "Lines",
    "Maps",
    "Margins",
    "Masking",
    "Panel",
    "Probe",
    "Robustness",
    "Series",
    "SharedCurvature",
    "Summary",
]
