"""Leading directions of minimal perturbations: the normals that samples share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm
from advcore.classifier import Classifier, full_precision
from advcore.fits.block_iteration import Ritz, advance, first_block, leading_pairs
from advcore.fits.curved_directions import appended, check_directions
from advcore.fits.distances import among_all, check_attacked, check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.margins import check_attack, minimal_perturbations
from advcore.norms import L2
from advcore.probes.probe import Batch, median
from advcore.randomness import Randomness

DENSE = 2048
"""Largest dimension at which the second moment itself is summed: 16 MB a share in float32."""


@dataclass(frozen=True)
class LeadingNormals:
    """Learn the leading directions of the unit minimal perturbations, uncentred.

    Source: Jetley et al. 2018.

    With `u_b` the minimal l2 perturbation of sample b out of its predicted class, without a box and
    of length 1, they are the leading eigenvectors of the second moment `mean_b u_b u_b^T` over the
    samples where one was found: the leading left singular vectors of all of them side by side.

    Up to 2,048 dimensions the second moment is summed as it is, in one round, and the result is
    exact. Beyond, it is only multiplied: `mean_b u_b (u_b^T X)` for a block X of vectors, a round
    each; see `advcore.fits.block_iteration`. Nothing of a sample is kept, so each round makes the
    perturbations again: a quick attack (deepfool) and few rounds are in place there. A sketch in
    one round would save that, but could not tell how far it is off; the residuals do.

    Tensors: `directions` (k, *shape), orthonormal, the leading one first, signed so that the entry
    of largest magnitude is positive; `energy` (k,), the share of the second moment in each, 1 in
    all dimensions together, 0 where the samples span fewer; `residual` (k,), of the same unit;
    `found` (), share of the samples; `median_distance` (), of the minimal perturbations, in pixel
    units, inf counts. History, a number a round: `residual`, the largest as a share of the largest
    energy; `largest` and `smallest` of the k energies.

    Attributes:
        directions: number of directions.
        attack: minimal-norm l2 attack without a box.
        tolerance: residual at which it ends, as a share of the largest energy.
        rounds: largest number of rounds.
        extra: further vectors of a block, which quicken convergence.
        batch_size: number of samples that are attacked at a time; memory depends on it.
    """

    directions: int = 50
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))
    tolerance: float = 1e-2
    rounds: int = 5
    extra: int = 10
    batch_size: int = 32

    def __post_init__(self) -> None:
        check_attack(self.attack)
        for name in ("directions", "rounds", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.extra < 0:
            raise ValueError(f"extra must not be negative; got {self.extra}")
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance must be a positive number; got {self.tolerance}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        check_attacked(samples)
        check_directions(self.directions, samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        k = self.directions
        directions = {"directions": (k, *samples.shape), "energy": (k,), "residual": (k,)}
        return {**directions, "found": (), "median_distance": ()}

    def start(self, samples: FitSamples) -> FitState:
        dimension, count = math.prod(samples.shape), torch.tensor(samples.count)
        if dimension <= DENSE:
            return FitState({"count": count})
        blocks = first_block(self._size(dimension), dimension, samples.seed)
        return FitState({"count": count, **blocks})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        block = state.tensors.get("block")
        block = None if block is None else block.to(batch.inputs)
        distances, products = [], None
        for some in chunks(batch, self.batch_size):
            noise = Randomness(randomness.seed, some.indices)
            result = minimal_perturbations(classifier, some.inputs, self.attack, noise)
            units = L2.steepest(result.images.flatten(1)).masked_fill(~result.found[:, None], 0)
            distances.append(result.distance)
            with full_precision():
                own = units.mT @ units if block is None else (block @ units.mT) @ units
            products = own if products is None else products + own
        assert products is not None
        count = int(state.tensors["count"])
        return {"products": products, "distances": among_all(torch.cat(distances), batch, count)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        distances = sums["distances"].cpu()
        found = int(distances.isfinite().sum())
        if not found:
            raise ValueError(
                f"no minimal perturbation was found at any of {len(distances)} samples, so there "
                "are no normals: give another attack, or look at the network"
            )
        moment = sums["products"].cpu() / found
        if "block" not in state.tensors:
            return self._learnt(samples, state, distances, leading_pairs(moment, self.directions))
        size = self._size(moment.shape[1])
        pairs = advance(state.tensors, moment, self.directions, size, "largest")
        if pairs.residual > self.tolerance and state.rounds + 1 < self.rounds:
            tensors = {"count": state.tensors["count"], **pairs.blocks}
            return FitState(tensors, state.rounds + 1, history=appended(state, pairs))
        return self._learnt(samples, state, distances, pairs)

    def _size(self, dimension: int) -> int:
        return min(self.directions + self.extra, dimension)

    def _learnt(
        self, samples: FitSamples, state: FitState, distances: Tensor, pairs: Ritz
    ) -> FitState:
        tensors = {
            "directions": pairs.vectors.view(-1, *samples.shape),
            "energy": pairs.values.clamp(min=0).float(),
            "residual": pairs.residuals.float(),
            "found": distances.isfinite().double().mean(),
            "median_distance": torch.tensor(median(distances), dtype=torch.float64),
        }
        return FitState(tensors, state.rounds + 1, True, appended(state, pairs))
