"""References to fits in settings: filled by the worker before it measures."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from test_rounds import run
from tiny_fits import MODEL, Mean, Shifted, rounds
from tiny_probes import Look, tasks

from advcore.fits import FitState
from advcore.learnt import Learnt
from advcore.workers.datasets import batch
from advcore.workers.errors import InputError
from advcore.workers.fit_files import write_state
from advcore.workers.inline import Inline
from advcore.workers.learnt import KEPT, LearntTensors, filled
from advcore.workers.models import build
from advcore.workers.shards import Shard
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


def learnt(store, key, value):
    """A finished fit in the store."""
    tensors = {"mean": torch.full((1, 8, 8), value, dtype=torch.float64), "n": torch.tensor(3)}
    write_state(store, key, FitState(tensors, 1, True))
    return Learnt(f"fit {key}", key)


def test_a_probe_measures_with_what_was_learnt(dataset, store):
    place = open_store(store)
    probe = Shifted((learnt(place, "aa", 0.25),), {"other": learnt(place, "bb", 0.5)})
    todo = tasks(dataset, probe, size=20)
    (result,) = Inline(store, 1).run(todo, {DATA: dataset})
    assert result.ok
    inputs = batch(dataset, Shard(0, 20)).inputs + 0.75
    assert torch.equal(place.read(todo[0].key)["logits"], build(MODEL)(inputs))


def test_a_fit_starts_from_what_another_has_learnt(dataset, store):
    place = open_store(store)
    apart, beside = (
        rounds(dataset, Mean(about=about), place, key=key)
        for about, key in ((None, "a0"), (learnt(place, "aa", 0.25), "a1"))
    )
    for own in (apart, beside):
        run(store, own, dataset)
    assert torch.equal(apart.finished.tensors["mean"], beside.finished.tensors["mean"])
    difference = beside.finished.tensors["square"] - apart.finished.tensors["square"]
    torch.testing.assert_close(difference, torch.full_like(difference, 0.25**2))


def test_a_fit_that_is_not_there(dataset, store):
    todo = tasks(dataset, Shifted((Learnt("uap", "cc"),)), size=20)
    (result,) = Inline(store, 1).run(todo, {DATA: dataset})
    assert "InputError: the fit uap is not in the store (key cc): compute it first" in result.error
    with pytest.raises(InputError, match=r"the fit uap is not in the store \(key not known\)"):
        filled(Learnt("uap"), open_store(store))
    write_state(open_store(store), "cc", FitState({"mean": torch.zeros(1)}, 1))  # not finished
    with pytest.raises(InputError, match="the fit uap is not in the store"):
        filled(Learnt("uap", "cc"), open_store(store))


def test_tensors_are_of_the_dtype_that_is_asked_for(store):
    one = learnt(open_store(store), "aa", 0.25)
    for dtype in (torch.float32, torch.float64):
        tensors = filled(one, open_store(store), dtype).tensors
        assert (tensors["mean"].dtype, tensors["n"].dtype) == (dtype, torch.int64)
    assert filled(one, open_store(store)) == one


def test_settings_without_a_fit_come_back_as_they_are(store):
    for settings in (Look(), Shifted(), {"a": [Look()]}, (), None):
        assert filled(settings, open_store(store)) is settings


def test_few_fits_stay_in_memory(store):
    place = open_store(store)
    many = [learnt(place, f"a{number}", float(number)) for number in range(KEPT + 1)]
    learnt_tensors = LearntTensors(place)
    first = [learnt_tensors.filled(one).tensors["mean"] for one in many[:KEPT]]
    again = learnt_tensors.filled(many[0]).tensors["mean"]
    assert again is first[0]
    gone = weakref.ref(first[1])
    learnt_tensors.filled(many[KEPT])
    del first, again
    gc.collect()
    assert gone() is None  # the one that was used longest ago
    assert learnt_tensors.filled(replace(many[0], name="x")).tensors["mean"][0, 0, 0] == 0
