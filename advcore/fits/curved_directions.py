"""Directions along which the loss is curved at many samples at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore.classifier import (
    Classifier,
    check_batch,
    check_labels,
    first_logits,
    frozen,
    full_precision,
)
from advcore.curvature import cross_entropy_of, input_hessian
from advcore.fits.block_iteration import Order, Ritz, advance, advance_anew, first_block, measured
from advcore.fits.distances import check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Labels = Literal["true", "predicted"]


@dataclass(frozen=True)
class CurvedDirections:
    """Learn the leading eigenvectors of the mean input Hessian of cross-entropy over the samples.

    Source: Moosavi-Dezfooli et al. 2018, section 4. Each round multiplies a block of vectors with
    the Hessian of every sample, which is never formed; see `advcore.fits.block_iteration`. It ends
    once all residuals `||H v - value v||` are below the tolerance, or after so many rounds: then
    the residuals tell what is not settled.

    At a length h a product is a difference of gradients, `||v|| (g(x + h u) - g(x - h u)) / 2h`
    with `u = v / ||v||`: what a piecewise linear network bends by over its pieces, another quantity
    for another h. It is not additive in v, so there are no eigenvectors in the strict sense and
    residuals stay above some share, the smaller the more samples there are; the rounds end it. A
    last one measures what was found: the Rayleigh quotients, which are the mean curvatures along
    each vector at that length, and the residuals. No box: ends may leave it.

    A loss that curves upwards along a direction, on both sides, is what bends boundaries towards
    the samples: so the largest eigenvalues lead, with their signs.

    Tensors: `directions` (k, *shape), orthonormal, the leading one first, signed so that the entry
    of largest magnitude is positive; `curvature` (k,), Rayleigh quotients, loss per pixel unit
    squared; `residual` (k,). History, a number a round: `residual`, the largest as a share of the
    largest quotient; `largest` and `smallest`, of the k quotients.

    Attributes:
        directions: number of directions.
        step: length h of the differences, l2, pixel units; null for the exact Hessian.
        order: leading eigenvalues: the largest, or those of the largest magnitude.
        labels: labels of the cross-entropy: the true ones, or the predicted.
        tolerance: residual at which it ends, as a share of the largest quotient.
        rounds: largest number of rounds; at a length at least 2, the last of which measures.
        extra: further vectors of a block, which quicken convergence.
        batch_size: number of samples that go through the network at a time; memory depends on it.
    """

    directions: int = 20
    step: float | None = None
    order: Order = "largest"
    labels: Labels = "true"
    tolerance: float = 1e-3
    rounds: int = 8
    extra: int = 5
    batch_size: int = 32

    def __post_init__(self) -> None:
        for name in ("directions", "rounds", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.extra < 0:
            raise ValueError(f"extra must not be negative; got {self.extra}")
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance must be a positive number; got {self.tolerance}")
        if self.step is not None and not 0 < self.step < math.inf:
            raise ValueError(
                "step must be a positive length in pixel units, null for the exact Hessian; got "
                f"{self.step}"
            )
        if self.step is not None and self.rounds < 2:
            raise ValueError(
                f"rounds must be at least 2 at a length, the last of which measures; got "
                f"{self.rounds}"
            )

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        check_directions(self.directions, samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        k = self.directions
        return {"directions": (k, *samples.shape), "curvature": (k,), "residual": (k,)}

    def start(self, samples: FitSamples) -> FitState:
        dimension = math.prod(samples.shape)
        return FitState(first_block(self._size(dimension), dimension, samples.seed))

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        vectors = state.tensors["block"].to(batch.inputs)
        products = torch.zeros_like(vectors)
        with full_precision():
            for some in chunks(batch, self.batch_size):
                products += self._products(classifier, some, vectors)
        return {"products": products}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        products = sums["products"].cpu() / samples.count
        if "found" in state.tensors:
            pairs = measured(state.tensors["block"], products, self.order)
            return self._learnt(samples, state, pairs)
        size = self._size(products.shape[1])
        exact = self.step is None
        following = advance if exact else advance_anew
        pairs = following(state.tensors, products, self.directions, size, self.order)
        if pairs.residual > self.tolerance and state.rounds + 1 + (not exact) < self.rounds:
            return FitState(pairs.blocks, state.rounds + 1, history=appended(state, pairs))
        if exact:
            return self._learnt(samples, state, pairs)
        found = {"block": pairs.vectors, "found": pairs.values}
        return FitState(found, state.rounds + 1, history=appended(state, pairs))

    def _size(self, dimension: int) -> int:
        return min(self.directions + self.extra, dimension)

    def _learnt(self, samples: FitSamples, state: FitState, pairs: Ritz) -> FitState:
        tensors = {
            "directions": pairs.vectors.view(-1, *samples.shape),
            "curvature": pairs.values.float(),
            "residual": pairs.residuals.float(),
        }
        return FitState(tensors, state.rounds + 1, True, appended(state, pairs))

    def _products(self, classifier: Classifier, batch: Batch, vectors: Tensor) -> Tensor:
        """Return the sum over samples of each Hessian times each vector `(m, D)`, `(m, D)`."""
        with frozen(classifier):
            logits = first_logits(classifier, batch.inputs)
        check_labels(batch.labels, *logits.shape)
        labels = batch.labels if self.labels == "true" else logits.argmax(1)
        hessian = input_hessian(
            classifier, batch.inputs, cross_entropy_of(labels), self.step or 0.0
        )
        return torch.stack([(hessian @ vector.expand(hessian.shape)).sum(0) for vector in vectors])


def appended(state: FitState, pairs: Ritz) -> dict[str, tuple[float, ...]]:
    """Return the history with the convergence of one more round."""
    numbers = {
        "residual": pairs.residual,
        "largest": pairs.values.max().item(),
        "smallest": pairs.values.min().item(),
    }
    return {name: (*state.history.get(name, ()), one) for name, one in numbers.items()}


def check_directions(count: int, samples: FitSamples) -> None:
    """Raise ValueError where inputs have fewer than `count` dimensions."""
    if count > math.prod(samples.shape):
        raise ValueError(
            f"directions must not exceed the inputs' dimension, {math.prod(samples.shape)}; got "
            f"{count}"
        )
