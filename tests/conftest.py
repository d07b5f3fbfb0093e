import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server
import torch
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("same")
"""The same examples in every run, on every machine; `pytest --hypothesis-profile=search` looks for new ones."""


RAYS_OWN = re.compile(r"RayPool|ray_running|ray\.init|cluster_utils|from driver|\"ray\", \"start\"")
"""What stands in a module whose tests start a Ray."""

ASKS_FOR_RAY = re.compile(r"[\"']ray[\"']")
"""What stands in another test that does."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Where several processes share the tests (`-n 2 --dist loadgroup`), those that may start a Ray stay in one of them, in their
    order: two Rays on one machine may find each other, and each wants the cores."""
    modules = {path: RAYS_OWN.search(path.read_text()) for path in {item.path for item in items}}
    for item in items:
        if modules[item.path] or ASKS_FOR_RAY.search(inspect.getsource(item.function)):
            item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The tensors here are tiny: a second thread only waits, and for long where the cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """An S3 on loopback for all tests that need one."""
    with s3_server.running() as port:
        yield port


@pytest.fixture
def s3(s3_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> s3_server.S3:
    """A bucket of its own there, to which the environment leads."""
    return s3_server.bucket(s3_port, tmp_path, monkeypatch)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to S3 in this process are tried again after a hundredth of a second."""
    from botocore.retries.standard import ExponentialBackoff

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
