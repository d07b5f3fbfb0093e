"""Probes: the measurements that are distributed over samples."""

from advcore.probes.accuracy import Accuracy
from advcore.probes.alignment import Alignment
from advcore.probes.anisotropy_spectrum import AnisotropySpectrum
from advcore.probes.anomaly import Anomaly
from advcore.probes.attribute_scores import AttributeScores
from advcore.probes.attributions import Attributions
from advcore.probes.boundary import Boundary
from advcore.probes.charts import Chart, Gallery, Lines, Maps, Mark, Panel, Series
from advcore.probes.complexity import Complexity
from advcore.probes.confidence import Confidence
from advcore.probes.corruption_bound import CorruptionBound
from advcore.probes.counterfactuals import Counterfactuals
from advcore.probes.curvature import Curvature
from advcore.probes.curvature_certificate import CurvatureCertificate
from advcore.probes.curvature_within import CurvatureWithin
from advcore.probes.energy import Energy
from advcore.probes.exact_distance import ExactDistance
from advcore.probes.examples import Examples
from advcore.probes.fooled_within import FooledWithin
from advcore.probes.fragility import Fragility
from advcore.probes.frequency_map import FrequencyMap
from advcore.probes.label_normals import LabelNormals
from advcore.probes.landscape import Landscape
from advcore.probes.layer_margins import LayerMargins
from advcore.probes.likeness import Likeness
from advcore.probes.map_similarity import MapSimilarity
from advcore.probes.margins import Margins
from advcore.probes.masking import Masking
from advcore.probes.masks import Masks
from advcore.probes.membership import Membership
from advcore.probes.noise import Noise
from advcore.probes.normals import Normals
from advcore.probes.on_task import OnTask
from advcore.probes.perturbations import Perturbations
from advcore.probes.pictures import Pictures
from advcore.probes.probe import (
    CALIBRATION,
    Batch,
    Calibrated,
    Comparison,
    Counting,
    Curve,
    Drawing,
    HoldsShares,
    Indexed,
    Probe,
    ReadsLayers,
    Selective,
    Settled,
    Summary,
    median,
)
from advcore.probes.queries import Queries
from advcore.probes.random_margins import RandomMargins
from advcore.probes.recourse import Recourse
from advcore.probes.rejection import Rejection
from advcore.probes.robustness import Robustness
from advcore.probes.segmented import Segmented
from advcore.probes.shared_curvature import SharedCurvature
from advcore.probes.shifted import Shifted
from advcore.probes.smoothed import Smoothed
from advcore.probes.table import Columns, Table
from advcore.probes.tangent_plane import TangentPlane
from advcore.probes.training_passes import TrainingPasses
from advcore.probes.transfer import Transfer
from advcore.probes.transformations import Transformations
from advcore.probes.verified import Verified
from advcore.probes.word_projection import WordProjection

PROBES: dict[str, type] = {
    "accuracy": Accuracy,
    "robustness": Robustness,
    "masking": Masking,
    "margins": Margins,
    "frequency_map": FrequencyMap,
    "random_margins": RandomMargins,
    "normals": Normals,
    "transfer": Transfer,
    "noise": Noise,
    "curvature": Curvature,
    "shared_curvature": SharedCurvature,
    "shifted": Shifted,
    "fooled_within": FooledWithin,
    "curvature_within": CurvatureWithin,
    "energy": Energy,
    "anisotropy_spectrum": AnisotropySpectrum,
    "boundary": Boundary,
    "landscape": Landscape,
    "smoothed": Smoothed,
    "verified": Verified,
    "curvature_certificate": CurvatureCertificate,
    "exact_distance": ExactDistance,
    "transformations": Transformations,
    "queries": Queries,
    "label_normals": LabelNormals,
    "tangent_plane": TangentPlane,
    "perturbations": Perturbations,
    "examples": Examples,
    "pictures": Pictures,
    "likeness": Likeness,
    "layer_margins": LayerMargins,
    "complexity": Complexity,
    "training_passes": TrainingPasses,
    "alignment": Alignment,
    "attributions": Attributions,
    "attribute_scores": AttributeScores,
    "corruption_bound": CorruptionBound,
    "counterfactuals": Counterfactuals,
    "masks": Masks,
    "fragility": Fragility,
    "map_similarity": MapSimilarity,
    "confidence": Confidence,
    "recourse": Recourse,
    "rejection": Rejection,
    "word_projection": WordProjection,
    "task": OnTask,
    "segmented": Segmented,
    "membership": Membership,
    "anomaly": Anomaly,
}
"""The probes that a study can name by `kind`."""

__all__ = [
    "CALIBRATION",
    "PROBES",
    "Accuracy",
    "Alignment",
    "AnisotropySpectrum",
    "Anomaly",
    "AttributeScores",
    "Attributions",
    "Batch",
    "Boundary",
    "Calibrated",
    "Chart",
    "Columns",
    "Comparison",
    "Complexity",
    "Confidence",
    "CorruptionBound",
    "Counterfactuals",
    "Counting",
    "Curvature",
    "CurvatureCertificate",
    "CurvatureWithin",
    "Curve",
    "Drawing",
    "Energy",
    "ExactDistance",
    "Examples",
    "FooledWithin",
    "Fragility",
    "FrequencyMap",
    "Gallery",
    "HoldsShares",
    "Indexed",
    "LabelNormals",
    "Landscape",
    "LayerMargins",
    "Likeness",
    "Lines",
    "MapSimilarity",
    "Maps",
    "Margins",
    "Mark",
    "Masking",
    "Masks",
    "Membership",
    "Noise",
    "Normals",
    "OnTask",
    "Panel",
    "Perturbations",
    "Pictures",
    "Probe",
    "Queries",
    "RandomMargins",
    "ReadsLayers",
    "Recourse",
    "Rejection",
    "Robustness",
    "Segmented",
    "Selective",
    "Series",
    "Settled",
    "SharedCurvature",
    "Shifted",
    "Smoothed",
    "Summary",
    "Table",
    "TangentPlane",
    "TrainingPasses",
    "Transfer",
    "Transformations",
    "Verified",
    "WordProjection",
    "median",
]
