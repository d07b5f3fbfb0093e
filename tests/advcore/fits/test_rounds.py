from dataclasses import dataclass, replace
from itertools import permutations

import oracles
import pytest
import torch

from advcore.fits import Adder, FitSamples, FitState, fit_here, next_round
from advcore.probes import Batch

SHARES = [{"a": torch.randn(3, generator=torch.Generator().manual_seed(k))} for k in range(4)]


@dataclass(frozen=True)
class MeanImage:
    """A fit that is known: the mean input, counted again in each of its rounds."""

    rounds: int = 3

    def validate(self, samples):
        if samples.count < 1:
            raise ValueError("at least one sample")

    def tensors(self, samples):
        return {"mean": samples.shape}

    def start(self, samples):
        return FitState({"mean": torch.zeros(samples.shape)})

    def shards(self, state, count):
        return range(count)

    def share(self, classifier, batch, state, randomness):
        return {"total": batch.inputs.sum(0), "count": torch.tensor(float(len(batch.inputs)))}

    def after(self, samples, state, sums):
        mean = (sums["total"] / sums["count"]).float()
        rounds = state.rounds + 1
        history = {"count": (*state.history.get("count", ()), sums["count"].item())}
        return FitState({"mean": mean}, rounds, rounds == self.rounds, history)


def batches(sizes=(3, 4, 2)):
    images = oracles.images(sum(sizes), dtype=torch.float32)
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    return [
        Batch(
            images[start : start + size],
            torch.zeros(size, dtype=torch.int64),
            torch.arange(start, start + size),
            start,
        )
        for start, size in zip(starts, sizes, strict=True)
    ]


def test_shares_are_added_in_their_order_whenever_they_come():
    wanted = sum((share["a"].double() for share in SHARES), torch.zeros(3).double())
    for order in permutations(range(4)):
        adder = Adder(range(4))
        for shard in order:
            adder.put(shard, SHARES[shard])
        assert adder.missing == ()
        assert adder.held == 0
        assert torch.equal(adder.sums()["a"], wanted)


def test_an_early_share_is_fetched_when_its_turn_has_come():
    fetched = []

    def fetch(shard):
        fetched.append(shard)
        return SHARES[shard]

    adder = Adder([1, 3, 0])
    for shard in (3, 0):
        adder.put(shard, lambda shard=shard: fetch(shard))
    assert (fetched, adder.held, adder.missing) == ([], 2, (1,))
    with pytest.raises(ValueError, match=r"the round is not over; missing are the shards \[1\]"):
        adder.sums()
    adder.put(1, lambda: fetch(1))
    assert fetched == [1, 3, 0]
    assert adder.sums()["a"].dtype == torch.float64


def test_float64_holds_the_sum_of_many_float32_shares():
    adder = Adder(range(1000))
    for shard in range(1000):
        adder.put(shard, {"a": torch.tensor([1.0 if shard else 1e8])})
    assert adder.sums()["a"].item() == 1e8 + 999


@pytest.mark.parametrize(
    ("break_it", "match"),
    [
        (lambda: Adder([]), "at least one shard and none twice"),
        (lambda: Adder([1, 1]), r"none twice; got \[1, 1\]"),
        (lambda: Adder([1]).put(0, SHARES[0]), r"shard 0 is not of this round"),
    ],
)
def test_what_is_no_round_is_refused(break_it, match):
    with pytest.raises(ValueError, match=match):
        break_it()


def test_a_share_is_put_once_and_looks_like_the_others():
    adder = Adder([0, 1])
    adder.put(0, SHARES[0])
    with pytest.raises(ValueError, match="put before"):
        adder.put(0, SHARES[0])
    with pytest.raises(ValueError, match=r"'a': \(3,\).*shard 1 holds.*'a': \(2,\)"):
        adder.put(1, {"a": torch.zeros(2)})


def test_the_runner_makes_all_rounds_and_goes_on_from_any():
    fit, some, samples = MeanImage(), batches(), FitSamples((1, 4, 4), 2, 9)
    learnt = fit_here(fit, None, some, samples)
    whole = torch.cat([batch.inputs for batch in some])
    torch.testing.assert_close(learnt.tensors["mean"], whole.mean(0))
    assert (learnt.rounds, learnt.done, learnt.history) == (3, True, {"count": (9.0, 9.0, 9.0)})
    state = next_round(fit, None, some, samples, fit.start(samples))
    assert not state.done
    again = fit_here(fit, None, some, samples, replace(state))
    assert torch.equal(again.tensors["mean"], learnt.tensors["mean"])
    with pytest.raises(ValueError, match="at least one sample"):
        fit_here(fit, None, some, replace(samples, count=0))


def test_tensors_of_a_state_are_contiguous():
    state = FitState({"a": torch.arange(6.0).view(2, 3).T})
    assert state.tensors["a"].is_contiguous()
    assert state.tensors["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
