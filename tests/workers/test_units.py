"""Shards of what a probe counts: ranges smaller than a sample, or across several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from tiny_probes import Look, tasks

from advcore.probes import Smoothed
from advcore.probes.probe import Batch, Columns
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.workers.actor import Worker
from advcore.workers.batch_sizes import BatchSizes
from advcore.workers.datasets.batches import batch_for
from advcore.workers.errors import InputError
from advcore.workers.inline import Inline
from advcore.workers.pool.failed_results import failed_result
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.probe_checks import check_columns
from advcore.workers.shards import Shard, split
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA
from advcore.workers.units import counts_samples, places_in, read_rows, units_of

COUNTS = Smoothed(draws=300, blocks=3)


@dataclass(frozen=True)
class Starts(Look):
    """Three units a sample, with two rows each; or what a mistaken one does."""

    mistake: str = ""

    def units(self, samples: int) -> int:
        return 0 if self.mistake == "none" else 3 * samples

    def samples_of(self, start: int, stop: int) -> Sequence[int]:
        if self.mistake == "raises":
            raise ArithmeticError("which sample?")
        if self.mistake == "few":
            return [start // 3]
        far = 1000 if self.mistake == "far" else 0
        return [far + unit // 3 for unit in range(start, stop)]

    def merged(self, table: Table) -> Table:
        return table

    def validate(self, shape: tuple[int, ...], classes: int) -> None: ...

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        if self.mistake == "fails":
            raise ArithmeticError("no start")
        sample, unit = (
            own.repeat(2) if self.mistake == "turns" else own.repeat_interleave(2)
            for own in (batch.indices, batch.units)
        )
        return {"sample": sample, "unit": unit}

    def summarise(self, table: Any) -> Any: ...

    def charts(self, tables: Any) -> Any: ...


def counting_tasks(dataset, probe, size):
    (template, *_) = tasks(dataset, probe, len(dataset))
    shards = split(units_of(probe, len(dataset)), size)
    return [
        replace(template, key=f"{number:02x}{template.key[2:]}{size}", shard=shard)
        for number, shard in enumerate(shards)
    ]


def rows_of(folder, todo):
    return open_store(str(folder)).read_all([task.key for task in todo])


def test_equal_integers_inline_and_on_two_actors_in_another_order(ray_running, dataset, tmp_path):
    few = replace(
        dataset,
        images=dataset.images[:5],
        labels=dataset.labels[:5],
        indices=dataset.indices[:5],
    )
    todo = counting_tasks(few, COUNTS, 7)
    inline, pool = Inline(str(tmp_path / "a"), threads=1), RayPool(str(tmp_path / "b"), workers=2)
    results = [*inline.run(todo, {DATA: few}), *pool.run(todo[::-1], {DATA: few})]
    assert [result.error for result in results if not result.ok] == []
    assert sum(result.rows for result in results) == 2 * 3 * len(few)
    here, there = (rows_of(tmp_path / name, todo) for name in "ab")
    other = counting_tasks(few, COUNTS, 4)
    assert all(own.ok for own in Inline(str(tmp_path / "c"), threads=1).run(other, {DATA: few}))
    cut = rows_of(tmp_path / "c", other)
    assert here["sample"].tolist() == few.indices.repeat(3).tolist()
    assert here["counts"].dtype == torch.int64
    for name, column in here.items():
        assert torch.equal(column, there[name]), name
        assert torch.equal(column, cut[name]), name
    merged = read_rows(open_store(str(tmp_path / "b")), COUNTS, [task.key for task in todo])
    assert merged["sample"].tolist() == few.indices.tolist()
    assert merged["draws"].tolist() == [300] * len(few)


def test_each_unit_is_a_row_of_the_batch_and_each_sample_is_read_once(dataset, monkeypatch):
    read = []

    def take(self, rows):
        read.extend(rows.tolist())
        return self.images[rows]

    monkeypatch.setattr(type(dataset), "take", take)
    samples = batch_for(COUNTS, dataset, Shard(5, 10))
    assert read == [1, 2, 3]
    assert samples.units.tolist() == [5, 6, 7, 8, 9]
    assert samples.indices.tolist() == [3, 6, 6, 6, 9]
    assert torch.equal(samples.inputs[1], samples.inputs[3])
    assert samples.labels.tolist() == [1, 2, 2, 2, 3]
    assert samples.take(slice(1, 3)).units.tolist() == [6, 7]
    assert batch_for(Look(), dataset, Shard(5, 10)).units is None
    assert batch_for(Smoothed(), dataset, Shard(5, 10)).units is None


def test_one_unit_a_sample_is_the_sample(dataset):
    assert counts_samples(Look(), 5)
    assert counts_samples(Smoothed(), 5)
    assert not counts_samples(COUNTS, 5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_parts_of_a_shard_keep_the_order_of_units(dataset, size):
    samples = batch_for(Starts(), dataset, Shard(1, 9))

    def measure(part):
        if len(part.inputs) > size:
            raise MemoryError
        columns = Starts().measure(None, part, None)
        check_columns(columns, Starts(), part)
        return columns

    columns, parts = BatchSizes().measure(measure, samples, ("starts",))
    assert parts > 1
    assert columns["unit"].tolist() == [unit for unit in range(1, 9) for _ in range(2)]
    assert columns["sample"].tolist() == [3 * (unit // 3) for unit in columns["unit"].tolist()]


def test_a_failed_shard_names_its_samples_once(dataset, store):
    task = replace(counting_tasks(dataset, Starts(mistake="fails"), 5)[0], shard=Shard(2, 7))
    for result in (
        Worker(store, 1, "cpu").measure(task, dataset),
        failed_result(task, {DATA: dataset}, "lost"),
    ):
        assert (result.ok, result.samples) == (False, "0, 3, 6")


def test_samples_that_cannot_be_told_are_left_out(dataset, store):
    task = replace(counting_tasks(dataset, Starts(), 5)[0], probe=Starts(mistake="raises"))
    result = Worker(store, 1, "cpu").measure(task, dataset)
    assert (result.ok, result.samples) == (False, "")
    assert "ArithmeticError: which sample?" in result.error


def test_only_whole_samples_say_how_many_are_right(dataset, store):
    """A range of units is none of samples, of which the accuracy is."""
    worker = Worker(store, 1, "cpu")
    counted, whole = counting_tasks(dataset, Starts(), 5)[0], tasks(dataset, Look())[0]
    assert worker.measure(counted, dataset).ok
    assert worker.measure(whole, dataset).ok
    assert "right" not in open_store(store).metadata(counted.key)
    assert "right" in open_store(store).metadata(whole.key)


@pytest.mark.parametrize(
    ("mistake", "match"),
    [
        ("few", r"place of one of 20 samples for each of its 4 units; .* returned \[0\]"),
        ("far", r"Starts.samples_of\(0, 4\) returned \[1000, 1000, 1000, 1001\]"),
        ("turns", "must hold the batch's indices in their order"),
    ],
)
def test_mistaken_units_are_refused(dataset, store, mistake, match):
    task = replace(counting_tasks(dataset, Starts(), 4)[0], probe=Starts(mistake=mistake))
    result = Worker(store, 1, "cpu").measure(task, dataset)
    assert not result.ok
    assert re.search(match, result.error)


def test_a_probe_counts_one_unit_at_least():
    with pytest.raises(InputError, match=r"at least one unit; Starts.units\(20\) returned 0"):
        units_of(Starts(mistake="none"), 20)
    assert units_of(Look(), 20) == 20
    assert places_in(Look(), Shard(3, 5), 20).tolist() == [3, 4]
