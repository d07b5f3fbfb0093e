"""Attacks: one call, `attack(classifier, images, criterion, randomness) -> Adversarial`."""

from advcore.attacks.apgd import APGD
from advcore.attacks.apgdt import APGDT
from advcore.attacks.attack import (
    Adversarial,
    Attack,
    BudgetAttack,
    Named,
    Status,
    alike,
    has_budget,
    norm_of,
)
from advcore.attacks.bisection import Bisected, bisect
from advcore.attacks.carlini_wagner import CarliniWagner
from advcore.attacks.ddn import DDN
from advcore.attacks.decisions import GeoDA, HopSkipJump, QFool, RayS, Staircase, SurFree
from advcore.attacks.deepfool import DeepFool
from advcore.attacks.ensemble import StandardEnsemble
from advcore.attacks.enumeration import Enumeration
from advcore.attacks.fgsm import FGSM
from advcore.attacks.fmn import FMN
from advcore.attacks.frank_wolfe import FrankWolfe
from advcore.attacks.greedy import Greedy
from advcore.attacks.grid_search import GridSearch, WorstOfK
from advcore.attacks.lpa import LPA
from advcore.attacks.minimal_norm import MinimalNorm
from advcore.attacks.nearest_unlike import NearestUnlike
from advcore.attacks.pgd import PGD
from advcore.attacks.restarts import Restarts
from advcore.attacks.rounded import Rounded
from advcore.attacks.shortest_path import ShortestPath
from advcore.attacks.smallest_eps import SmallestEps
from advcore.attacks.sparsefool import SparseFool
from advcore.attacks.square import Square
from advcore.attacks.wachter import Wachter
from advcore.attacks.within import Within
from advcore.attacks.worst import Worst
from advcore.attacks.worst_of_threats import WorstOfThreats

ATTACKS: dict[str, type] = {
    "fgsm": FGSM,
    "pgd": PGD,
    "apgd": APGD,
    "apgdt": APGDT,
    "square": Square,
    "frank_wolfe": FrankWolfe,
    "lpa": LPA,
    "grid_search": GridSearch,
    "worst_of_k": WorstOfK,
    "greedy": Greedy,
    "enumeration": Enumeration,
    "restarts": Restarts,
    "worst": Worst,
    "worst_of_threats": WorstOfThreats,
    "within": Within,
    "standard": StandardEnsemble,
    "deepfool": DeepFool,
    "ddn": DDN,
    "fmn": FMN,
    "geoda": GeoDA,
    "hop_skip_jump": HopSkipJump,
    "surfree": SurFree,
    "rays": RayS,
    "qfool": QFool,
    "staircase": Staircase,
    "carlini_wagner": CarliniWagner,
    "sparsefool": SparseFool,
    "minimal_norm": MinimalNorm,
    "bisected": Bisected,
    "smallest_eps": SmallestEps,
    "shortest_path": ShortestPath,
    "rounded": Rounded,
    "nearest_unlike": NearestUnlike,
    "wachter": Wachter,
}
"""The attacks that a study can name by `kind`."""


def kind_and_norm(attack: Attack) -> str:
    """Return the attack's kind and norm as a study writes them, for tables, legends and captions.

    Examples: `minimal_norm-l2`, `bisected-deepfool-l2`, `greedy-top4-flips`, which has a name
    besides; one's own attack by its class.
    """
    kind = next(
        (kind for kind, cls in ATTACKS.items() if cls is type(attack)), type(attack).__name__
    )
    own = f"{kind}-{attack.name}" if isinstance(attack, Named) else kind
    return f"{own}-{'+'.join(map(kind_and_norm, alike(attack))) or norm_of(attack)}"


__all__ = [
    "APGD",
    "APGDT",
    "ATTACKS",
    "DDN",
    "FGSM",
    "FMN",
    "LPA",
    "PGD",
    "Adversarial",
    "Attack",
    "Bisected",
    "BudgetAttack",
    "CarliniWagner",
    "DeepFool",
    "Enumeration",
    "FrankWolfe",
    "GeoDA",
    "Greedy",
    "GridSearch",
    "HopSkipJump",
    "MinimalNorm",
    "NearestUnlike",
    "QFool",
    "RayS",
    "Restarts",
    "Rounded",
    "ShortestPath",
    "SmallestEps",
    "SparseFool",
    "Square",
    "Staircase",
    "StandardEnsemble",
    "Status",
    "SurFree",
    "Wachter",
    "Within",
    "Worst",
    "WorstOfK",
    "WorstOfThreats",
    "bisect",
    "has_budget",
    "kind_and_norm",
]
