"""The store keeps rows bit for bit, whole or not at all."""

import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from advcore.workers.errors import InputError
from advcore.workers.stores.rows import (
    read_table,
    to_columns,
    to_table,
    write_plain_parquet,
)
from advcore.workers.stores.store import open_store

KEY, OTHER = "ab" * 32, "cd" * 32
COLUMNS = {
    "sample": torch.arange(3),
    "found": torch.tensor([True, False, True]),
    "distance": torch.tensor([float("inf"), float("nan"), -0.0]),
    "exact": torch.tensor([1 / 3, 5e-324, -float("inf")], dtype=torch.float64),
    "step": torch.tensor([1, 2, 3], dtype=torch.int32),
    "image": torch.rand(3, 1, 2, 4, generator=torch.Generator().manual_seed(0)),
    "mask": torch.rand(3, 5, generator=torch.Generator().manual_seed(1)) > 0.5,
    "status": ["broken", "robust", "broken"],
}


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def same(one, other):
    assert list(one) == list(other)
    for name, column in one.items():
        if isinstance(column, Tensor):
            assert (column.dtype, column.shape) == (other[name].dtype, other[name].shape)
            assert column.numpy().tobytes() == other[name].numpy().tobytes()
        else:
            assert column == other[name]


def test_rows_come_back_bit_for_bit(store):
    store.write(KEY, COLUMNS, {"probe": "Look()"})
    same(COLUMNS, store.read(KEY))
    store.read(KEY)["image"].zero_()
    path = store.path(KEY)
    assert path == store.root / "ab" / f"{KEY}.parquet"
    assert pq.read_schema(path).metadata[b"probe"] == b"Look()"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_written_beside_the_rows(store, monkeypatch):
    store.write(KEY, COLUMNS, {"seconds": "0.5", "worker": "über:1"})
    store.write(OTHER, COLUMNS, {})
    monkeypatch.setattr(pq, "ParquetFile", None)  # no rows are read
    assert store.metadata(KEY) == {"seconds": "0.5", "worker": "über:1"}
    assert store.metadata(OTHER) == {}
    store.path(OTHER).write_bytes(b"noise")
    with pytest.raises(ValueError, match=rf"{OTHER}.parquet is damaged"):
        store.metadata(OTHER)
    with pytest.raises(ValueError, match="has no rows for ee: measure that shard first"):
        store.metadata("ee")


@pytest.mark.parametrize(
    "kind", ["float16", "float32", "float64", "uint8", "int16", "int32", "int64", "bool"]
)
@pytest.mark.parametrize("count", [0, 1, 9])
def test_columns_are_those_that_arrow_would_make(kind, count):
    values = (np.arange(count) % 3).astype(kind)
    own = to_table({"column": torch.from_numpy(values)}).column("column").combine_chunks()
    own.validate(full=True)
    assert own.equals(pa.array(values))


@pytest.mark.parametrize("column", [[], ["broken", "", "über", "robust"]])
def test_words_are_those_that_arrow_would_make(column):
    own = to_table({"column": column}).column("column").combine_chunks()
    own.validate(full=True)
    assert own.equals(pa.array(column, pa.string()))


def test_workers_start_and_rows_are_written_without_what_takes_seconds(tmp_path):
    """Each of them takes most of a second to import, in each worker."""
    code = (
        "import sys, torch, advcore.workers.actor; from pathlib import Path; "
        "from advcore.workers.stores.rows import write_parquet; "
        "columns = {'a': torch.arange(3), 'b': torch.rand(3, 2, 2), 'c': torch.ones(3) > 0, "
        "'d': ['x', 'y', 'z']}; "
        f"write_parquet(Path({str(tmp_path / 'rows.parquet')!r}), columns); "
        "assert not {'pandas', 'scipy.stats', 'scipy.optimize'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_zero_rows_keep_their_shapes(store):
    empty = {name: column[:0] for name, column in COLUMNS.items()}
    store.write(KEY, empty, {})
    same(empty, store.read(KEY))


def test_which_keys_are_there(store):
    assert not store.has(KEY)
    store.write(KEY, COLUMNS, {})
    assert store.has(KEY)
    assert store.missing([OTHER, KEY]) == [OTHER]
    assert open_store(str(store.root)).has(KEY)


def test_tables_are_put_together_in_the_order_of_their_keys(store):
    store.write(KEY, COLUMNS, {"shard": "0:3"})
    store.write(OTHER, {name: column[1:] for name, column in COLUMNS.items()}, {"shard": "3:5"})
    table = store.read_all([OTHER, KEY])
    assert table["sample"].tolist() == [1, 2, 0, 1, 2]
    assert table["status"] == ["robust", "broken", "broken", "robust", "broken"]
    assert torch.equal(table["image"][2:], COLUMNS["image"])
    assert store.read_all([]) == {}
    store.write(OTHER, {"sample": torch.arange(3)}, {})
    with pytest.raises(
        ValueError,
        match="has columns sample int64, others of the same study sample int64, found bool",
    ):
        store.read_all([KEY, OTHER])


def test_two_writers_of_one_key_are_harmless(store):
    threads = [threading.Thread(target=store.write, args=(KEY, COLUMNS, {})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(COLUMNS, store.read(KEY))
    assert len(list(store.path(KEY).parent.iterdir())) == 1


def test_a_write_that_fails_leaves_nothing(store, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(KEY, COLUMNS, {})
    assert not store.has(KEY)
    assert list(store.path(KEY).parent.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: raw[:50], lambda raw: raw[:-20], lambda raw: b"", lambda raw: b"PAR1" + raw[40:]],
)
def test_a_damaged_file_is_named(store, spoil):
    store.write(KEY, COLUMNS, {})
    store.path(KEY).write_bytes(spoil(store.path(KEY).read_bytes()))
    with pytest.raises(
        ValueError, match=rf"{KEY}.parquet is damaged .*: delete it and run again"
    ) as error:
        store.read(KEY)
    assert "\n" not in str(error.value)


def test_rows_that_are_not_there(store):
    with pytest.raises(ValueError, match=f"has no rows for {KEY}: measure that shard first"):
        store.read(KEY)


@pytest.mark.parametrize("column", [torch.tensor(1.0), torch.zeros(3, 0)])
def test_columns_that_cannot_be_stored(store, column):
    with pytest.raises(ValueError, match=r"column x must be \(rows, \*shape\)"):
        store.write(KEY, {"x": column}, {})


def test_places_that_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"store gs://...: expected the path of a folder or s3://BUCKET/PREFIX"
    ):
        open_store("gs://bucket/x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .*: choose another folder"):
        open_store(str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written"):
        open_store("/proc/store")
    with pytest.raises(
        InputError,
        match="is not there on this worker's machine: choose a folder that all machines share",
    ):
        open_store(str(tmp_path), create=False)


def test_trying_a_store_out_leaves_its_mark_alone(tmp_path):
    for create in (True, False):
        open_store(str(tmp_path / "store"), create=create)
        assert [file.name for file in (tmp_path / "store").iterdir()] == ["advcore-store"]


@pytest.mark.parametrize("rows", [0, 3])
def test_plain_files_hold_lists_and_come_back_bit_for_bit(tmp_path, rows):
    path = tmp_path / "new/plain.parquet"
    columns = {name: column[:rows] for name, column in COLUMNS.items()}
    write_plain_parquet(path, columns, {"seed": "0"})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    schema = pq.read_schema(path)
    assert schema.metadata == {b"seed": b"0"}
    assert schema.field("image").type.equals(pa.list_(pa.float32(), 8))
    assert schema.field("image").metadata == {b"shape": b"[1, 2, 4]"}
    assert schema.field("mask").type.equals(pa.list_(pa.bool_(), 5))
    assert not any(isinstance(own.type, pa.BaseExtensionType) for own in schema)
    same(columns, to_columns(["plain"], [read_table(path)]))


def test_plain_files_are_read_by_pandas_as_lists(tmp_path):
    write_plain_parquet(tmp_path / "plain.parquet", COLUMNS)
    frame = pd.read_parquet(tmp_path / "plain.parquet")
    assert frame["mask"][1].tolist() == COLUMNS["mask"][1].tolist()
    assert frame["image"][2].tolist() == COLUMNS["image"][2].flatten().tolist()


def test_lists_of_another_program_are_vectors():
    table = pa.table({"v": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2))})
    assert torch.equal(to_columns(["x"], [table])["v"], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path):
    root = tmp_path / "store"
    folder = root / "ab"
    folder.mkdir(parents=True)
    name = f".{KEY}.parquet.{'0f' * 16}"
    left, fresh, own = folder / name, root / f".trial.{'1e' * 16}", folder / ".mine"
    for file in (left, fresh, own):
        file.touch()
    for file in (left, own):
        os.utime(file, (0, 0))
    open_store(str(root))
    assert not left.exists()
    assert fresh.exists()
    assert own.exists()
