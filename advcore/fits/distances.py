"""Minimal distances of samples inside a fit: the scale of a network's perturbations."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks import Attack
from advcore.classifier import Classifier
from advcore.fits.fit import FitSamples
from advcore.margins import minimal_perturbations
from advcore.probes.probe import Batch, median
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Medians:
    """A length that is measured: a multiple of the network's median minimal l2 distance.

    Attributes:
        medians: factor of the median.
    """

    medians: float

    def __post_init__(self) -> None:
        if not 0 < self.medians < torch.inf:
            raise ValueError(f"medians must be a positive number; got {self.medians}")


def chunks(batch: Batch, size: int) -> Iterator[Batch]:
    """Yield a batch in parts of at most `size` samples, so that memory does not grow with it."""
    for start in range(0, len(batch.inputs), size):
        rows = slice(start, start + size)
        yield Batch(
            batch.inputs[rows], batch.labels[rows], batch.indices[rows], batch.start + start
        )


def among_all(own: Tensor, batch: Batch, count: int) -> Tensor:
    """Return the values `(B,)` of a batch among those of all samples `(count,)`, 0 elsewhere.

    Raises ValueError for a batch that is not among `count` samples.
    """
    end = batch.start + len(own)
    if end > count:
        raise ValueError(f"the fit has {count} samples; got some up to {end}")
    values = own.new_zeros(count)
    values[batch.start : end] = own
    return values


def minimal_distances(
    classifier: Classifier, batch: Batch, attack: Attack, randomness: Randomness, size: int
) -> Tensor:
    """Return the minimal l2 distances `(B,)` from the predicted class, no box; inf for none found.

    `size` samples are attacked at a time.
    """
    return torch.cat(
        [
            minimal_perturbations(
                classifier, some.inputs, attack, Randomness(randomness.seed, some.indices)
            ).distance
            for some in chunks(batch, size)
        ]
    )


def median_of(distances: Tensor) -> float:
    """Return the median distance. Raises ValueError where half of the samples have none."""
    middle = median(distances)
    if not 0 < middle < torch.inf:
        raise ValueError(
            f"the median minimal distance of {len(distances)} samples must be a positive number; "
            f"got {middle:g}: no perturbation was found at half of them; give a length in its place"
        )
    return middle


def check_samples(samples: FitSamples) -> None:
    """Raise ValueError unless there are a sample and two classes."""
    if samples.count < 1:
        raise ValueError("a fit needs at least one sample; got 0")
    if samples.classes < 2:
        raise ValueError(f"a fit needs at least two classes; got {samples.classes}")


def check_attacked(samples: FitSamples) -> None:
    """Raise ValueError unless inputs are images (C, H, W), of which minimal perturbations are."""
    if len(samples.shape) != 3:
        raise ValueError(
            f"minimal perturbations are searched of images (C, H, W); these inputs are "
            f"{samples.shape}: give them that shape"
        )
