"""The probe of exact distances against `exact_distance`, and its chart."""

import math

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import FMN, PGD, MinimalNorm
from advcore.certify import exact_distance
from advcore.probes import Batch, ExactDistance

NETWORK = oracles.relu(width=6, depth=1)
IMAGES = oracles.images(5)
BATCH = Batch(IMAGES, torch.arange(5) % 4, torch.arange(5))
PROBE = ExactDistance(attacks=(MinimalNorm(norm="linf"), FMN(norm="linf", steps=30)))


@pytest.fixture(scope="module")
def table():
    return PROBE.measure(NETWORK, BATCH, Randomness(0, BATCH.indices))


def test_rows_are_the_exact_distance_and_what_each_attack_finds(table):
    exact = exact_distance(NETWORK, IMAGES, NETWORK(IMAGES).argmax(1))
    rows = table.take(table.rows_with("method", "exact"))
    torch.testing.assert_close(rows.numbers("distance"), exact.distance)
    assert set(rows.words("status")) == {"exact"}
    assert rows.numbers("excess").tolist() == [0.0] * 5
    for name in ("minimal_norm-linf", "fmn-linf"):
        own = table.take(table.rows_with("method", name))
        assert (own.numbers("distance") >= exact.lower - 1e-6).all()
        excess = own.numbers("distance") / exact.distance - 1
        torch.testing.assert_close(own.numbers("excess"), excess)
        assert set(own.words("status")) == {"broken"}
    assert list(dict.fromkeys(table.words("method"))) == PROBE.values()["method"]


def test_what_is_proven_is_below_the_exact_distance_and_intervals_prove_the_least(table):
    ibp, crown, lower, exact = (
        table.take(table.rows_with("method", name)).numbers("distance")
        for name in ("ibp", "crown", "exact_lower", "exact")
    )
    assert (ibp > 0).all()
    assert (ibp <= crown + 1e-6).all()
    assert (ibp < 0.9 * crown).any()
    assert (crown <= exact + 1e-6).all()
    assert (exact - lower < 2e-5).all()


def test_in_l1_no_bounds_are_known():
    probe = ExactDistance(norm="l1")
    table = probe.measure(NETWORK, BATCH.take(slice(2)), Randomness(0, BATCH.indices[:2]))
    assert probe.methods == ["exact_lower", "exact", "minimal_norm-l1"]
    assert len(table["sample"]) == 6


def test_an_attack_is_named_as_studies_write_it_and_told_apart_by_its_settings():
    probe = ExactDistance(attacks=(FMN(norm="linf"), FMN(norm="linf", steps=30)))
    assert probe.methods[-2:] == ["fmn-linf", "fmn-linf steps=30"]


def test_the_summary_counts_what_is_known_and_close(table):
    scalars = PROBE.summarise(table).scalars
    assert scalars["solved"] == 1
    assert not PROBE.summarise(table).warnings
    excess = table.take(table.rows_with("method", "fmn-linf")).numbers("excess")
    assert scalars["close/fmn-linf"] == (excess <= 0.02).double().mean()
    assert scalars["median_distance/exact"] <= scalars["median_distance/fmn-linf"] + 1e-6


def test_where_the_time_is_over_nothing_is_close_and_a_warning_says_so():
    network = oracles.relu(width=40, depth=1)
    probe = ExactDistance(seconds=1e-4)
    table = probe.measure(network, BATCH, Randomness(0, BATCH.indices))
    summary = probe.summarise(table)
    assert set(table.take(table.rows_with("method", "exact")).words("status")) == {"between"}
    crown, lower = (
        table.take(table.rows_with("method", name)).numbers("distance")
        for name in ("crown", "exact_lower")
    )
    assert (crown > 0).all()
    torch.testing.assert_close(lower, crown)
    assert table.numbers("excess").isnan().all()
    assert summary.scalars["solved"] == 0
    assert math.isnan(summary.scalars["close/minimal_norm-linf"])
    assert "100% of the samples have no exact distance" in summary.warnings["unsolved"]
    assert "share of the 0 samples" in summary.meanings["close"]


def test_where_there_is_no_other_class_no_distance_is_close_or_in_excess():
    network = oracles.relu(width=6, depth=1)
    with torch.no_grad():
        list(network.modules())[-1].bias[0] += 1000
    table = PROBE.measure(network, BATCH, Randomness(0, BATCH.indices))
    summary = PROBE.summarise(table)
    assert table.take(table.rows_with("method", "exact")).numbers("distance").isinf().all()
    assert table.numbers("excess").isnan().all()
    assert math.isnan(summary.scalars["close/fmn-linf"])
    assert summary.scalars["solved"] == 1
    assert not summary.warnings


def test_the_chart_orders_samples_by_their_exact_distance_model_by_model(table):
    chart, ratios = PROBE.charts({"one": table, "two": table})
    assert [series.label for series in chart.series] == [
        *("exact", "", "ibp", "crown", "minimal_norm-linf", "fmn-linf")
    ]
    one, two = chart.series[:2]
    assert (one.y.diff() >= 0).all()
    assert torch.equal(one.y, two.y)
    assert two.x[0] > one.x[-1]
    assert torch.equal(chart.series[2].x, torch.cat([one.x, two.x]))
    assert list(chart.x_ticks.values()) == ["one", "two"]
    assert set(ratios.series[0].y.tolist()) == {1.0}
    assert (ratios.series[2].y <= 1).all()


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"needs minimal-norm attacks, .* got pgd-linf"):
        ExactDistance(attacks=(PGD(),))
    with pytest.raises(ValueError, match="one or more minimal-norm attacks, each once"):
        ExactDistance(attacks=(FMN(norm="linf"), FMN(norm="linf")))
    with pytest.raises(ValueError, match="begin with a minimal-norm linf attack with box: true"):
        ExactDistance(attacks=(FMN(norm="l1"),))
    with pytest.raises(ValueError, match="begin with a minimal-norm l1 attack with box: false"):
        ExactDistance(norm="l1", box=False, attacks=(MinimalNorm(norm="l1"),))
    with pytest.raises(ValueError, match="seconds must be positive"):
        ExactDistance(seconds=0)
    with pytest.raises(ValueError, match="norm must be one of linf, l1; got 'l2'"):
        ExactDistance(norm="l2")
