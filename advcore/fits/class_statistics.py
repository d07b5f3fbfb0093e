"""Mean and covariance of the inputs of each class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_batch, check_labels, full_precision, predict
from advcore.fits.block_iteration import Ritz, advance, first_block, leading_pairs
from advcore.fits.curved_directions import Labels
from advcore.fits.distances import check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

DENSE = 2**23
"""Largest count of numbers in all covariances at which they are summed: 32 MB a share."""
BLOCKS = ("block", "basis", "images")


@dataclass(frozen=True)
class ClassStatistics:
    """Learn the mean of each class, and its covariance by its leading axes.

    The covariance of class k is `mean_b (x_b - m_k) (x_b - m_k)^T` over its samples b. It is about
    `sum_i variance_ki axis_ki axis_ki^T` and, in what is orthogonal to the axes, `(trace_k - sum_i
    variance_ki) / (D - rank)` times the identity.

    The first round gives counts and means, the second sums what is centred by them. Covariances
    that have at most 2^23 numbers together, ten of 28 x 28 inputs say, are summed as they are, and
    the result is exact; others are multiplied with a block of vectors a class, a round each; see
    `advcore.fits.block_iteration`.

    Tensors: `count` (K,); `mean` (K, *shape), 0 of a class without samples; `shared_mean` (*shape),
    of all samples; `axes` (K, rank, *shape), orthonormal in each class, the leading one first,
    signed so that the entry of largest magnitude is positive; `variance` (K, rank), 0 where a class
    spans fewer; `trace` (K,), of the whole covariance; `residual` (K, rank). History: `residual`,
    the largest as a share of its class's largest variance, a number a round but for the first.

    Attributes:
        rank: number of axes of each class.
        labels: labels that part the samples into classes: the true ones, or the predicted.
        tolerance: residual at which it ends, as a share of the largest variance of the class.
        rounds: largest number of rounds, at least 2.
        extra: further vectors of a block, which quicken convergence.
        batch_size: number of samples that are taken at a time; memory depends on it.
    """

    rank: int = 10
    labels: Labels = "true"
    tolerance: float = 1e-3
    rounds: int = 10
    extra: int = 5
    batch_size: int = 32

    def __post_init__(self) -> None:
        for name, least in (("rank", 1), ("rounds", 2), ("extra", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}; got {getattr(self, name)}")
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance must be a positive number; got {self.tolerance}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        if self.rank > math.prod(samples.shape):
            raise ValueError(
                f"rank must not exceed the inputs' dimension, {math.prod(samples.shape)}; got "
                f"{self.rank}"
            )

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        classes, shape, axes = samples.classes, samples.shape, (samples.classes, self.rank)
        means = {"count": (classes,), "mean": (classes, *shape), "shared_mean": shape}
        leading = {"axes": (*axes, *shape), "variance": axes, "residual": axes}
        return {**means, **leading, "trace": (classes,)}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({"classes": torch.tensor(samples.classes)})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        total: dict[str, Tensor] = {}
        with full_precision():
            for some in chunks(batch, self.batch_size):
                labels = self._labels(classifier, some, int(state.tensors["classes"]))
                own = _moments(some.inputs.flatten(1), labels, state)
                total = {name: total[name] + one for name, one in own.items()} if total else own
        return total

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        sums = {name: one.cpu().double() for name, one in sums.items()}
        if "mean" not in state.tensors:
            return self._with_means(samples, state, sums)
        count = state.tensors["count"].double().clamp(min=1)
        moments = sums["products"] / count[:, None, None]
        pairs = self._pairs(state, moments)
        residual = max(one.residual for one in pairs)
        history = {"residual": (*state.history.get("residual", ()), residual)}
        if residual > self.tolerance and state.rounds + 1 < self.rounds:
            blocks = {name: torch.stack([one.blocks[name] for one in pairs]) for name in BLOCKS}
            return FitState({**state.tensors, **blocks}, state.rounds + 1, history=history)
        shape = samples.shape
        tensors = {
            "count": state.tensors["count"],
            "mean": state.tensors["mean"].view(-1, *shape),
            "shared_mean": state.tensors["shared_mean"].view(shape),
            "axes": torch.stack([one.vectors for one in pairs]).view(-1, self.rank, *shape),
            "variance": torch.stack([one.values for one in pairs]).clamp(min=0).float(),
            "trace": (sums["squares"] / count).float(),
            "residual": torch.stack([one.residuals for one in pairs]).float(),
        }
        return FitState(tensors, state.rounds + 1, True, history)

    def _labels(self, classifier: Classifier, batch: Batch, classes: int) -> Tensor:
        if self.labels == "predicted":
            return predict(classifier, batch.inputs)
        check_labels(batch.labels, len(batch.inputs), classes)
        return batch.labels

    def _with_means(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        count, total = sums["count"], sums["total"]
        classes, dimension = total.shape
        tensors = {
            "classes": state.tensors["classes"],
            "count": count.long(),
            "mean": (total / count.clamp(min=1)[:, None]).float(),
            "shared_mean": (total.sum(0) / count.sum()).float(),
        }
        if classes * dimension**2 > DENSE:
            size = min(self.rank + self.extra, dimension)
            block = first_block(size, dimension, samples.seed)["block"]
            tensors["block"] = block.repeat(classes, 1, 1)
        return FitState(tensors, 1)

    def _pairs(self, state: FitState, moments: Tensor) -> list[Ritz]:
        """Return the leading pairs of each class."""
        if "block" not in state.tensors:
            return [leading_pairs(moment, self.rank) for moment in moments]
        size = min(self.rank + self.extra, moments.shape[2])
        known = [name for name in BLOCKS if name in state.tensors]
        return [
            advance(
                {name: state.tensors[name][k] for name in known}, moment, self.rank, size, "largest"
            )
            for k, moment in enumerate(moments)
        ]


def _moments(inputs: Tensor, labels: Tensor, state: FitState) -> dict[str, Tensor]:
    """Return the sums of some inputs `(B, D)` by class: first moments, then centred second ones."""
    classes = int(state.tensors["classes"])
    if "mean" not in state.tensors:
        total = inputs.new_zeros(classes, inputs.shape[1]).index_add_(0, labels, inputs)
        return {"count": labels.bincount(minlength=classes).to(inputs.dtype), "total": total}
    centred = inputs - state.tensors["mean"].to(inputs)[labels]
    block = state.tensors.get("block")
    rows = inputs.shape[1] if block is None else block.shape[1]
    products = inputs.new_zeros(classes, rows, inputs.shape[1])
    for k in labels.unique().tolist():
        own = centred[labels == k]
        products[k] = own.mT @ own if block is None else (block[k].to(own) @ own.mT) @ own
    squares = inputs.new_zeros(classes).index_add_(0, labels, centred.square().sum(1))
    return {"products": products, "squares": squares}
