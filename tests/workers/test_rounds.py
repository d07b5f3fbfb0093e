"""Fits in rounds: in one process, gone on with, spoilt, and beside other work."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_fits import MODEL, Batches, Crooked, Mean, Rude, rounds, template
from tiny_probes import Look, tasks

from advcore.fits import FitState
from advcore.fits.rounds import fit_here
from advcore.randomness import Randomness
from advcore.workers.datasets import batch
from advcore.workers.fit_files import (
    FINISHED,
    ROUND,
    SHARE,
    read_finished,
    read_round,
    read_share,
    read_state,
    write_share,
    write_state,
)
from advcore.workers.inline import Inline
from advcore.workers.learnt import LearntTensors
from advcore.workers.models import build
from advcore.workers.rounds import Rounds, share_key
from advcore.workers.shards import Shard, split
from advcore.workers.shares import StateReader, compute_share
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA, TaskResult


def run(location, own, dataset):
    """Run a fit to its end in this process."""
    runner = Inline(location, 1)
    return list(runner.run(own.released(), {DATA: dataset}, own.took))


def fit_bytes(location, key="f00d"):
    return Path(open_store(location).place_of(key, FINISHED)).read_bytes()


def files(location):
    """All files of fits in a store, by name."""
    return sorted(path.name for path in Path(location).rglob("*.safetensors"))


def test_a_fit_is_what_its_rounds_say(dataset, store):
    own = rounds(dataset, Mean(), open_store(store))
    results = run(store, own, dataset)
    assert [(one.ok, one.done) for one in results] == [(True, True)] * 14  # two rounds of seven
    sums = [torch.zeros(1, 8, 8, dtype=torch.float64) for _ in range(2)]
    logits = torch.zeros(10, dtype=torch.float64)
    parts = [batch(dataset, shard) for shard in split(len(dataset), 3)]
    noisy = [part.inputs + 0.1 * Randomness(7, part.indices).normal((1, 8, 8)) for part in parts]
    for inputs in noisy:
        sums[0] += inputs.sum(0)
    mean = sums[0] / len(dataset)
    for inputs in noisy:
        sums[1] += ((inputs - mean.float()) ** 2).sum(0)
        logits += build(MODEL)(inputs).sum(0)
    state = read_finished(open_store(store), "f00d")
    assert (state.rounds, state.done, own.failed) == (2, True, None)
    assert torch.equal(state.tensors["mean"], mean)
    assert torch.equal(state.tensors["square"], (sums[1] / len(dataset)).transpose(1, 2))
    assert torch.equal(state.tensors["logits"], logits)
    size = (float(mean.norm()), float((sums[1] / len(dataset)).norm()))
    assert state.history == own.finished.history == {"size": size}
    assert files(store) == ["f00d.fit.safetensors"]


def test_a_finished_fit_is_taken_as_it_is(dataset, store, tmp_path):
    fit = Mean(folder=str(tmp_path))
    run(store, rounds(dataset, fit, open_store(store)), dataset)
    before = set(os.listdir(tmp_path))
    own = rounds(dataset, fit, open_store(store))
    assert own.released() == []
    assert own.finished.rounds == 2
    assert set(os.listdir(tmp_path)) == before


def test_a_stop_in_mid_round_loses_nothing_that_was_computed(dataset, store, tmp_path):
    """After each number of shares: those in the store are added, not computed again."""
    whole = str(tmp_path / "whole")
    run(whole, rounds(dataset, Mean(), open_store(whole)), dataset)
    shares = tmp_path / "shares"
    for stop in (0, 1, 3, 6, 7, 8, 13):
        shares.mkdir()
        store = str(tmp_path / f"after {stop}")
        fit = Mean(folder=str(shares))
        own = rounds(dataset, fit, open_store(store))
        running = Inline(store, 1).run(own.released(), {DATA: dataset}, own.took)
        for _ in range(stop):
            next(running)
        running.close()
        told = run(store, rounds(dataset, fit, open_store(store)), dataset)
        assert len(told) == 14 - stop
        assert len(os.listdir(shares)) == 14
        assert fit_bytes(store) == fit_bytes(whole)
        assert files(store) == ["f00d.fit.safetensors"]
        shutil.rmtree(shares)


def test_results_may_come_in_any_order_and_more_than_once(dataset, tmp_path):
    bits = set()
    for order in (1, -1):
        store = str(tmp_path / str(order))
        own = rounds(dataset, Mean(), open_store(store))
        waiting = own.released()
        while waiting:
            tasks_ = waiting[::order]
            results = list(Inline(store, 1).run(tasks_, {DATA: dataset}))
            released = [own.took(result) for result in (*results, results[0])]
            assert [len(more) for more in released[:6]] == [0] * 6
            assert released[7] == []  # that of a round that is over
            waiting = released[6]
        bits.add(fit_bytes(store))
    assert len(bits) == 1


def test_shares_that_are_there_may_lie_anywhere(dataset, store, tmp_path):
    """Those of the first and the last shard are; the one in the middle is damaged."""
    whole = str(tmp_path / "whole")
    run(whole, rounds(dataset, Mean(), open_store(whole)), dataset)
    place, shards = open_store(store), split(len(dataset), 3)
    first = rounds(dataset, Mean(), place).released()
    list(Inline(store, 1).run([first[0], first[3], first[6]], {DATA: dataset}))
    Path(place.place_of(first[3].key, SHARE)).write_bytes(b"half a")
    own = rounds(dataset, Mean(), place)
    released = own.released()
    assert [task.shard for task in released] == [shards[at] for at in (1, 2, 4, 5)]
    results = list(Inline(store, 1).run(released, {DATA: dataset}, own.took))
    assert len(results) == 4 + 1 + 7
    assert fit_bytes(store) == fit_bytes(whole)


def test_all_shares_of_a_round_are_there(dataset, store):
    """The driver was killed before the step."""
    place = open_store(store)
    list(Inline(store, 1).run(rounds(dataset, Mean(), place).released(), {DATA: dataset}))
    own = rounds(dataset, Mean(), place)
    released = own.released()
    assert {task.round for task in released} == {1}
    assert read_round(place, "f00d").rounds == own.state.rounds == 1
    assert not [name for name in files(store) if name.endswith(SHARE)]


def test_a_share_that_was_handed_out_and_is_gone_fails_the_fit(dataset, store):
    own, place = rounds(dataset, Mean(), open_store(store)), open_store(store)
    first, *_ = own.released()
    (result,) = Inline(store, 1).run([first], {DATA: dataset})
    place.remove(first.key, SHARE)
    assert own.took(result) == []
    assert own.failed.key == "f00d"
    assert (
        "round 1 Shard(start=0, stop=3) is damaged, or no longer in the store" in own.failed.error
    )


@pytest.mark.parametrize("how", ["raises", "nan"])
def test_a_share_that_fails_fails_the_fit(dataset, store, how):
    own = rounds(dataset, Mean(bad=12, how=how), open_store(store))
    results = run(store, own, dataset)
    bad = [result for result in results if not result.ok]
    assert [own.failed] == bad
    assert bad[0].samples == "9, 12, 15"
    assert (own.finished, own.state.rounds) == (None, 1)
    said = "ArithmeticError: sample 12 has no share" if how == "raises" else "holds NaN"
    assert said in own.failed.error
    again = rounds(dataset, Mean(bad=12, how="dies", marker=store), open_store(store))
    assert len(run(store, again, dataset)) == 1  # the one that failed, and it is the last
    assert again.finished.rounds == 2


@pytest.mark.parametrize("where", ["start", "shards", "step", "rounds"])
def test_a_fit_that_cannot_start_or_step_fails_by_itself(dataset, store, where):
    own = rounds(dataset, Crooked(where=where), open_store(store))
    results = run(store, own, dataset)
    assert all(result.ok for result in results)
    assert (own.failed.ok, own.failed.key, own.failed.name) == (False, "f00d", "fits.tiny")
    said = {
        "start": "ArithmeticError: no start",
        "shards": "a fit must name shards of 0 to 6, ascending, at least one; got \\[0, 7\\]",
        "step": "ArithmeticError: no step",
        "rounds": "a step of a fit must count its round; expected rounds=1, got 0",
    }[where]
    assert re.search(said, own.failed.error)
    assert own.finished is None
    assert own.took(results[0] if results else own.failed) == []


def test_a_round_may_be_of_one_shard(dataset, store):
    own = rounds(dataset, Batches(rounds=9), open_store(store))
    results = run(store, own, dataset)
    assert len(results) == own.finished.rounds == 9
    shards = [*split(len(dataset), 3), *split(len(dataset), 3)][:9]
    mean = torch.zeros(1, 8, 8, dtype=torch.float64)
    for shard in shards:
        mean = (batch(dataset, shard).inputs.sum(0) + mean.float()).double()
    assert torch.equal(own.finished.tensors["mean"], mean)


def test_a_run_beside_another_one_goes_on_from_where_that_is(dataset, store, tmp_path):
    """The slower of two drivers: the state of its round and its shares are gone."""
    place = open_store(store)
    slow, fast = (rounds(dataset, Mean(), place) for _ in range(2))
    first = slow.released()
    running = Inline(store, 1).run(fast.released(), {DATA: dataset}, fast.took)
    for _ in range(9):
        next(running)
    (result,) = Inline(store, 1).run(first[:1], {DATA: dataset})
    assert "needs the state of its fit after 0 rounds, and the store has one after 1 rounds" in (
        result.error
    )
    released = slow.took(result)
    assert slow.failed is None
    assert {task.round for task in released} == {1}
    assert slow.took(result) == []
    list(running)
    gone = TaskResult(released[0].key, "fits.tiny", True, 0, 0.0, "", "w")
    assert slow.took(gone) == []
    assert (slow.failed, slow.finished.rounds) == (None, 2)
    assert files(store) == ["f00d.fit.safetensors"]


def test_what_late_workers_leave_is_removed_at_the_end(dataset, store):
    own, place = rounds(dataset, Mean(), open_store(store)), open_store(store)
    running = Inline(store, 1).run(own.released(), {DATA: dataset}, own.took)
    for _ in range(8):
        next(running)
    write_share(place, share_key("f00d", 0, Shard(0, 3)), {"sum": torch.zeros(1)})
    list(running)
    assert files(store) == ["f00d.fit.safetensors"]


def test_a_share_that_comes_after_the_end_is_removed(dataset, store):
    own, place = rounds(dataset, Mean(), open_store(store)), open_store(store)
    released, states = own.released(), StateReader(place)
    states.read(released[0])
    list(Inline(store, 1).run(released, {DATA: dataset}, own.took))
    learnt = LearntTensors(place)
    compute_share(place, released[0], dataset, build(MODEL), "cpu", states, learnt)
    assert files(store) == ["f00d.fit.safetensors"]


def test_it_runs_beside_measuring(dataset, store):
    own, looks = rounds(dataset, Mean(), open_store(store)), tasks(dataset, Look(), size=5)
    seen = []

    def after(result):
        seen.append(result.key)
        released = own.took(result)
        return (
            looks[2:]
            if own.finished and result.key not in {task.key for task in looks}
            else (released)
        )

    results = list(Inline(store, 1).run([*looks[:2], *own.released()], {DATA: dataset}, after))
    assert all(result.ok for result in results)
    assert len(results) == len(seen) == 4 + 14


def test_fits_in_doubles(dataset, store):
    place = open_store(store)
    own = Rounds(template(dataset, Mean(), dtype="float64"), split(len(dataset), 3), place)
    run(store, own, dataset)
    parts = [batch(dataset, shard, "float64") for shard in split(len(dataset), 3)]
    sums = torch.zeros(1, 8, 8, dtype=torch.float64)
    for part in parts:
        noise = Randomness(7, part.indices).normal((1, 8, 8))
        sums += (part.inputs + 0.1 * noise.to(torch.float64)).sum(0)
    assert torch.equal(own.finished.tensors["mean"], sums / len(dataset))


def test_another_model_and_a_model_that_a_fit_changes(dataset, store):
    own = rounds(dataset, Rude(), open_store(store))
    results = run(store, own, dataset)
    assert "a probe must leave the network as it is" in results[0].error
    changed = replace(rounds(dataset, Mean(), open_store(store)).released()[0], model_hash="0")
    (result,) = Inline(store, 1).run([changed], {DATA: dataset})
    assert "is not the same on this worker, or has changed since the study started" in result.error


def test_states_are_stored_bit_for_bit(store):
    """Whatever their strides are: transposed, cut, expanded, empty, of one number."""
    place = open_store(store)
    plain = torch.arange(24, dtype=torch.float64).view(4, 6)
    tensors = {
        "transposed": plain.T,
        "cut": plain[::2, 1::3],
        "expanded": torch.arange(3.0)[:, None].expand(3, 4),
        "qr": torch.linalg.qr(plain[:, :3])[0].T,
        "flipped": plain.flip(0),
        "half": plain[1:3],
        "number": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "count": torch.tensor([2**40, -1]),
        "true": torch.tensor([True, False]),
    }
    odd = {"loss": (0.1, 1e-310, -0.0, float("inf")), "angle": ()}
    for done in (False, True):
        state = FitState(tensors, 3, done, odd)
        write_state(place, "ab", state, {"name": "x"})
        read = (read_finished if done else read_round)(place, "ab")
        assert (read.rounds, read.done, read.history) == (3, done, odd)
        assert list(map(str, read.history["loss"])) == list(map(str, odd["loss"]))
        for name, value in tensors.items():
            assert read.tensors[name].dtype == value.dtype
            assert torch.equal(read.tensors[name], value), name
    assert read_state(place, "ab").done
    write_share(place, "cd", tensors)
    share = read_share(place, "cd")
    assert {name: value.tolist() for name, value in share.items()} == {
        name: value.tolist() for name, value in tensors.items()
    }
    assert read_share(place, "ce") is read_state(place, "ce") is None


def test_equal_states_make_equal_files(store):
    place = open_store(store)
    contents = []
    for _ in range(3):
        state = FitState({"b": torch.ones(2), "a": torch.zeros(3)}, 1, True, {"x": (1.0,)})
        write_state(place, "ab", state, {"name": "x", "model": "y", "about": "z"})
        contents.append(Path(place.place_of("ab", FINISHED)).read_bytes())
    assert len(set(contents)) == 1


def test_a_fit_on_s3(dataset, store, s3):
    bucket = s3.url("fits")
    run(store, rounds(dataset, Mean(), open_store(store)), dataset)
    own = rounds(dataset, Mean(), open_store(bucket))
    running = Inline(bucket, 1).run(own.released(), {DATA: dataset}, own.took)
    for _ in range(9):
        next(running)
    running.close()
    again = rounds(dataset, Mean(), open_store(bucket))
    assert len(run(bucket, again, dataset)) == 5
    fits = {name: body for name, body in s3.objects("fits/").items() if "safetensors" in name}
    assert fits == {f"f0/f00d{FINISHED}": fit_bytes(store)}


def test_the_same_bits_as_all_rounds_here(dataset, store):
    own = rounds(dataset, Mean(), open_store(store))
    run(store, own, dataset)
    batches = [batch(dataset, shard) for shard in split(len(dataset), 3)]
    here = fit_here(Mean(), build(MODEL), batches, template(dataset, Mean()).samples)
    assert (here.rounds, here.done, here.history) == (2, True, own.finished.history)
    for name, value in here.tensors.items():
        assert torch.equal(value, own.finished.tensors[name])


def test_settings_that_cannot_be_learnt_from_fail_before_any_share(dataset, store):
    own = rounds(dataset, Batches(rounds=0), open_store(store))
    assert own.released() == []
    assert "ValueError: a fit needs a round" in own.failed.error
    assert files(store) == []


def test_what_is_read_is_its_own(store):
    place = open_store(store)
    write_share(place, "ab", {"a": torch.zeros(3)})
    write_state(place, "ab", FitState({"a": torch.zeros(3)}))
    for read in (lambda: read_share(place, "ab"), lambda: read_state(place, "ab").tensors):
        read()["a"].add_(1)
        assert torch.equal(read()["a"], torch.zeros(3))


def test_a_damaged_state_is_named(dataset, store):
    own, place = rounds(dataset, Mean(), open_store(store)), open_store(store)
    file = Path(place.place_of("f00d", ROUND))
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half a")
    assert own.released() == []
    assert f"the file {file} of a fit is damaged" in own.failed.error
    assert "delete it and run again" in own.failed.error
