"""Data that stay in their files: workers read the same rows, and refuse a file that has changed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_probes import Look, tasks

from advcore.workers.datasets import Dataset, DataSpec, load, sources
from advcore.workers.inline import Inline
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


@pytest.fixture
def in_files(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The small data set as an archive, of which nothing travels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "SENT", 0)
    images = dataset.take(np.arange(20))
    np.savez(tmp_path / "own.npz", images=images, labels=dataset.labels, names=dataset.names)
    return load(DataSpec(f"npz:{tmp_path / 'own.npz'}"))


def test_workers_read_their_shards(ray_running, dataset, in_files, tmp_path):
    memory = Dataset(dataset.images, dataset.labels, in_files.indices, dataset.names)
    rows = []
    for name, data, runner in [
        ("memory", memory, Inline(str(tmp_path / "memory"))),
        ("inline", in_files, Inline(str(tmp_path / "inline"))),
        ("ray", in_files, RayPool(str(tmp_path / "ray"), workers=2)),
    ]:
        todo = tasks(data, Look(), size=3)
        assert all(result.ok for result in runner.run(todo, {DATA: data}))
        rows.append(open_store(str(tmp_path / name)).read_all([task.key for task in todo]))
    for one in rows[1:]:
        for name, column in rows[0].items():
            same = one[name] == column if name == "word" else torch.equal(one[name], column)
            assert same, name


def test_a_worker_refuses_a_file_that_has_changed(ray_running, in_files, tmp_path):
    todo = tasks(in_files, Look(), size=10)
    np.savez(tmp_path / "own.npz", images=np.zeros((20, 1, 8, 8), np.uint8), labels=np.arange(20))
    results = list(RayPool(str(tmp_path / "ray"), workers=1).run(todo, {DATA: in_files}))
    assert [result.ok for result in results] == [False, False]
    assert all("own.npz has changed since it was opened" in result.error for result in results)
