"""The subspace of a table that tells protected attributes (SenSR).

Source: Yurochkin, Bower and Sun 2020, Training individually fair ML models with sensitive subspace
robustness, section 4 and appendix.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_batch, full_precision
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.fits.logistic_regression import newton_step, newton_sums
from advcore.one_hot import check_entries, check_entries_of
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

MIDDLE = 0.5
"""Value of an entry of a one-hot column above which a sample has that category."""


@dataclass(frozen=True)
class SensitiveDirections:
    """Learn the directions along which inputs differ that differ in a protected attribute.

    The protected attributes are entries of the input, those of one-hot columns. The directions are
    these entries themselves; and the coefficients of a ridge logistic regression of each entry on
    all others that are not protected, so what other features say of it. They are made orthonormal
    in that order. An attack in their span, the threat model `along` with `box: false`, is that of
    SenSR, whose fair metric is 0 in it.

    The two entries of a column of two categories have the same regression with another sign: name
    one of them in `predicted`. No network is looked at.

    Tensors: `directions` (k, *shape), orthonormal; `coefficients` (regressions, *shape), as fitted.
    History: `loss`, the mean over regressions, in nats, a number a round.

    Attributes:
        entries: numbers of the protected entries of an input.
        predicted: numbers of those entries that have a regression, one for each column of two
            categories; all where none is given.
        rounds: number of Newton steps.
    """

    entries: tuple[int, ...]
    predicted: tuple[int, ...] = ()
    rounds: int = 8

    def __post_init__(self) -> None:
        check_entries(self.entries, 1)
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1; got {self.rounds}")
        if self.predicted:
            check_entries(self.predicted, 1, "predicted")
        if not set(self.predicted) <= set(self.entries):
            raise ValueError(
                f"predicted must be among entries, {list(self.entries)}; got {list(self.predicted)}"
            )

    @property
    def _targets(self) -> list[int]:
        return list(self.predicted or self.entries)

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        check_entries_of(self.entries, samples.shape)
        free = math.prod(samples.shape) - len(self.entries)
        if len(self._targets) > free:
            raise ValueError(
                f"{len(self._targets)} regressions need as many entries that are not protected; "
                f"inputs have {free}"
            )

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        regressions = len(self._targets)
        return {
            "directions": (len(self.entries) + regressions, *samples.shape),
            "coefficients": (regressions, *samples.shape),
        }

    def start(self, samples: FitSamples) -> FitState:
        size = (len(self._targets), math.prod(samples.shape) + 1)  # the last is the intercept
        return FitState({"weights": torch.zeros(size, dtype=torch.float64)})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        inputs = batch.inputs.flatten(1).cpu().double()
        targets = (inputs[:, self._targets] > MIDDLE).double()
        features = self._without_protected(inputs)
        with full_precision():
            loss, gradient, hessian = newton_sums(features, targets, state.tensors["weights"])
        count = torch.tensor(float(len(inputs)), dtype=torch.float64)
        sums = {"loss": loss, "gradient": gradient, "hessian": hessian, "count": count}
        return {**sums, "inside": targets.sum(0)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        own = {name: one.cpu().double() for name, one in sums.items()}
        count = float(own["count"])
        self._check_categories(own["inside"], count)
        weights = newton_step(own["gradient"], own["hessian"], state.tensors["weights"], count)
        loss = float(own["loss"].mean()) / count
        history = {"loss": (*state.history.get("loss", ()), loss)}
        if state.rounds + 1 < self.rounds:
            return FitState({"weights": weights}, state.rounds + 1, history=history)
        coefficients = weights[:, :-1]
        tensors = {
            "directions": self._directions(coefficients).float().view(-1, *samples.shape),
            "coefficients": coefficients.float().view(-1, *samples.shape),
        }
        return FitState(tensors, state.rounds + 1, True, history)

    def _check_categories(self, inside: Tensor, count: float) -> None:
        """Raise ValueError where no sample, or each, has one of the categories predicted."""
        for entry, own in zip(self._targets, inside.tolist(), strict=True):
            if not 0 < own < count:
                raise ValueError(
                    f"{own:.0f} of {count:.0f} samples have the category of entry {entry}: some "
                    "must, and others not, for a regression of it"
                )

    def _without_protected(self, inputs: Tensor) -> Tensor:
        """Return the features of the regressions, protected entries set to 0, with a last 1."""
        features = inputs.clone()
        features[:, list(self.entries)] = 0
        return torch.cat([features, torch.ones_like(features[:, :1])], 1)

    def _directions(self, coefficients: Tensor) -> Tensor:
        """Return the protected entries and the coefficients as orthonormal rows.

        Raises ValueError where the coefficients span fewer directions than there are regressions,
        and where other features say nothing at all.
        """
        axes = torch.eye(coefficients.shape[1], dtype=torch.float64)[list(self.entries)]
        norms = coefficients.norm(dim=1, keepdim=True)
        if not (norms > 0).all():
            raise ValueError(
                "coefficients are all 0: inputs have no feature that varies but the protected ones"
            )
        if torch.linalg.svdvals(coefficients / norms)[-1] < 1e-6:
            raise ValueError(
                "the regressions of the entries predicted are not independent, as those of both "
                "entries of a column of two are: name one of them in predicted"
            )
        return torch.linalg.qr(torch.cat([axes, coefficients]).mT).Q.mT
