"""The gradient averaged over noisy copies of the input (Smilkov et al. 2017, SmoothGrad)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen, full_precision
from advcore.explain.attribution import (
    AttributionMaps,
    ScalarName,
    check_explained,
    check_scalar,
    gradient_of,
    scalar_of,
)
from advcore.randomness import Randomness


@dataclass(frozen=True)
class SmoothedGradient:
    """The mean of the gradient over Gaussian noise, `mean_j ds/dx (x + sigma v_j)`.

    Noisy inputs are not clipped. The noise is keyed by seed and sample, so a map does not depend on
    batch mates; its Monte Carlo error falls with the root of `draws`.

    Attributes:
        scalar: number that is explained: the label's logit, or its margin over the other logits.
        sigma: standard deviation of a number's noise, pixel units.
        draws: number of noisy copies of each sample.
    """

    scalar: ScalarName = "logit"
    sigma: float = 0.15
    draws: int = 32

    def __post_init__(self) -> None:
        check_scalar(self.scalar)
        if not 0 < self.sigma < math.inf:
            raise ValueError(f"sigma must be positive, in pixel units; got {self.sigma}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor,
        randomness: Randomness | None = None,
    ) -> AttributionMaps:
        check_explained(classifier, inputs, labels)
        if randomness is None:
            randomness = Randomness(0, torch.arange(len(inputs), device=inputs.device))
        scalar, total = scalar_of(self.scalar, labels), torch.zeros_like(inputs)
        with full_precision(), frozen(classifier):
            for draw in range(self.draws):
                noise = randomness.stream("smoothed_gradient", draw).normal(inputs.shape[1:])
                total += gradient_of(classifier, inputs + self.sigma * noise.to(inputs), scalar)
        return AttributionMaps.of_gradients(total / self.draws, steps=self.draws)
