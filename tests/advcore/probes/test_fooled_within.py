from dataclasses import replace

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.learnt import Learnt
from advcore.probes import Batch, FooledWithin
from advcore.workers.probe_checks import check_columns

SHAPE = (1, 4, 4)
IMAGES = oracles.images(200, SHAPE)
BATCH = Batch(IMAGES, torch.zeros(200, dtype=torch.int64), torch.arange(200))
TWO = oracles.Affine(2, SHAPE)
NORMAL = (TWO.weight[1] - TWO.weight[0]).detach()
NOISE = torch.randn(16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
BASIS = torch.linalg.qr(torch.cat([NORMAL[:, None], NOISE], 1)).Q.mT.reshape(4, *SHAPE)
FIT = Learnt("normals", "", {"directions": BASIS})
PROBE = FooledWithin(FIT, directions=1, norms=(0.1, 0.3), draws=6)


def _measure(probe=PROBE, batch=BATCH):
    table = probe.measure(TWO, batch, Randomness(0, batch.indices))
    check_columns(table, probe, batch)
    return table


def _of(table, kind, norm):
    return table["fooled"][table.rows_with("kind", kind) & (table["norm"] == norm)]


def test_a_line_along_the_normal_fools_whom_it_takes_over_the_boundary():
    """Each draw is the normal or its opposite; one of the two reaches the boundary."""
    table = _measure()
    for norm in PROBE.norms:
        near = TWO.margins(IMAGES) < norm
        shares = _of(table, "subspace", norm)
        assert (shares[~near] == 0).all()
        towards = TWO(IMAGES).argmax(1)[near] == 1
        for side in (towards, ~towards):
            assert len(shares[near][side].unique()) == 1
        total = shares[near][towards][0] + shares[near][~towards][0]
        assert total.item() == pytest.approx(1)
    assert (_of(table, "sphere", 0.3).mean() < _of(table, "subspace", 0.3).mean()).item()


def test_vectors_are_uniform_over_the_directions_of_the_subspace():
    """A share of such vectors reaches the boundary at distance d: the angle's distribution."""
    probe = replace(PROBE, directions=3, norms=(0.3,), draws=4000)
    one = Batch(IMAGES[:8], BATCH.labels[:8], BATCH.indices[:8])
    reach = (TWO.margins(IMAGES[:8]) / 0.3).clamp(max=1)
    exact = (1 - reach) / 2  # a cap of the sphere in three dimensions
    error = (_of(_measure(probe, one), "subspace", 0.3) - exact).abs()
    assert (error < 4 * (exact * (1 - exact) / 4000).sqrt() + 1e-9).all()
    assert (exact > 0).any()


def test_the_box_clips_what_is_shifted():
    boxed = _measure(replace(PROBE, norms=(50.0,), box=True))
    assert not torch.equal(boxed["fooled"], _measure(replace(PROBE, norms=(50.0,)))["fooled"])
    inside = [(IMAGES + 50 * sign * BASIS[0]).clamp(0, 1) for sign in (1, -1)]
    either = torch.stack([TWO(moved).argmax(1) != TWO(IMAGES).argmax(1) for moved in inside]).any(0)
    assert (boxed["fooled"][boxed.rows_with("kind", "subspace")][~either] == 0).all()


def test_the_summary_and_the_chart():
    table, lost = _measure(), _measure().take(torch.arange(0))
    summary = PROBE.summarise(table)
    rates = [_of(table, "subspace", norm).mean().item() for norm in PROBE.norms]
    assert summary.curves["fooling_rate_over_norm/subspace"].y == pytest.approx(rates)
    assert summary.scalars["fooling_rate/subspace"] == pytest.approx(rates[1])
    (chart,) = PROBE.charts({"plain": table, "lost": lost})
    assert [own.label for own in chart.series] == ["plain, subspace", "plain, whole space"]
    assert chart.series[0].y.tolist() == pytest.approx([100 * rate for rate in rates])
    assert not PROBE.summarise(lost).scalars
    assert PROBE.charts({"lost": lost}) == []


def test_what_cannot_be_measured_is_refused():
    for settings, match in (
        ({"directions": 0}, "directions must be at least 1; got 0"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"norms": (2.0, 1.0)}, "norms must be a growing list of finite positive numbers"),
        ({"norms": ()}, "norms must be a growing list of finite positive numbers"),
        ({"norms": (0.0, 1.0)}, "norms must be a growing list of finite positive numbers"),
    ):
        with pytest.raises(ValueError, match=match):
            replace(PROBE, **settings)
    FooledWithin(Learnt("normals")).validate(SHAPE, 2)  # before the fit is there
    with pytest.raises(ValueError, match="directions must not exceed the inputs' dimension, 16"):
        FooledWithin(FIT, directions=17).validate(SHAPE, 2)
    with pytest.raises(ValueError, match="5 directions of the fit normals are wanted, and it has"):
        _measure(replace(PROBE, directions=5))
