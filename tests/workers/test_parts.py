"""Memory that runs out: the same rows in parts, and a size that is remembered."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from tiny_probes import PLAIN, Look, tasks

from advcore.attacks import DeepFool
from advcore.probes import (
    Curvature,
    Examples,
    Margins,
    Normals,
    Robustness,
    SharedCurvature,
    Transfer,
)
from advcore.probes.probe import Batch
from advcore.subspaces import FAMILIES
from advcore.workers.actor import Worker
from advcore.workers.batch_sizes import BatchSizes, ran_out
from advcore.workers.models import content_hash
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import Other

SMOOTH = DeepFool(norm="l2", box=False)
"""An attack without decisions that hang on rounding, as `MinimalNorm` takes (its docstring says by
how much it may differ)."""


def batch_of(size: int) -> Batch:
    return Batch(
        torch.zeros(size, 1, 2, 2),
        torch.zeros(size, dtype=torch.int64),
        torch.arange(size),
        start=40,
    )


@dataclass
class Small:
    """Measures at most `room` samples at once, and notes the sizes that it was given."""

    room: int
    error: Exception = field(
        default_factory=lambda: torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2 GiB"
        )
    )

    def __post_init__(self):
        self.sizes = []

    def __call__(self, part):
        self.sizes.append(len(part.inputs))
        if len(part.inputs) > self.room:
            raise self.error
        return {
            "sample": part.indices,
            "place": part.start + torch.arange(len(part.inputs)),
            "word": ["a"] * len(part.inputs),
        }


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate 9 bytes"
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_a_shard_is_halved_until_it_fits_and_the_size_is_remembered(error):
    portions, small = BatchSizes(), Small(room=3, error=error)
    columns, parts = portions.measure(small, batch_of(9), ("model", "probe"))
    assert small.sizes == [9, 4, 2, 2, 2, 2, 1]
    assert parts == 5
    assert columns["sample"].tolist() == list(range(9))
    assert columns["place"].tolist() == list(range(40, 49))
    assert columns["word"] == ["a"] * 9
    small.sizes.clear()
    assert portions.measure(small, batch_of(4), ("model", "probe"))[1] == 2
    assert small.sizes == [2, 2]
    small.sizes.clear()
    assert portions.measure(small, batch_of(3), ("model", "another"))[1] == 1
    assert small.sizes == [3]


def test_what_fits_not_even_alone_and_other_errors_go_through():
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        BatchSizes().measure(Small(room=0), batch_of(2), ("probe",))
    small = Small(room=0, error=RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        BatchSizes().measure(small, batch_of(4), ("probe",))
    assert small.sizes == [4]
    assert not ran_out(ValueError("out of memory"))


def test_parts_with_other_columns_are_refused():
    def measure(part):
        if len(part.inputs) > 1:
            raise MemoryError
        return {"sample": part.indices, f"at{part.start}": part.indices}

    with pytest.raises(
        ValueError,
        match="the same columns for every part of a shard; got sample, at40 and sample, at41",
    ):
        BatchSizes().measure(measure, batch_of(2), ("probe",))


@pytest.mark.parametrize(
    "probe",
    [
        Look(),
        Robustness(eps=(0.1, 0.5), attacks=(DeepFool(norm="l2"),)),
        Margins(family=FAMILIES["dct"](size=4, stride=2)),
        Curvature(attack=SMOOTH),
        SharedCurvature(top=3, directions=4, attack=SMOOTH),
        Normals(SMOOTH),
        Examples(DeepFool(norm="l2"), count=7),
        Transfer(attack=DeepFool(norm="l2"), to=("other",)),
    ],
    ids=lambda probe: type(probe).__name__,
)
def test_rows_measured_in_parts_are_those_of_the_whole_shard(dataset, tmp_path, monkeypatch, probe):
    """All that a row depends on is its own sample and the models, also of comparisons and of what
    fits no batch.
    """
    other = replace(PLAIN, arguments={"side": 8, "width": 5})
    task = tasks(dataset, probe, size=10)[0]
    if isinstance(probe, Transfer):
        task = replace(task, others=(Other("other", other, content_hash(other)),))
    rows = {}
    for place in ("whole", "parts"):
        store = open_store(str(tmp_path / place))
        assert Worker(str(tmp_path / place), None, "cpu").measure(task, dataset).error == ""
        rows[place] = store.read(task.key)
        assert store.metadata(task.key)["parts"] == ("1" if place == "whole" else "5")
        cramped(monkeypatch, type(probe), room=3)
    assert list(rows["whole"]) == list(rows["parts"])
    for name, column in rows["whole"].items():
        if isinstance(column, torch.Tensor) and column.is_floating_point():
            torch.testing.assert_close(
                rows["parts"][name],
                column,
                rtol=1e-5,
                atol=1e-5,
                msg=lambda told, name=name: f"{name}: {told}",
            )
        else:
            assert (
                rows["parts"][name].tolist() == column.tolist()
                if isinstance(column, torch.Tensor)
                else column == rows["parts"][name]
            )


def cramped(monkeypatch: pytest.MonkeyPatch, kind: type, room: int) -> None:
    """From now on memory suffices for `room` samples."""
    whole = kind.measure

    def measure(self, classifier, batch, *arguments, **more):
        if len(batch.inputs) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, classifier, batch, *arguments, **more)

    monkeypatch.setattr(kind, "measure", measure)
