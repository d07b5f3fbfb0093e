"""Claims: expectations of numbers, each with an estimate, its 95 % interval and a verdict."""

from advcore.pipelines.claims.among import Among
from advcore.pipelines.claims.bound import Bound
from advcore.pipelines.claims.each import each_of
from advcore.pipelines.claims.grid import Grid, Numbers
from advcore.pipelines.claims.interior import Interior
from advcore.pipelines.claims.kinds import CLAIMS, Claim, OfNumbers, OfTwoModels
from advcore.pipelines.claims.labels import check_labels
from advcore.pipelines.claims.masking import MaskingWarnings
from advcore.pipelines.claims.measured import Measured, Verdict, expected, judge
from advcore.pipelines.claims.one_model import Level, Power, Trend
from advcore.pipelines.claims.permutation import Permutation
from advcore.pipelines.claims.ratio import Ratio
from advcore.pipelines.claims.rows import Tables
from advcore.pipelines.claims.slope import Slope
from advcore.pipelines.claims.two_columns import Correlation
from advcore.pipelines.claims.two_models import Difference, Share

__all__ = [
    "CLAIMS",
    "Among",
    "Bound",
    "Claim",
    "Correlation",
    "Difference",
    "Grid",
    "Interior",
    "Level",
    "MaskingWarnings",
    "Measured",
    "Numbers",
    "OfNumbers",
    "OfTwoModels",
    "Permutation",
    "Power",
    "Ratio",
    "Share",
    "Slope",
    "Tables",
    "Trend",
    "Verdict",
    "check_labels",
    "each_of",
    "expected",
    "judge",
]
