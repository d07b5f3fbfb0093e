"""Tables that are made of the rows of probes, once all of these are there."""

from advcore.pipelines.tables.changed import Changed
from advcore.pipelines.tables.corruption_error import MeanCorruptionError
from advcore.pipelines.tables.disparity import Disparity
from advcore.pipelines.tables.frechet import FrechetDistance
from advcore.pipelines.tables.gap_prediction import GapPrediction
from advcore.pipelines.tables.groups import Groups
from advcore.pipelines.tables.kinds import Drawn, MakesShares, Part, TableKind
from advcore.pipelines.tables.main_effects import MainEffects
from advcore.pipelines.tables.matched import Matched
from advcore.pipelines.tables.mean import Mean
from advcore.pipelines.tables.mean_among import MeanAmong
from advcore.pipelines.tables.mean_by_sample import MeanBySample
from advcore.pipelines.tables.membership import MembershipInference
from advcore.pipelines.tables.outside import Outside
from advcore.pipelines.tables.rank_correlations import RankCorrelations
from advcore.pipelines.tables.scores import Scores
from advcore.pipelines.tables.spread import Spread

TABLES: dict[str, type] = {
    "mean": Mean,
    "mean_by_sample": MeanBySample,
    "mean_among": MeanAmong,
    "scores": Scores,
    "spread": Spread,
    "matched": Matched,
    "main_effects": MainEffects,
    "groups": Groups,
    "disparity": Disparity,
    "changed": Changed,
    "gap_prediction": GapPrediction,
    "frechet_distance": FrechetDistance,
    "outside": Outside,
    "membership": MembershipInference,
    "mean_corruption_error": MeanCorruptionError,
    "rank_correlations": RankCorrelations,
}
"""The tables that a study can name by `kind`."""

__all__ = [
    "TABLES",
    "Changed",
    "Disparity",
    "Drawn",
    "FrechetDistance",
    "GapPrediction",
    "Groups",
    "MainEffects",
    "MakesShares",
    "Matched",
    "Mean",
    "MeanAmong",
    "MeanBySample",
    "MeanCorruptionError",
    "MembershipInference",
    "Outside",
    "Part",
    "RankCorrelations",
    "Scores",
    "Spread",
    "TableKind",
]
