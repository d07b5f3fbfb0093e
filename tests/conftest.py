from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3_server
import torch
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("same")
"""The same examples in every run, on every machine; `pytest --hypothesis-profile=search` looks for
new ones."""


def pytest_configure(config: pytest.Config) -> None:
    """Set what Ray reads while it is imported, before any test imports it: in whatever order they
    run, a cluster of theirs takes the token that drivers send.
    """
    from advcore.workers.pool.preconditions import prepare_environment

    prepare_environment(local=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a Ray come last: then it is started once."""
    items.sort(key=lambda item: "ray_running" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`pytest -n 2` shares the tests out, and those that may start a Ray stay together."""
    import ray_alone

    return ray_alone.scheduler(config, log)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The tensors here are tiny: a second thread only waits, and for long where the cores are
    busy.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The Ray of all modules that want `ray_running`; it is not started yet."""
    from shared_ray import SharedRay

    shared = SharedRay(tmp_path_factory.mktemp("session"))
    yield shared
    shared.end()


@pytest.fixture(scope="module")
def ray_running(shared_ray: Any, request: pytest.FixtureRequest) -> None:
    """A local Ray with two CPUs; pools find it and leave it running."""
    shared_ray.lend(request.path)


@pytest.fixture(autouse=True)
def _own_ray(shared_ray: Any, request: pytest.FixtureRequest) -> None:
    """Tests that start a Ray of their own find none."""
    if "ray_running" not in request.fixturenames:
        shared_ray.make_way(request.node)


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
