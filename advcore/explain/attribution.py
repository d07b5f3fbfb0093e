"""The seam of attributions: maps of what in an input a classifier's answer rests on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from advcore.classifier import (
    Classifier,
    check_batch,
    check_labels,
    first_logits,
    frozen,
    logits_of,
)
from advcore.criteria import Untargeted
from advcore.logit_gradients import differentiate, has_gradient
from advcore.modules import twice_differentiable
from advcore.objectives import logit_margin
from advcore.randomness import Randomness

ScalarName = Literal["logit", "margin"]
"""A name of the number that is explained: the label's logit `z_y`, or its margin `z_y - max_{k !=
y} z_k`, which is positive where y is predicted."""

Scalar = Callable[[Tensor], Tensor]
"""A function of the logits `(B, K)` to the number that is explained, `(B,)`."""


@dataclass(frozen=True, eq=False)
class AttributionMaps:
    """Maps of a batch, and how far they are from complete.

    - `maps` `(B, *shape)`, signed: the share of each input number in the scalar that is explained;
      a gradient's is per pixel unit.
    - `residual` `(B,)`: `|sum of the map - (s(x) - s(x'))|` for the scalar s and the baseline x'
      (Sundararajan et al. 2017, completeness), in logits; NaN of a method that promises no sum.
    - `change` `(B,)`: `s(x) - s(x')`, in logits; NaN likewise.
    - `steps` `(B,)` int64: gradients taken for the sample's own map; 0 where they were not counted.
    """

    maps: Tensor
    residual: Tensor
    change: Tensor
    steps: Tensor

    @staticmethod
    def of_gradients(maps: Tensor, steps: int) -> "AttributionMaps":
        """The maps of a method that promises no sum."""
        nothing = maps.new_full((len(maps),), torch.nan)
        return AttributionMaps(
            maps, nothing, nothing, torch.full_like(nothing, steps, dtype=torch.int64)
        )


class Attribution(Protocol):
    """A frozen dataclass of settings; calling it explains a batch.

    Model, mode, parameter gradients, inputs and the global random state are left as they were.
    """

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor,
        randomness: Randomness | None = None,
    ) -> AttributionMaps:
        """Explain the scalar of `labels` `(B,)` at inputs `(B, *shape)`.

        `randomness` keys the noise; None means seed 0 and the place in the batch.
        """


def check_scalar(name: str) -> None:
    """Raise ValueError unless `name` is that of a scalar."""
    if name not in get_args(ScalarName):
        raise ValueError(f"scalar must be one of {', '.join(get_args(ScalarName))}; got {name!r}")


def scalar_of(name: ScalarName, labels: Tensor) -> Scalar:
    """The scalar of that name, for one label `(B,)` each sample."""
    if name == "logit":
        return lambda logits: logits.gather(1, labels[:, None])[:, 0]
    return lambda logits: -logit_margin(logits, Untargeted(labels))


def check_explained(classifier: Classifier, inputs: Tensor, labels: Tensor) -> None:
    """Raise ValueError for inputs, logits or labels that do not fit each other."""
    check_batch(inputs)
    with frozen(classifier):
        logits = first_logits(classifier, inputs)
    check_labels(labels, len(inputs), logits.shape[1])


def gradient_of(classifier: Classifier, inputs: Tensor, scalar: Scalar) -> Tensor:
    """Return `ds/dx` `(B, *shape)`, detached."""
    return differentiate(classifier, inputs, scalar)[0]


def graphed_gradient(classifier: Classifier, inputs: Tensor, scalar: Scalar) -> Tensor:
    """Return `ds/dx` `(B, *shape)` at inputs that require gradients, with its own graph.

    It is 0, with a warning, where the classifier lets none through.
    """
    with twice_differentiable():
        value = scalar(logits_of(classifier, inputs))
    if not has_gradient(value):
        return torch.zeros_like(inputs).detach()
    return torch.autograd.grad(value.sum(), inputs, create_graph=True, materialize_grads=True)[0]


def value_of(classifier: Classifier, inputs: Tensor, scalar: Scalar) -> Tensor:
    """Return `s(x)` `(B,)`, detached."""
    with torch.no_grad():
        return scalar(logits_of(classifier, inputs))


def incompleteness(maps: Tensor, change: Tensor) -> Tensor:
    """Return `|sum of the map - change|` `(B,)`, summed in float64."""
    return (maps.flatten(1).double().sum(1) - change).abs().to(maps.dtype)
