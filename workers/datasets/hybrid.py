"""Images of two cues: the low frequencies of one sample, the high ones of another."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from advcore.classifier import full_precision
from advcore.derived.hybrids import SplitName, check_hybrid, mixed
from advcore.workers.datasets.altered import settled
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.deferred import (
    Images,
    add_arrays,
    chosen_images,
    content_of,
    meaning_of,
)
from advcore.workers.errors import InputError, refused

Partner = Literal["other_class", "same_class"]
"""The kinds of samples that give the high frequencies."""


@dataclass(frozen=True)
class Hybrid:
    """Hybrid images, float32: low frequencies of each sample, high ones of another (Oliva 2006).

    Where the two are of different classes their cues conflict, and the label that a network gives
    tells which one it follows: coarse shape, or texture and edges. A cue conflict as in Geirhos et
    al. 2019 (ImageNet-trained CNNs are biased towards texture), made of the data alone, by
    frequency; see `advcore.derived.hybrids.mixed`. The image of the same sample with `labels: low`
    and `labels: high` is the same.

    Columns of the samples: `low_class`, `high_class`, the classes of both; `partner`, the index of
    the sample that gives the high frequencies.

    Attributes:
        of: name of the data set.
        band: side of the square of lowest DCT frequencies that are those of the sample itself.
        partner: kind of the other sample, drawn by (seed, index) uniformly among those of an
            `other_class`, or among others of the `same_class`, so that the cues agree.
        labels: labels of the hybrids: those of the `low` or of the `high` frequencies.
        split: part that each of both gives: by `frequency`; or by `size`, a control, both whole,
            but each only as long in l2 as that part.
        box: clip to [0, 1]; otherwise pixels may leave it, and the frequencies are exact.
        seed: seed of the draw.
    """

    of: str
    band: int
    partner: Partner = "other_class"
    labels: Literal["low", "high"] = "low"
    split: SplitName = "frequency"
    box: bool = False
    seed: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        with refused("hybrid"):
            check_hybrid(whole.shape, self.band)
        partners = partners_of(whole, self.partner, self.seed)
        images = settled(whole)
        classes = {"low": whole.labels, "high": whole.labels[partners]}
        return replace(
            whole,
            images=Mixed(images, chosen_images(images, partners), self.band, self.split, self.box),
            labels=classes[self.labels],
            transform=None,
            columns={
                **whole.columns,
                "low_class": classes["low"],
                "high_class": classes["high"],
                "partner": whole.indices[partners],
            },
        )


def partners_of(whole: Dataset, kind: Partner, seed: int) -> np.ndarray:
    """Return the position `(N,)` of another sample for each, by (seed, index).

    Raises InputError for a sample that has none.
    """
    drawn = whole.randomness(seed).stream("partner").uniform(()).double().numpy()
    partners = np.empty(len(whole), np.int64)
    for label in np.unique(whole.labels):
        own = np.flatnonzero(whole.labels == label)
        there = own if kind == "same_class" else np.flatnonzero(whole.labels != label)
        count = len(there) - (kind == "same_class")  # not the sample itself
        if count < 1:
            raise InputError(
                f"hybrid: a sample of class {whole.names[label]} has no other of "
                f"{kind.replace('_', ' ')} in {len(whole)} samples: take more"
            )
        places = np.minimum((drawn[own] * count).astype(np.int64), count - 1)
        if kind == "same_class":
            places = (np.arange(len(own)) + 1 + places) % len(own)
        partners[own] = there[places]
    return partners


@dataclass(frozen=True, eq=False)
class Mixed:
    """Hybrids of two sources, float32, made one by one when they are used.

    Attributes:
        low: images whose low frequencies are taken.
        high: images whose high frequencies are taken, as many, of the same shape.
        band: side of the square of low frequencies.
        split: part that each of both gives.
        box: clip to [0, 1].
    """

    low: Images
    high: Images
    band: int
    split: SplitName
    box: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        return self.low.nbytes + self.high.nbytes

    @property
    def in_box(self) -> bool:
        return self.box

    @property
    def meaning(self) -> str:
        sources = f"({meaning_of(self.low)}), ({meaning_of(self.high)})"
        return f"hybrid {self.band} {self.split} {self.box} of {sources}"

    @property
    def content(self) -> np.ndarray:
        digest = hashlib.sha256()
        add_arrays(digest.update, map(content_of, (self.low, self.high)))
        return np.frombuffer(digest.digest(), np.uint8)

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        made = np.empty((len(rows), *self.shape[1:]), np.float32)
        with full_precision(), torch.no_grad():
            for place in range(len(rows)):  # products of matrices round by their size
                row = rows[place : place + 1]
                own = mixed(_shown(self.low[row]), _shown(self.high[row]), self.band, self.split)
                made[place] = (own.clamp(0, 1) if self.box else own)[0].numpy()
        return made

    def chosen(self, rows: np.ndarray) -> "Mixed":
        low, high = (chosen_images(one, rows) for one in (self.low, self.high))
        return replace(self, low=low, high=high)


def _shown(images: np.ndarray) -> torch.Tensor:
    """Return images as floats, those of 8 bits in [0, 1]."""
    scale = 255 if images.dtype == np.uint8 else 1
    return torch.from_numpy(images).float() / scale
