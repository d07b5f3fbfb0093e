"""One Ray for the tests of several modules: starting one takes as long as many of them."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from ray_alone import starts_ray


class SharedRay:
    """A local Ray with two CPUs, from the first module that wants it to the first that wants none.

    Pools find it and leave it running.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._session, self._modules = str(folder), ExitStack(), set[Path]()

    def lend(self, module: Path) -> None:
        """Start it, if it does not run, for the tests of a module."""
        from advcore.workers.pool.ray_runner import RayPool  # most tests need none of it
        from advcore.workers.pool.ray_session import running

        if not running():
            self.end()
            self._session.enter_context(RayPool(self._folder, workers=2).session())
        self._modules.add(module)

    def make_way(self, test: pytest.Item) -> None:
        """End it before a test that may start a Ray of its own, in another module."""
        if self._modules and test.path not in self._modules and starts_ray(test.nodeid):
            self.end()

    def end(self) -> None:
        self._session.close()
        self._modules.clear()
