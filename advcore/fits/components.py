"""Principal components of the inputs: the directions along which data vary most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from advcore.classifier import Classifier
from advcore.fits.class_statistics import ClassStatistics
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Components:
    """Learn the principal components of the inputs; no network is looked at.

    They are the leading eigenvectors of the covariance `mean_b (x_b - m)(x_b - m)^T` of all samples
    b, whatever their labels: those that `class_statistics` learns of one class that has them all.

    Tensors: `directions` (k, *shape), orthonormal, the leading one first, signed so that the entry
    of largest magnitude is positive; `variance` (k,), along each, 0 where the samples span fewer;
    `mean` (*shape); `trace` (), the variance in all directions together; `residual` (k,). History:
    `residual`, the largest as a share of the largest variance, a number a round but for the first.

    Attributes:
        directions: number of directions.
        tolerance: residual at which it ends, as a share of the largest variance.
        rounds: largest number of rounds, at least 2.
        extra: further vectors of a block, which quicken convergence.
        batch_size: number of samples that are taken at a time; memory depends on it.
    """

    directions: int = 50
    tolerance: float = 1e-3
    rounds: int = 10
    extra: int = 5
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.directions < 1:
            raise ValueError(f"directions must be at least 1; got {self.directions}")
        self._statistics()

    def _statistics(self) -> ClassStatistics:
        return ClassStatistics(
            rank=self.directions,
            tolerance=self.tolerance,
            rounds=self.rounds,
            extra=self.extra,
            batch_size=self.batch_size,
        )

    def validate(self, samples: FitSamples) -> None:
        self._statistics().validate(samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        k, shape = self.directions, samples.shape
        directions = {"directions": (k, *shape), "variance": (k,), "residual": (k,)}
        return {**directions, "mean": shape, "trace": ()}

    def start(self, samples: FitSamples) -> FitState:
        return self._statistics().start(replace(samples, classes=1))

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        alike = replace(batch, labels=torch.zeros_like(batch.labels))
        return self._statistics().share(classifier, alike, state, randomness)

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        following = self._statistics().after(replace(samples, classes=1), state, sums)
        if not following.done:
            return following
        learnt = following.tensors
        tensors = {
            "directions": learnt["axes"][0],
            "variance": learnt["variance"][0],
            "residual": learnt["residual"][0],
            "mean": learnt["shared_mean"],
            "trace": learnt["trace"][0],
        }
        return replace(following, tensors=tensors)
