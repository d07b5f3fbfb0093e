"""Hybrid images as a data set: partners, labels, columns."""

from dataclasses import replace

import numpy as np
import torch

from advcore.derived.hybrids import mixed
from advcore.transforms import Flip
from advcore.workers.datasets import Dataset, batch
from advcore.workers.datasets.hybrid import Hybrid, partners_of
from advcore.workers.shards import Shard

IMAGES = np.random.RandomState(0).randint(0, 256, (400, 1, 6, 6)).astype(np.uint8)
ROOT = Dataset(IMAGES, np.arange(400) % 4, np.arange(400) * 3, tuple("abcd"))


def inputs_of(data: Dataset) -> torch.Tensor:
    return batch(data, Shard(0, len(data))).inputs


def test_the_cues_are_those_of_the_two_samples_that_the_columns_name():
    own, pictures = Hybrid("root", 3, labels="high").apply({"root": ROOT}), inputs_of(ROOT)
    partners = own.columns["partner"] // 3
    torch.testing.assert_close(inputs_of(own), mixed(pictures, pictures[partners], 3))
    assert np.array_equal(own.labels, ROOT.labels[partners])
    assert np.array_equal(own.columns["high_class"], own.labels)
    assert np.array_equal(own.columns["low_class"], ROOT.labels)
    assert (own.labels != ROOT.labels).all()
    assert not own.in_box
    low = Hybrid("root", 3).apply({"root": ROOT})
    assert torch.equal(inputs_of(low), inputs_of(own))
    assert np.array_equal(low.labels, ROOT.labels)


def test_in_the_box_it_is_clipped_and_a_transform_comes_first():
    flipped = replace(ROOT, transform=Flip())
    own = Hybrid("root", 3, box=True).apply({"root": flipped})
    pictures = inputs_of(flipped)
    expected = mixed(pictures, pictures[own.columns["partner"] // 3], 3).clamp(0, 1)
    torch.testing.assert_close(inputs_of(own), expected, rtol=0, atol=1e-6)
    assert own.in_box
    assert own.transform is None


def test_partners_are_drawn_by_sample_uniformly_among_those_of_their_kind():
    """Each of 300 others, and each of 99 of its class, with the mean number of draws."""
    for kind, there, same in (("other_class", 300, False), ("same_class", 99, True)):
        drawn = np.stack([partners_of(ROOT, kind, seed) for seed in range(200)])
        assert ((ROOT.labels[drawn] == ROOT.labels) == same).all()
        assert (drawn != np.arange(400)).all()
        counts = np.bincount(drawn.ravel(), minlength=400)
        assert abs(counts.std() - 200**0.5) < 2.5  # Poisson, in the mean 200
        assert len(np.unique(drawn[:, 0])) > 0.4 * min(there, 200)
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(partners_of(ROOT, kind, 0), drawn[0])
