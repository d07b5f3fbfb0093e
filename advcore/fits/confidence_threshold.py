"""The confidence below which a network's answer is refused (Stutz et al. 2020)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier, check_labels
from advcore.confidence_attack import confidences
from advcore.fits.distances import check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.fits.narrowing import interval, narrowed, points_between
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

POINTS = 1025
"""Thresholds of a round, the ends among them: the interval becomes 1024 times as narrow."""
ROUNDS = 5
"""Rounds after which neighbours differ by less than 1e-15."""


@dataclass(frozen=True)
class ConfidenceThreshold:
    """Learn the largest threshold that a share of the right answers reaches.

    `tau = max {t : #(confidence >= t, right) >= true_positives #(right)}`, an order statistic of
    the largest probabilities of the samples that are labelled right. It should learn from clean
    samples that nothing else is measured on.

    A round counts how many reach each of 1,025 thresholds of an interval, and the next one looks
    between the two neighbours where the share is crossed: counts add up over shards, and after five
    rounds tau is exact to 1e-15.

    Tensors: `threshold` (); `asked` (), `true_positives`; `kept` (), the share of the right ones
    that reach it, which is no less; `right` (), their number. History: `width`, that of the
    interval, a number a round.

    Attributes:
        true_positives: share of the samples labelled right that are accepted at least.
        batch_size: number of samples that go through the network at a time.
    """

    true_positives: float = 0.99
    batch_size: int = 256

    def __post_init__(self) -> None:
        if not 0 < self.true_positives <= 1:
            raise ValueError(f"true_positives must lie in (0, 1]; got {self.true_positives}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {self.batch_size}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"threshold": (), "asked": (), "kept": (), "right": ()}

    def start(self, samples: FitSamples) -> FitState:
        return interval(0.0, 1.0, samples)

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_labels(batch.labels, len(batch.inputs), int(state.tensors["classes"]))
        points = points_between(state, POINTS)
        counts, right = torch.zeros(POINTS, dtype=torch.float64), 0
        for some in chunks(batch, self.batch_size):
            confidence, predicted = confidences(classifier, some.inputs)
            own = confidence[predicted == some.labels].cpu().sort().values
            counts += len(own) - torch.searchsorted(own, points)
            right += len(own)
        return {"reached": counts, "right": torch.tensor(float(right), dtype=torch.float64)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        right = int(sums["right"])
        if not right:
            raise ValueError(
                f"none of {samples.count} samples is labelled right, so there is no threshold that "
                "a share of them reaches: take another network, or other samples"
            )
        wanted = math.ceil(self.true_positives * right - 1e-9)
        points, last = points_between(state, POINTS), int((sums["reached"] >= wanted).sum()) - 1
        pair = points[min(last, POINTS - 2) :][:2]
        following = narrowed(state, pair)
        if following.rounds < ROUNDS and last < POINTS - 1:
            return following
        tensors = {
            "threshold": points[last],
            "asked": torch.tensor(self.true_positives, dtype=torch.float64),
            "kept": sums["reached"][last] / right,
            "right": sums["right"],
        }
        return FitState(tensors, following.rounds, True, following.history)
