"""Samples that lie as rows in a store: read, chosen, trained on, refused."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.transforms import Flip
from advcore.workers.datasets import Dataset, batch, inputs_of, made, sources
from advcore.workers.datasets.made import made_dataset
from advcore.workers.errors import InputError
from advcore.workers.local_cache import cache_folder
from advcore.workers.shards import Shard
from advcore.workers.stores.store import open_store

KEYS = [f"{number:02x}" * 32 for number in (200, 3, 77)]
COUNTS = (8, 8, 4)
MADE = np.random.RandomState(3).rand(20, 1, 8, 8).astype(np.float32)
LABELS = np.arange(20)[::-1] % 10


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Nothing that another test read, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made._held.clear()
    made._opened.cache_clear()


def write(location: str, dataset: Dataset, made: np.ndarray | None = MADE) -> None:
    store, start = open_store(location), 0
    for key, count in zip(KEYS, COUNTS, strict=True):
        rows = slice(start, start + count)
        columns = {
            "sample": torch.from_numpy(dataset.indices[rows]),
            "label": torch.from_numpy(LABELS[rows].copy()),
        }
        if made is not None:
            columns["input"] = torch.from_numpy(made[rows].copy())
        columns["found"] = torch.ones(count, dtype=torch.bool)
        store.write(key, columns, {"key": key})
        start += count


def path(location: str, key: str):
    return open_store(location).path(key)


@pytest.fixture
def written(store, dataset) -> Dataset:
    write(store, dataset)
    return made_dataset(store, KEYS, dataset)


@pytest.fixture(params=["held", "unpacked"])
def way(request, monkeypatch) -> str:
    """Either way in which rows are read: from shards in memory, or unpacked in the cache."""
    if request.param == "unpacked":
        monkeypatch.setattr(made, "HELD", 1000)
    return request.param


@pytest.mark.usefixtures("way")
def test_it_is_the_rows(written, dataset):
    there = pickle.loads(pickle.dumps(written))
    assert np.array_equal(there.take(np.arange(20)), MADE)
    assert np.array_equal(there.labels, LABELS)
    assert np.array_equal(there.indices, dataset.indices)
    assert (there.names, there.shape, there.in_box) == (dataset.names, (1, 8, 8), True)
    assert torch.equal(batch(there, Shard(6, 17)).inputs, torch.from_numpy(MADE[6:17]))
    mixed = np.array([19, 0, 9, 9, 3])
    assert np.array_equal(there.take(mixed), MADE[mixed])
    assert np.array_equal(there.chosen(mixed).take(np.array([2, 0])), MADE[[9, 19]])


def test_what_is_read(written, way, monkeypatch):
    read = []
    own = made._read

    def counted(store, key, names):
        read.append((key, *names))
        return own(store, key, names)

    monkeypatch.setattr(made, "_read", counted)
    for rows in ([0, 1], [2, 9], [9, 0], [16]):
        written.take(np.array(rows))
    assert read == [(key, "input") for key in KEYS]  # each once, and no digest needs one
    assert written.digest
    assert len(read) == 3
    files = list(cache_folder("made").glob("*.f32"))
    assert len(files) == (3 if way == "unpacked" else 0)


def test_few_bytes_are_held(written, monkeypatch):
    monkeypatch.setattr(made, "HELD", 3 * MADE[:8].nbytes)
    big = replace(written, images=replace(written.images, which=written.images.which))
    big.take(np.arange(20))
    assert len(made._held) == 3
    monkeypatch.setattr(made, "HELD", MADE.nbytes)
    for key in "ab":
        made._held["elsewhere", key] = MADE[:8]
    big.take(np.arange(20))
    assert sum(one.nbytes for one in made._held.values()) <= MADE.nbytes


def test_digests_differ_when_and_only_when_the_content_does(written, store, dataset):
    again = made_dataset(store, KEYS, dataset)
    assert again.digest == written.digest
    some = np.array([1, 2, 17])
    assert written.chosen(some).digest == again.chosen(some).digest != written.digest
    moved = replace(written, images=written.images.chosen(np.roll(np.arange(20), 1)))
    assert moved.digest != written.digest
    assert replace(written, labels=dataset.labels).digest != written.digest
    other = replace(written.images, keys=("ab" * 32, *KEYS[1:]))
    assert replace(written, images=other).digest != written.digest


def test_labels_alone_keep_the_pixels(store, dataset):
    write(store, dataset, None)
    source = replace(dataset, transform=Flip())
    there = made_dataset(store, KEYS, source)
    assert there.images is dataset.images
    assert there.transform == Flip()
    assert np.array_equal(there.labels, LABELS)


def test_made_behind_a_transform(store, dataset):
    write(store, dataset)
    there = made_dataset(store, KEYS, replace(dataset, transform=Flip()))
    assert there.transform is None
    assert not there.in_box
    assert made_dataset(store, KEYS, replace(dataset, transform=Flip()), in_box=True).in_box


@pytest.mark.usefixtures("way")
def test_it_is_trained_on_as_an_array_is(written, monkeypatch):
    device = torch.device("cpu")
    whole, labels = inputs_of(written, device)
    assert torch.equal(whole, torch.from_numpy(MADE))
    assert torch.equal(labels, torch.from_numpy(LABELS.copy()))
    monkeypatch.setattr(sources, "SENT", 0)
    streamed, _ = inputs_of(written, device)
    rows = torch.tensor([13, 4, 5])
    assert torch.equal(streamed[rows], whole[rows])


def test_missing_rows(written, store, dataset, way):
    path(store, KEYS[1]).unlink()
    with pytest.raises(InputError, match="measure that shard first"):
        written.take(np.array([9]))
    with pytest.raises(InputError, match=r"cannot be read: .*measure that shard first"):
        made_dataset(store, KEYS, dataset)


def test_damaged_rows(written, store, dataset, way):
    path(store, KEYS[1]).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"damaged .*delete it and run again"):
        written.take(np.array([9]))
    assert np.array_equal(written.take(np.array([1])), MADE[[1]])


def test_rows_of_other_samples(store, dataset):
    write(store, dataset)
    with pytest.raises(InputError, match="hold 12 samples, which are not the 20"):
        made_dataset(store, KEYS[1:], dataset)
    moved = replace(dataset, indices=dataset.indices + 1)
    with pytest.raises(InputError, match="run the study again"):
        made_dataset(store, KEYS, moved)


def test_rows_that_are_no_samples(store, dataset):
    open_store(store).write(KEYS[0], {"sample": torch.arange(8)}, {})
    with pytest.raises(InputError, match="have no label, so they are no samples"):
        made_dataset(store, KEYS[:1], dataset)


@pytest.mark.parametrize("value", [1.5, float("nan")])
def test_inputs_outside_of_the_box(store, dataset, value):
    spoilt = MADE.copy()
    spoilt[10, 0, 0, 0] = value
    write(store, dataset, spoilt)
    there = made_dataset(store, KEYS, dataset)
    with pytest.raises(InputError, match=r"not finite and in \[0, 1\]"):
        there.take(np.array([9]))
    free = made_dataset(store, KEYS, dataset, in_box=False)
    if value == 1.5:
        assert not free.in_box
        assert np.array_equal(free.take(np.arange(20)), spoilt)
    else:
        with pytest.raises(InputError, match="not finite"):
            free.take(np.array([9]))


def test_a_store_that_is_not_there(tmp_path, dataset):
    with pytest.raises(InputError, match="is not there"):
        made_dataset(str(tmp_path / "elsewhere"), KEYS, dataset)
