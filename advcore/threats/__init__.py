"""Threat models: which inputs an attack may reach, and how far away they are."""

from advcore.threats.additive import Additive
from advcore.threats.along import Along
from advcore.threats.ball import Ball
from advcore.threats.colour import Colour
from advcore.threats.discrete import Flips, Tokens
from advcore.threats.embedding import Embedding
from advcore.threats.feature import Feature
from advcore.threats.flow import Flow
from advcore.threats.frequency import Frequency
from advcore.threats.geodesic_score import path_length
from advcore.threats.neighbours import Neighbours
from advcore.threats.region import Mapped, Region, ThreatModel
from advcore.threats.sequence import Sequence
from advcore.threats.spatial import Spatial
from advcore.threats.sphere import Sphere
from advcore.threats.table import Tabular
from advcore.threats.wasserstein import Wasserstein
from advcore.threats.window import Window

THREATS: dict[str, type] = {
    "additive": Additive,
    "spatial": Spatial,
    "flow": Flow,
    "colour": Colour,
    "frequency": Frequency,
    "wasserstein": Wasserstein,
    "feature": Feature,
    "flips": Flips,
    "tokens": Tokens,
    "sequence": Sequence,
    "sphere": Sphere,
    "window": Window,
    "along": Along,
    "table": Tabular,
    "embedding": Embedding,
    "neighbours": Neighbours,
}
"""The threat models that a study can name by `kind`."""

__all__ = [
    "THREATS",
    "Additive",
    "Along",
    "Ball",
    "Colour",
    "Embedding",
    "Feature",
    "Flips",
    "Flow",
    "Frequency",
    "Mapped",
    "Neighbours",
    "Region",
    "Sequence",
    "Spatial",
    "Sphere",
    "Tabular",
    "ThreatModel",
    "Tokens",
    "Wasserstein",
    "Window",
    "path_length",
]
