"""Distance in the features of the attacked network itself (Laidlaw et al. 2021, self-bounded)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier, logits_of, take_rows
from advcore.layers import weighted_layers
from advcore.logit_gradients import leaf
from advcore.norms import L2, per_sample
from advcore.randomness import Randomness
from advcore.threats.region import Region

GRAM_DIFFERENCE = 1e-3
"""Length of the finite differences of conjugate gradients, l2, pixel units, as in the paper."""


@dataclass(frozen=True)
class Feature:
    """Stay near an input in what the network makes of it.

    The size is `||phi(x') - phi(x)||_2`, phi the outputs of the network's convolutions and linear
    layers but the last, in pictures of unit length over the channels at each place and divided by
    the root of the number of places, one after the other. It is no distance that people see by: no
    study of people stands behind these networks.

    A step is along the gradient g, its length such that the distance grows by the step (from a
    finite difference, as in LPA); the way back is a bisection of the segment to the input, as in
    PPGD. With `conjugate_steps` it is along the v with `J^T J v = g`, J the features' Jacobian,
    which raises the function most for its feature distance: PPGD's step, by as many steps of
    conjugate gradients, 5 in the paper. The passes that measure distances are not counted as
    queries.

    Attributes:
        halvings: halvings of the segment when it is drawn back.
        difference: length of the finite difference, l2, pixel units.
        conjugate_steps: steps of conjugate gradients; 0 for the gradient itself.
    """

    halvings: int = 10
    difference: float = 0.1
    conjugate_steps: int = field(default=0, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.halvings < 1 or not self.difference > 0:
            raise ValueError(
                "halvings must be at least 1 and difference above 0; got "
                f"{self.halvings} and {self.difference}"
            )
        if self.conjugate_steps < 0:
            raise ValueError(f"conjugate_steps must not be negative; got {self.conjugate_steps}")

    @property
    def name(self) -> str:
        return "feature"

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "FeatureRegion":
        """The inputs `(B, *shape)` that may be reached."""
        if not _layers(classifier):
            raise ValueError(
                "feature distance needs a network with convolutions or linear layers before its "
                "last one; the classifier shows none"
            )
        return FeatureRegion(inputs, radius, self, classifier, features(classifier, inputs))


@dataclass(frozen=True, eq=False)
class FeatureRegion(Region):
    """Inputs near others in a network's features. Parameters: the inputs themselves.

    `known` `(B, n)`: the features of `inputs`.
    """

    inputs: Tensor
    radius: Tensor
    threat: Feature
    classifier: Classifier
    known: Tensor

    def rest(self) -> Tensor:
        return self.inputs

    def random(self, randomness: Randomness) -> Tensor:
        noise = randomness.normal(tuple(self.inputs.shape[1:])).to(self.inputs)
        return self.project(self.inputs + 0.01 * noise)

    def apply(self, parameters: Tensor) -> Tensor:
        return parameters

    def through(self, classifier: Classifier) -> Classifier:
        return classifier

    def size(self, parameters: Tensor) -> Tensor:
        return (features(self.classifier, parameters) - self.known).norm(dim=1)

    def project(self, parameters: Tensor) -> Tensor:
        inside = parameters.clamp(0, 1)
        low = torch.zeros_like(self.radius)
        high = torch.ones_like(low)
        far = self.size(inside) > self.radius
        if not far.any():
            return inside
        for _ in range(self.threat.halvings):
            middle = (low + high) / 2
            beyond = self.size(self._between(inside, middle)) > self.radius
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        return self._between(inside, torch.where(far, low, torch.ones_like(low)))

    def _between(self, reached: Tensor, share: Tensor) -> Tensor:
        return torch.lerp(self.inputs, reached, per_sample(share, reached))

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        unit = L2.steepest(self._per_distance(gradient, parameters))
        step = self.threat.difference
        moved = features(self.classifier, parameters + step * unit)
        slope = (moved - features(self.classifier, parameters)).norm(dim=1) / step
        return unit / per_sample(slope.clamp(min=1e-3), unit)

    def _per_distance(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """Return about the v with `J^T J v = gradient`, by conjugate gradients from 0."""
        if not self.threat.conjugate_steps:
            return gradient
        found, left, way = torch.zeros_like(gradient), gradient, gradient
        square = _dot(left, left)
        for _ in range(self.threat.conjugate_steps):
            product = self._gram(way, parameters)
            share = _ratio(square, _dot(way, product), way)
            found, left = found + share * way, left - share * product
            before, square = square, _dot(left, left)
            way = left + _ratio(square, before, way) * way
        return found

    def _gram(self, way: Tensor, parameters: Tensor) -> Tensor:
        """Return `J^T J way`, J by a finite difference of `GRAM_DIFFERENCE` along the way."""
        length = per_sample(way.flatten(1).norm(dim=1), way)
        step = GRAM_DIFFERENCE * torch.where(length > 0, way / length, 0)
        with _listening(self.classifier) as heard, torch.enable_grad():
            inputs = leaf(parameters)
            logits_of(self.classifier, inputs)
            here = _joined(heard, inputs)
        change = features(self.classifier, parameters + step) - here.detach()
        (product,) = torch.autograd.grad(here, inputs, change, materialize_grads=True)
        return product * length / GRAM_DIFFERENCE

    def slope(
        self, parameters: Tensor, value: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient of `value(logits, sizes)`, the sizes `(B,)` and the logits `(B, K)`.

        One pass forward and one back.
        """
        with _listening(self.classifier) as heard, torch.enable_grad():
            inputs = leaf(parameters)
            logits = logits_of(self.classifier, inputs)
            sizes = (_joined(heard, inputs) - self.known).norm(dim=1)
            total = value(logits, sizes).sum()
        if not total.requires_grad:
            return torch.zeros_like(parameters), sizes.detach(), logits.detach()
        (gradient,) = torch.autograd.grad(total, inputs, materialize_grads=True)
        return gradient, sizes.detach(), logits.detach()

    def take(self, index: Tensor) -> "FeatureRegion":
        return replace(
            self,
            inputs=self.inputs[index],
            radius=self.radius[index],
            classifier=take_rows(self.classifier, index),
            known=self.known[index],
        )


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """The inner product of each row, `(B,)`."""
    return (one * other).flatten(1).sum(1)


def _ratio(over: Tensor, under: Tensor, like: Tensor) -> Tensor:
    """Return `over / under` `(B,)` for the rows of `like`, 0 where that divides by nothing."""
    return per_sample(torch.where(under > 0, over / under, 0), like)


def features(classifier: Classifier, inputs: Tensor) -> Tensor:
    """The features `(B, n)` of inputs, without gradients, whose l2 distance is the size."""
    with _listening(classifier) as heard, torch.no_grad():
        logits_of(classifier, inputs)
    return _joined(heard, inputs)


def _joined(heard: list[Tensor], inputs: Tensor) -> Tensor:
    """Join what the layers put out into features `(B, n)`, in the precision of the inputs."""
    return torch.cat([_normalised(own).to(inputs.dtype) for own in heard], 1)


def _normalised(output: Tensor) -> Tensor:
    """Outputs `(B, C, *places)` of unit length over C, as `(B, n)`; others as they are, of it."""
    unit = output / (output.norm(dim=1, keepdim=True) + 1e-10)
    return unit.flatten(1) / unit[0, 0].numel() ** 0.5


def _layers(classifier: Classifier) -> list[nn.Module]:
    return weighted_layers(classifier)[:-1]


@contextmanager
def _listening(classifier: Classifier) -> Iterator[list[Tensor]]:
    """Hear what the layers put out while the classifier is called."""
    heard: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda module, inputs, output: heard.append(output))
        for layer in _layers(classifier)
    ]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
