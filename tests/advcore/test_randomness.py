"""Noise depends on (seed, stream, sample index, position), and on nothing else."""

import pytest
import torch

from advcore import Randomness
from advcore.randomness import drawn_places

DRAWS = ["uniform", "normal"]


def _source(indices, seed=0):
    return Randomness(seed, torch.as_tensor(indices))


@pytest.mark.parametrize("draw", DRAWS)
def test_a_sample_has_the_same_numbers_in_any_batch(draw):
    whole = getattr(_source(range(20)), draw)((3, 4))
    chosen = torch.tensor([7, 3, 3, 19])
    assert torch.equal(getattr(_source(chosen), draw)((3, 4)), whole[chosen])
    assert torch.equal(getattr(_source(range(20)).take(chosen), draw)((3, 4)), whole[chosen])


@pytest.mark.parametrize("draw", DRAWS)
def test_calls_have_no_state_and_leave_the_global_one(draw):
    before = torch.random.get_rng_state()
    source = _source(range(3))
    assert torch.equal(getattr(source, draw)((5,)), getattr(source, draw)((5,)))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_first_numbers_do_not_depend_on_how_many_are_drawn():
    assert torch.equal(_source([4]).uniform((10,))[:, :3], _source([4]).uniform((3,)))


@pytest.mark.parametrize("draw", DRAWS)
def test_shape_dtype_and_the_empty_shape(draw):
    numbers = getattr(_source(range(5)), draw)((2, 3))
    assert numbers.shape == (5, 2, 3)
    assert numbers.dtype == torch.float32
    assert getattr(_source(range(5)), draw)(()).shape == (5,)


def test_numbers_live_where_the_indices_do():
    assert Randomness(0, torch.arange(3, device="meta")).normal((2,)).device.type == "meta"


def test_streams_seeds_and_indices_differ():
    source = _source([0])
    sources = [
        source, source.stream("a"), source.stream("b"),
        source.stream("a", 0), source.stream("a", 1),
        source.stream("a").stream("b"), source.stream("b").stream("a"),
        _source([0], seed=1), _source([0], seed=-1),
        _source([0], seed=2**40), _source([1]), _source([2**40]),
    ]  # fmt: skip
    firsts = torch.cat([one.uniform((4,)) for one in sources])
    assert len(torch.unique(firsts)) == firsts.numel()
    assert torch.equal(source.stream("a", 1).uniform((4,)), source.stream("a", 1).uniform((4,)))


def test_uniform_moments_and_range():
    numbers = _source(range(400)).uniform((500,)).double()
    assert 0 < numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    for power in (1, 2, 3):  # standard error of the mean of u^p is below 0.3 / sqrt(n)
        assert numbers.pow(power).mean() == pytest.approx(
            1 / (power + 1), abs=4 * 0.3 / 200_000**0.5
        )


def test_normal_moments():
    numbers = _source(range(400)).normal((500,)).double()
    for power, moment, error in ((1, 0, 1.0), (2, 1, 1.42), (3, 0, 3.9), (4, 3, 9.8)):
        assert numbers.pow(power).mean() == pytest.approx(moment, abs=4 * error / 200_000**0.5)


@pytest.mark.parametrize("seeds", [False, True], ids=["indices", "seeds"])
def test_neighbours_are_not_correlated(seeds):
    rows = (
        torch.cat([_source([0], seed=i).normal((4000,)) for i in range(24)])
        if seeds
        else _source(range(24)).normal((4000,))
    )
    correlation = torch.corrcoef(rows.double()) - torch.eye(24)
    assert correlation.abs().max() < 5 / 4000**0.5
    lagged = torch.corrcoef(torch.cat([rows[:, :-1], rows[:, 1:]]).double())[:24, 24:]
    assert lagged.abs().max() < 5 / 4000**0.5


def test_the_drawn_order_is_a_permutation_that_knows_no_classes():
    indices = torch.arange(1000, 1400)
    places = drawn_places(indices)
    assert torch.equal(places.sort().values, torch.arange(400))
    assert places[:4].tolist() != [0, 1, 2, 3]
    first = (places < 100).nonzero()[:, 0]
    assert [
        int(((first >= 100 * k) & (first < 100 * (k + 1))).sum()) for k in range(4)
    ] == pytest.approx([25] * 4, abs=12)


def test_the_drawn_order_of_some_is_that_of_all():
    indices = torch.arange(50)
    order = indices[drawn_places(indices).argsort()]
    some = indices[::3]
    own = some[drawn_places(some).argsort()]
    assert own.tolist() == [index for index in order.tolist() if index % 3 == 0]
