"""A small model and a small data set."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from advcore.workers.stores.store import open_store

sys.path.insert(
    0, str(Path(__file__).parent)
)  # tiny_probes, for the tests and (by the pool's own means) for their workers

from advcore.workers.datasets import Dataset


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Twenty 8-bit images (1, 8, 8) of ten classes, from places 0, 3, 6, ... of a larger split."""
    images = np.random.RandomState(0).randint(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    return Dataset(images, np.arange(20) % 10, np.arange(20) * 3, tuple("abcdefghij"))


@pytest.fixture
def own_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], None]]:
    """Writes the source of a user's own module, importable until the test ends."""
    written = set()
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        written.add(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def _global_state_untouched() -> Iterator[None]:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    yield
    assert torch.equal(state, torch.get_rng_state())
    assert threads == torch.get_num_threads()


@pytest.fixture
def store(tmp_path):
    """The location of an empty store."""
    open_store(str(tmp_path / "store"))
    return str(tmp_path / "store")
