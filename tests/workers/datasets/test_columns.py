"""Further columns of samples: read, kept with the samples, and no part of any key."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from advcore.workers.datasets import DataSpec, load
from advcore.workers.datasets.altered import Noised, Relabelled
from advcore.workers.datasets.chosen import Half, Subset
from advcore.workers.datasets.columns import columns_digest, joined_columns
from advcore.workers.datasets.export import export_dataset
from advcore.workers.datasets.union import Union
from advcore.workers.errors import InputError

COUNT = 12
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 1, 4, 4), np.uint8)
LISTS = (IMAGES / 255).tolist()
LABELS = np.arange(COUNT) % 2
GROUP = np.array(["a", "b", "c"])[np.arange(COUNT) % 3]
AGE = np.linspace(20, 60, COUNT).astype(np.float32)
NAMES = ("group", "age")


@pytest.fixture
def archive(tmp_path: Path) -> str:
    file = tmp_path / "people.npz"
    np.savez(file, images=IMAGES, labels=LABELS, group=GROUP, age=AGE, rank=np.eye(COUNT))
    return f"npz:{file}"


def test_each_kind_of_file_hands_out_its_columns(archive: str, tmp_path: Path) -> None:
    folder = tmp_path / "npy"
    folder.mkdir()
    for name, array in {"images": IMAGES, "labels": LABELS, "group": GROUP, "age": AGE}.items():
        np.save(folder / f"{name}.npy", array)
    table = pa.table(
        {
            "image": LISTS,
            "label": LABELS,
            "group": pa.array(GROUP.tolist()).dictionary_encode(),
            "age": AGE,
        }
    )
    pq.write_table(table, tmp_path / "people.parquet")
    for name in (archive, f"npy:{folder}", f"parquet:{tmp_path / 'people.parquet'}"):
        data = load(DataSpec(name, samples=5, columns=NAMES))
        assert data.columns["group"].tolist() == GROUP[data.indices].tolist(), name
        np.testing.assert_array_equal(data.columns["age"], AGE[data.indices])


def test_what_parquet_does_not_know_is_no_text_and_no_number(tmp_path: Path) -> None:
    table = {"image": LISTS[:2], "label": [0, 1], "word": ["x", None], "age": [None, 3.0]}
    pq.write_table(pa.table(table), tmp_path / "two.parquet")
    data = load(DataSpec(f"parquet:{tmp_path / 'two.parquet'}", columns=("word", "age")))
    assert data.columns["word"].tolist() == ["x", ""]
    np.testing.assert_array_equal(data.columns["age"], [np.nan, 3])


def test_columns_change_no_key(archive: str) -> None:
    plain, more = DataSpec(archive), DataSpec(archive, columns=NAMES)
    assert load(plain).digest == load(more).digest
    assert repr(plain) == repr(more)
    assert plain != more
    known = load(more).columns
    assert columns_digest({}) == ""
    assert columns_digest(known) != columns_digest({**known, "age": known["age"] + 1})


def test_columns_stay_with_their_samples(archive: str) -> None:
    whole = load(DataSpec(archive, columns=NAMES))
    sets = {"whole": whole}
    for kind in (
        Subset("whole", 5, 2),
        Half("whole", 2, 1),
        Noised("whole", 0.1),
        Relabelled("whole"),
    ):
        made = kind.apply(sets)
        assert made.columns["group"].tolist() == GROUP[made.indices].tolist()
    other = replace(whole, columns={"word": np.array(["x"] * COUNT)})
    both = Union(("whole", "other")).apply({**sets, "other": other})
    assert both.columns["group"].tolist() == [*GROUP, *[""] * COUNT]
    assert both.columns["word"].tolist() == [*[""] * COUNT, *["x"] * COUNT]
    assert np.isnan(both.columns["age"][COUNT:]).all()
    with pytest.raises(InputError, match="'age' is text in one data set and numbers in another"):
        joined_columns([(whole.columns, COUNT), ({"age": GROUP}, COUNT)])


def test_columns_are_exported(archive: str, tmp_path: Path) -> None:
    data = load(DataSpec(archive, samples=5, columns=NAMES))
    export_dataset(data, f"npz:{tmp_path / 'out.npz'}")
    again = load(DataSpec(f"npz:{tmp_path / 'out.npz'}", columns=NAMES))
    assert again.columns["group"].tolist() == data.columns["group"].tolist()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("sex",), r"must hold a plain array 'sex', one entry a sample \(it has images, labels"),
        (("rank",), r"'rank' of npz:.* one text for each of 12 samples; got float64 \(12, 12\)"),
        (("labels",), "further arrays of npz:.*, each once, and none of images, labels"),
        (("age", "age"), "each once"),
    ],
)
def test_columns_that_cannot_be_are_refused(
    archive: str, columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load(DataSpec(archive, columns=columns))


def test_numbers_that_no_signed_integer_holds_are_refused(tmp_path: Path) -> None:
    ids = np.arange(4, dtype=np.uint64)
    images, labels = np.zeros((4, 1, 2, 2), np.float32), np.arange(4)
    np.savez(tmp_path / "small.npz", images=images, labels=labels, id=ids)
    small = load(DataSpec(f"npz:{tmp_path / 'small.npz'}", columns=("id",)))
    assert small.columns["id"].tolist() == [0, 1, 2, 3]
    np.savez(tmp_path / "large.npz", images=images, labels=labels, id=ids + np.uint64(2**63))
    with pytest.raises(InputError, match=r"above 2\^63 - 1, such as 9223372036854775811: store"):
        load(DataSpec(f"npz:{tmp_path / 'large.npz'}", columns=("id",)))


def test_other_data_sets_have_no_columns(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"columns are for npz:, .* data, tables and words; digits has"
    ):
        load(DataSpec("digits", columns=("group",)))
    pq.write_table(pa.table({"image": LISTS, "label": LABELS}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="must hold a column 'sex'; got image, label"):
        load(DataSpec(f"parquet:{tmp_path / 'a.parquet'}", columns=("sex",)))
