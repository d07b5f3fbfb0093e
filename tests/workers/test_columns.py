"""Rows are those of the samples that were measured, or the probe fails."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_probes import Look, tasks

from advcore.probes import Batch
from advcore.randomness import Randomness
from advcore.workers.actor import Worker
from advcore.workers.probe_checks import check_columns
from advcore.workers.stores.store import open_store

OWN = torch.tensor([5, 9, 12])
SAMPLES = Batch(torch.zeros(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64), OWN)


@dataclass(frozen=True)
class Wrong(Look):
    """Rows of other samples than it was given."""

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Any:
        columns = super().measure(classifier, batch, randomness)
        return {**columns, "sample": batch.indices.flip(0)}


@dataclass(frozen=True)
class Few(Look):
    """Looks at even samples."""

    def validate(self, shape: Any, classes: int) -> None: ...
    def summarise(self, table: Any) -> Any: ...
    def charts(self, tables: Any) -> Any: ...

    def samples(self, batch: Batch) -> Batch:
        rows = batch.indices % 2 == 0
        return Batch(batch.inputs[rows], batch.labels[rows], batch.indices[rows])


@pytest.mark.parametrize("sample", [OWN, OWN.repeat(4), OWN.repeat_interleave(2)])
def test_samples_stand_in_their_order_once_or_several_times(sample: torch.Tensor) -> None:
    assert check_columns({"sample": sample}, Look(), SAMPLES) == len(sample)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({}, "a probe must give columns of one length, `sample` among them; got none"),
        ({"x": torch.zeros(3)}, "columns of one length"),
        (
            {"sample": OWN, "v": [1, 1, 1]},
            "column 'v' must be a tensor or a list of texts; got a list of int: write torch.as_t",
        ),
        ({"sample": OWN, "v": ["a", 1.0, "b"]}, "got a list of float: write torch.as_tensor"),
        ({"sample": OWN, "v": OWN.numpy()}, "column 'v' must be a tensor .*; got a ndarray: "),
        ({"sample": OWN, "v": 1.0}, "column 'v' must be a tensor .*; got a float: "),
        ({"sample": OWN, "v": "abc"}, "column 'v' must be a tensor .*; got a str: "),
        ({"sample": OWN, "v": OWN[0]}, "column 'v' must have one row a sample; got a tensor of on"),
        ({"sample": OWN, "x": torch.zeros(2)}, "columns of one length"),
        ({"sample": OWN[:2]}, "as many rows for each of its 3 samples; got 2 rows"),
        ({"sample": OWN[:0]}, "as many rows for each of its 3 samples; got 0 rows"),
        (
            {"sample": torch.arange(3)},
            r"must hold the batch's indices in their order, 5, 9, 12; got 0, 1, 2",
        ),
        ({"sample": OWN.flip(0)}, r"got 12, 9, 5"),
        ({"sample": torch.tensor([5, 9, 12, 5, 12, 9])}, "must hold the batch's indices"),
        ({"sample": torch.tensor([5, 9, 9])}, "must hold the batch's indices"),
    ],
)
def test_other_rows_are_refused(columns: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_columns(columns, Look(), SAMPLES)


def test_a_selective_probe_has_rows_of_the_samples_that_it_names() -> None:
    assert check_columns({"sample": torch.tensor([12, 12])}, Few(), SAMPLES) == 2
    with pytest.raises(ValueError, match="as many rows for each of its 0 samples; got 1 rows"):
        check_columns(
            {"sample": OWN[:1]}, Few(), Batch(SAMPLES.inputs[:2], SAMPLES.labels[:2], OWN[:2])
        )
    assert (
        check_columns(
            {"sample": OWN[:0]}, Few(), Batch(SAMPLES.inputs[:2], SAMPLES.labels[:2], OWN[:2])
        )
        == 0
    )


def test_a_shard_with_wrong_rows_fails_and_nothing_of_it_is_stored(
    dataset: Any, tmp_path: Path
) -> None:
    open_store(str(tmp_path))
    worker = Worker(str(tmp_path), None, "cpu")
    task = tasks(dataset, Wrong())[0]
    result = worker.measure(task, dataset)
    assert not result.ok
    assert (
        result.error.strip()
        .splitlines()[-1]
        .startswith("ValueError: the column `sample` must hold the batch's indices")
    )
    assert not worker._store.has(task.key)
