"""One feature that tells the class strongly, and many that tell it weakly.

Source: Tsipras et al. 2019 (Robustness may be at odds with accuracy), section 2.1.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore.laws.law import check_finite_number, signs, uniform_labels
from advcore.randomness import Randomness


@dataclass(frozen=True)
class StrongAndWeak:
    """`x_1 = y` with probability `strong`, else `-y`; `x_2, ..., x_(d+1) ~ N(eta y, 1)`.

    The mean of the weak features has the sign of y with probability `Phi(eta sqrt(d))`: .977 at
    `eta = 2 / sqrt(d)`, more than `strong`. A change of `2 eta` in linf turns their means about, so
    that it has it with probability `Phi(-eta sqrt(d))`, .023; x_1 keeps its sign below 1.

    Attributes:
        weak: number d of weak features, which come behind the strong one.
        eta: mean of a weak feature in the class 1, minus that in the class -1; `2 / sqrt(d)` when
            null.
        strong: probability that the strong feature has the sign of the class, in [0, 1].
    """

    weak: int = 100
    eta: float | None = None
    strong: float = 0.95

    box: ClassVar[bool] = False
    classes: ClassVar[tuple[str, ...]] = ("-1", "1")

    def __post_init__(self) -> None:
        if self.weak < 1:
            raise ValueError(f"weak, a number of features, must be at least 1; got {self.weak}")
        if self.eta is not None:
            check_finite_number("eta", self.eta)
        check_finite_number("strong", self.strong)
        if not 0 <= self.strong <= 1:
            raise ValueError(f"strong, a probability, must lie in [0, 1]; got {self.strong}")

    @property
    def mean(self) -> float:
        """The mean of a weak feature in the class 1."""
        return 2 / math.sqrt(self.weak) if self.eta is None else self.eta

    def draw(self, randomness: Randomness) -> tuple[Tensor, Tensor]:
        labels = uniform_labels(2, randomness)
        own = signs(labels)[:, None]
        kept = randomness.stream("strong").uniform((1,)) < self.strong
        noise = randomness.stream("noise").normal((self.weak,))
        return torch.cat([torch.where(kept, own, -own), self.mean * own + noise], 1), labels
