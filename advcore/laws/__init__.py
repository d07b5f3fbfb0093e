"""Laws: distributions of labelled samples whose truths are known in closed form."""

from advcore.laws.law import Law
from advcore.laws.spheres import Spheres
from advcore.laws.strong_and_weak import StrongAndWeak
from advcore.laws.two_gaussians import TwoGaussians

LAWS: dict[str, type] = {
    "gaussian": TwoGaussians,
    "strong_and_weak": StrongAndWeak,
    "spheres": Spheres,
}
"""The laws that a data set `synthetic` can name by `kind`."""

__all__ = ["LAWS", "Law", "Spheres", "StrongAndWeak", "TwoGaussians"]
