"""A worker on a machine that is not as ours."""

import sys

import pytest

from advcore.workers.pool.ray_actor import _actor_class


def test_a_machine_without_advcore_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "advcore.workers.actor", None)
    monkeypatch.setattr("platform.node", lambda: "node-7")
    with pytest.raises(
        RuntimeError,
        match=r"^advcore is not installed on node node-7: install its checkout there, as here$",
    ):
        _actor_class()([], "unused", 1)
