"""Attacks that see labels alone, each query counted."""

from advcore.attacks.decisions.geoda import GeoDA
from advcore.attacks.decisions.hop_skip_jump import HopSkipJump
from advcore.attacks.decisions.qfool import QFool
from advcore.attacks.decisions.rays import RayS
from advcore.attacks.decisions.staircase import Staircase
from advcore.attacks.decisions.surfree import SurFree

__all__ = ["GeoDA", "HopSkipJump", "QFool", "RayS", "Staircase", "SurFree"]
