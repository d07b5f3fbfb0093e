"""A fresh classifier of labels from a network's representation, for what that still tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_batch, full_precision
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.fits.logistic_regression import newton_step, newton_sums
from advcore.layers import LAST
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.representation import features_of, units_of

CONSTANT = 1e-12
"""Variance of a unit, in its mean square, up to which it is constant, but for rounding."""


@dataclass(frozen=True)
class AttributeClassifier:
    """Fit a logistic regression of a data set's label on a layer of a network.

    Give it a data set whose labels are the attribute, `{kind: relabelled, column: sex}` say; the
    network has learnt others, and is left as it is. Its features are the layer's units,
    standardised over the samples (one that is constant is centred alone), and `hidden` random ReLUs
    of them (random features of Rahimi and Recht 2008), which tell what no linear function does. The
    first round sums moments, each other one is a step of Newton's method on the mean loss with a
    small ridge: the optimum is one, so no seed of a training blurs it. What it cannot tell a better
    one may: it bounds from below.

    Tensors: `count` (), the number n of units; and, not declared, for n is the network's, `mean`,
    `spread` (n,), `projection` (hidden, n + 1), `weights` (n + hidden + 1,). History: `loss`, in
    nats, a number a round but for the first.

    Attributes:
        positive: number of the class that is told from all others.
        layer: name of the layer whose input is read, `last` for the penultimate representation.
        hidden: number of random features beside the units, 0 for a linear classifier.
        rounds: number of Newton steps.
    """

    positive: int = 1
    layer: str = LAST
    hidden: int = 128
    rounds: int = 8

    def __post_init__(self) -> None:
        if self.hidden < 0 or self.rounds < 1:
            raise ValueError(
                f"hidden must be at least 0, rounds at least 1; got {self.hidden}, {self.rounds}"
            )

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        if not 0 <= self.positive < samples.classes:
            raise ValueError(
                f"positive must be the number of a class, below {samples.classes}; got "
                f"{self.positive}"
            )

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"count": ()}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        units = units_of(classifier, batch.inputs, self.layer)
        count = torch.tensor(float(len(units)), dtype=torch.float64)
        if "mean" not in state.tensors:
            return {"count": count, "total": units.sum(0), "squares": units.square().sum(0)}
        features = features_of(units, state.tensors)
        targets = (batch.labels.cpu() == self.positive).double()[:, None]
        with full_precision():
            loss, gradient, hessian = newton_sums(features, targets, state.tensors["newton"])
        return {"loss": loss, "gradient": gradient, "hessian": hessian, "count": count}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        own = {name: one.cpu().double() for name, one in sums.items()}
        count = float(own["count"])
        if "mean" not in state.tensors:
            return FitState(self._standardised(own, count, samples.seed), 1)
        weights = newton_step(own["gradient"], own["hessian"], state.tensors["newton"], count)
        history = {"loss": (*state.history.get("loss", ()), float(own["loss"].mean()) / count)}
        tensors = {**state.tensors, "newton": weights}
        if state.rounds < self.rounds:
            return FitState(tensors, state.rounds + 1, history=history)
        del tensors["newton"]
        tensors["weights"] = weights[0].float()
        return FitState(tensors, state.rounds + 1, True, history)

    def _standardised(
        self, sums: Mapping[str, Tensor], count: float, seed: int
    ) -> dict[str, Tensor]:
        """Return the tensors after the first round: how units are standardised, and projected."""
        mean = sums["total"] / count
        square = sums["squares"] / count
        variance = square - mean.square()
        constant = variance <= CONSTANT * square
        spread = torch.where(constant, 1.0, variance.clamp(min=0).sqrt())
        units = len(mean)
        one = Randomness(seed, torch.zeros(1, dtype=torch.int64))
        drawn = one.stream("features").normal((self.hidden, units + 1))[0].float()
        return {
            "count": torch.tensor(units),
            "mean": mean.float(),
            "spread": spread.float(),
            "projection": drawn / (units + 1) ** 0.5,
            "newton": torch.zeros(1, units + self.hidden + 1, dtype=torch.float64),
        }
