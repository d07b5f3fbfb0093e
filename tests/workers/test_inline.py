"""The runner without Ray."""

import pytest
import torch
from tiny_probes import Failing, Look, tasks

from advcore.workers.errors import InputError
from advcore.workers.inline import Inline
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


def test_the_inline_runner_checks_before_it_makes_a_store(dataset, tmp_path):
    with pytest.raises(
        InputError, match="threads must be at least 1, or none for torch's own choice; got 0"
    ):
        list(
            Inline(str(tmp_path / "store"), threads=0).run(tasks(dataset, Look()), {DATA: dataset})
        )
    assert not (tmp_path / "store").exists()


def test_the_inline_runner_gives_one_outcome_for_each_key(dataset, tmp_path):
    todo = tasks(dataset, Failing(bad=12, folder=str(tmp_path)))
    results = list(
        Inline(str(tmp_path / "new" / "store"), threads=1).run([*todo, todo[0]], {DATA: dataset})
    )
    assert [result.key for result in results] == [task.key for task in todo]
    assert [result.ok for result in results] == [True, False, True, True, True]
    assert "ArithmeticError" in results[1].error


def test_the_inline_runner_restores_threads_when_it_is_left(dataset, store):
    before = torch.get_num_threads()
    running = Inline(store, threads=before + 1).run(tasks(dataset, Look()), {DATA: dataset})
    first = next(running)
    assert torch.get_num_threads() == before + 1
    running.close()
    assert torch.get_num_threads() == before
    assert open_store(store).has(first.key)
