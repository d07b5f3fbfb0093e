"""The data set `synthetic`: samples of a law by (seed, split, index), and what it refuses."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from advcore.laws import Spheres, TwoGaussians
from advcore.workers.datasets import DataSpec, load
from advcore.workers.datasets.origin import files
from advcore.workers.errors import InputError

SPHERES = Spheres(dimensions=6)


def spec(samples=20, law=SPHERES, **settings):
    return DataSpec("synthetic", samples=samples, law=law, **settings)


@dataclass(frozen=True)
class Grey:
    """Pictures of one grey, in the box: black ones and white ones."""

    box = True
    classes = ("black", "white")

    def draw(self, randomness):
        labels = (randomness.uniform(()) < 0.5).long()
        return labels.float()[:, None, None, None].expand(-1, 1, 4, 4).clone(), labels


def test_samples_of_a_smaller_number_are_the_first_of_a_larger_one():
    few, many = load(spec(20)), load(spec(50))
    assert few.shape == (6,)
    assert (few.in_box, few.names) == (False, ("radius 1", "radius 1.3"))
    np.testing.assert_array_equal(few.indices, np.arange(20))
    np.testing.assert_array_equal(few.labels, many.labels[:20])
    np.testing.assert_allclose(few.take(np.arange(20)), many.take(np.arange(20)), rtol=1e-6)


def test_seeds_and_splits_are_others_and_the_same_ones_are_the_same():
    digests = {load(own).digest for own in (spec(), spec(seed=1), spec(split="train"), spec(21))}
    assert len(digests) == 4
    assert load(spec()).digest in digests


def test_exchanged_samples_are_those_of_the_same_seed_and_split():
    own = load(spec(split="train", seed=3))
    moved = load(spec(split="train", seed=3, law=Spheres(dimensions=6, exchanged=True)))
    np.testing.assert_array_equal(moved.labels, 1 - own.labels)
    one, other = own.take(np.arange(20)), moved.take(np.arange(20))
    cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_a_law_of_pictures_in_the_box():
    data = load(spec(law=Grey()))
    assert (data.in_box, data.shape) == (True, (1, 4, 4))
    np.testing.assert_array_equal(data.take(np.arange(20))[:, 0, 0, 0], data.labels)


def test_it_has_no_files_and_its_law_in_its_title():
    assert files(spec()) == []
    assert spec().title.startswith("synthetic Spheres(dimensions=6")
    assert "law" not in repr(DataSpec("digits"))
    assert "Spheres" in repr(spec())


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (DataSpec("synthetic", samples=3), "synthetic data need a law and a number of samples"),
        (spec(None), "synthetic data need a law and a number of samples"),
        (spec(0), "with zero samples: at least one is needed"),
        (spec(-1), r"has -1 samples; got samples: -1"),
        (DataSpec("digits", law=SPHERES), "law is for the data set synthetic; digits has none"),
        (spec(10**7, TwoGaussians(features=100)), r"are 3.7 GiB; expected at most 2 GiB"),
        (spec(box=False), "box: false is for npz: and npy: data"),
        (
            spec(columns=("group",)),
            "columns are for npz:, npy:, parquet: data, tables and words; synthetic has none",
        ),
        (spec(folder="/nowhere"), "folder is for .*; synthetic reads none, leave it out: /nowhere"),
        (DataSpec("digits", folder="/nowhere"), "folder is for .*; digits reads none"),
        (spec(resize=4), "resize and crop are for imagefolder:"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, match):
    with pytest.raises(InputError, match=match):
        load(given)


def test_drawing_leaves_torch_as_it_was():
    state = torch.get_rng_state()
    load(spec())
    assert torch.equal(torch.get_rng_state(), state)
