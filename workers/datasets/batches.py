"""Batches of tensors, cut from a data set."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from advcore.classifier import full_precision
from advcore.probes.probe import Batch, Paired, Probe
from advcore.randomness import Randomness
from advcore.training import Inputs
from advcore.transforms import Transform
from advcore.workers.datasets import sources
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.errors import InputError
from advcore.workers.shards import Shard
from advcore.workers.units import counts_samples, places_in


def batch(
    dataset: Dataset,
    shard: Shard,
    dtype: str = "float32",
    device: str | torch.device = "cpu",
    transform: Transform | None = None,
) -> Batch:
    """Return the samples of one shard as tensors on `device`.

    Images of `dtype` ("float32" or "float64") are in [0, 1], then transformed, by the data set's
    own transform or by the one that is given instead.

    Everything is a copy: arrays that come from Ray's object store are shared and read-only.
    """
    return _rows(dataset, np.arange(shard.start, shard.stop), dtype, device, transform)


def batch_for(
    probe: Probe,
    dataset: Dataset,
    shard: Shard,
    dtype: str = "float32",
    device: str | torch.device = "cpu",
    transform: Transform | None = None,
    seed: int = 0,
) -> Batch:
    """Return what a probe measures in a shard: its samples as in `batch`, or a row for each unit.

    Each sample is read once. Beside the samples of one that is `Paired` stand others, drawn by
    `seed`. Raises ValueError where a `Counting` probe names no samples of the data set, and where
    there is no other sample.
    """
    if isinstance(probe, Paired) and probe.paired():
        own = batch(dataset, shard, dtype, device, transform)
        others = other_rows(dataset, np.arange(shard.start, shard.stop), seed)
        return replace(own, others=_rows(dataset, others, dtype, device, transform))
    if counts_samples(probe, len(dataset)):
        return batch(dataset, shard, dtype, device, transform)
    rows, turn = np.unique(places_in(probe, shard, len(dataset)), return_inverse=True)
    units = torch.arange(shard.start, shard.stop, device=device)
    samples = _rows(dataset, rows, dtype, device, transform).take(_tensor(turn, device))
    return replace(samples, units=units)


def check_others(dataset: Dataset) -> None:
    """Raise InputError for a data set of one sample, beside which no other can stand."""
    if len(dataset) < 2:
        raise InputError(
            "another sample beside each needs a data set of at least 2 samples; got 1: take more"
        )


def other_rows(dataset: Dataset, rows: np.ndarray, seed: int) -> np.ndarray:
    """Return another position for each of some, uniform among all others, by (seed, index)."""
    check_others(dataset)
    others = len(dataset) - 1
    randomness = Randomness(seed, torch.from_numpy(dataset.indices[rows]))
    drawn = (randomness.stream("other").uniform(()).double() * others).long().clamp(max=others - 1)
    return (rows + 1 + drawn.numpy()) % len(dataset)


def _rows(
    dataset: Dataset,
    rows: np.ndarray,
    dtype: str,
    device: str | torch.device,
    transform: Transform | None,
) -> Batch:
    return Batch(
        inputs=images_of(dataset, rows, dtype, device, transform),
        labels=_tensor(dataset.labels[rows], device),
        indices=_tensor(dataset.indices[rows], device),
        start=int(rows[0]),
        places=_tensor(dataset.places[rows], device),
    )


def images_of(
    dataset: Dataset,
    rows: np.ndarray,
    dtype: str = "float32",
    device: str | torch.device = "cpu",
    transform: Transform | None = None,
) -> torch.Tensor:
    """The images at some positions `rows`, as in `batch`."""
    images = torch.from_numpy(dataset.take(rows)).to(device)
    scale = 255 if images.dtype == torch.uint8 else 1
    images = images.to(torch_dtype(dtype)) / scale
    transform = transform or dataset.transform
    if transform is not None:
        with full_precision():
            images = transform(images)
    return images


@dataclass(frozen=True, eq=False)
class Streamed:
    """The inputs of a data set, float32, read or made when they are indexed."""

    dataset: Dataset
    device: torch.device

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        return images_of(self.dataset, rows.cpu().numpy(), device=self.device)


def inputs_of(dataset: Dataset, device: torch.device) -> tuple[Inputs, torch.Tensor]:
    """Return inputs and labels of all samples for a training on `device`.

    Images that are not in memory are read or made batch by batch where they are many; others become
    one tensor, so that they are read or made once.
    """
    if not dataset.in_memory and _decoded_bytes(dataset) > sources.SENT:
        return Streamed(dataset, device), _tensor(dataset.labels, device)
    whole = batch(dataset, Shard(0, len(dataset)), device=device)
    return whole.inputs, whole.labels


def _decoded_bytes(dataset: Dataset) -> int:
    return math.prod(dataset.images.shape) * dataset.images.dtype.itemsize


def torch_dtype(name: str) -> torch.dtype:
    """float32 or float64 by name; InputError otherwise."""
    known = {"float32": torch.float32, "float64": torch.float64}
    if name not in known:
        raise InputError(f"dtype must be float32 or float64; got {name!r}")
    return known[name]


def _tensor(rows: np.ndarray, device: str | torch.device) -> torch.Tensor:
    return torch.from_numpy(rows.copy()).to(device)
