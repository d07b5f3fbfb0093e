"""Two normal distributions around opposite means.

Source: Schmidt et al. 2018 (Adversarially robust generalization requires more data).
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from advcore.laws.law import check_finite_number, signs, uniform_labels
from advcore.randomness import Randomness


@dataclass(frozen=True)
class TwoGaussians:
    """`x ~ N(y mean, deviation^2 I)`, y -1 or 1 alike: each feature tells as much of the class.

    A linear classifier w has the mean margin `mean sum_j w_j` and errs with probability
    `Phi(-mean sum_j w_j / (deviation ||w||_2))`; with every w_j = 1 that is the least.

    Attributes:
        features: number d of features.
        mean: mean of each feature in the class 1, minus that in the class -1.
        deviation: standard deviation of each feature about its mean.
        shape: shape of an input, (C, H, W) for a picture; a vector of the features when not given.
    """

    features: int = 100
    mean: float = 1.0
    deviation: float = 1.0
    shape: tuple[int, ...] | None = field(default=None, metadata={"later": True})

    box: ClassVar[bool] = False
    classes: ClassVar[tuple[str, ...]] = ("-1", "1")

    def __post_init__(self) -> None:
        if self.features < 1:
            raise ValueError(f"features must be at least 1; got {self.features}")
        check_finite_number("mean", self.mean)
        check_finite_number("deviation", self.deviation)
        if self.deviation < 0:
            raise ValueError(f"deviation must not be negative; got {self.deviation}")
        if self.shape is not None and math.prod(self.shape) != self.features:
            raise ValueError(
                f"shape {list(self.shape)} must hold the {self.features} features; it holds "
                f"{math.prod(self.shape)} numbers"
            )

    def draw(self, randomness: Randomness) -> tuple[Tensor, Tensor]:
        labels = uniform_labels(2, randomness)
        noise = randomness.stream("noise").normal((self.features,))
        inputs = self.mean * signs(labels)[:, None] + self.deviation * noise
        return inputs.view(-1, *(self.shape or (self.features,))), labels
