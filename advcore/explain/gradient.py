"""The gradient as a map (Simonyan et al. 2014), and times the input (Shrikumar et al. 2016)."""

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
    graphed_gradient,
    incompleteness,
    scalar_of,
    value_of,
)
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Gradient:
    """The gradient of the scalar at the input, `ds/dx`, signed (Simonyan et al. 2014).

    Attributes:
        scalar: number that is explained: the label's logit, or its margin over the other logits.
    """

    scalar: ScalarName = "logit"

    def __post_init__(self) -> None:
        check_scalar(self.scalar)

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor,
        randomness: Randomness | None = None,
    ) -> AttributionMaps:
        check_explained(classifier, inputs, labels)
        with full_precision(), frozen(classifier):
            maps = gradient_of(classifier, inputs, scalar_of(self.scalar, labels))
        return AttributionMaps.of_gradients(maps, steps=1)

    def differentiable(self, classifier: Classifier, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the maps `(B, *shape)` with their graph, at inputs that require gradients.

        Call it under `frozen`.
        """
        return graphed_gradient(classifier, inputs, scalar_of(self.scalar, labels))


@dataclass(frozen=True)
class GradientTimesInput:
    """The gradient times the input, `x ds/dx` (Shrikumar et al. 2016).

    Complete to the baseline 0 where the network is piecewise linear without biases; its residual
    says how far it is from that elsewhere.

    Attributes:
        scalar: number that is explained: the label's logit, or its margin over the other logits.
    """

    scalar: ScalarName = "logit"

    def __post_init__(self) -> None:
        check_scalar(self.scalar)

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor,
        randomness: Randomness | None = None,
    ) -> AttributionMaps:
        check_explained(classifier, inputs, labels)
        scalar = scalar_of(self.scalar, labels)
        with full_precision(), frozen(classifier):
            maps = inputs * gradient_of(classifier, inputs, scalar)
            change = value_of(classifier, inputs, scalar) - value_of(
                classifier, torch.zeros_like(inputs), scalar
            )
        steps = torch.ones_like(labels)
        return AttributionMaps(maps, incompleteness(maps, change), change, steps)

    def differentiable(self, classifier: Classifier, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the maps `(B, *shape)` with their graph, at inputs that require gradients.

        Call it under `frozen`.
        """
        return inputs * graphed_gradient(classifier, inputs, scalar_of(self.scalar, labels))
