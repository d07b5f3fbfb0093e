"""Distances over queries: exact for an affine classifier, by labels alone, at each point."""

import oracles
import pytest
import torch

from advcore import HardLabel, Randomness, Untargeted
from advcore.attacks import FGSM, DeepFool, GeoDA, HopSkipJump, MinimalNorm, RayS, SurFree, Within
from advcore.probes import Batch, Queries, Table
from advcore.probes.attack_labels import told_apart
from advcore.workers.probe_checks import check_columns

TWO = oracles.Affine(2, (1, 4, 4))
IMAGES = oracles.images(5, spread=0.3)
BATCH = Batch(IMAGES, torch.zeros(5, dtype=torch.int64), torch.arange(40, 45))
BLIND = GeoDA(queries=200, sigma=1e-12)
PROBE = Queries((GeoDA(queries=200), BLIND, SurFree(queries=100)), MinimalNorm())
NAMES = ["geoda-l2", "geoda-l2 sigma=1e-12", "surfree-l2"]


def _measure(probe, network=TWO, batch=BATCH):
    table = Table(probe.measure(network, batch, Randomness(0, batch.indices)))
    check_columns(table, probe, batch)
    return table


TABLE = _measure(PROBE)


def _last(table, name, column="distance"):
    own = table.take(table.rows_with("attack", name))
    return own.numbers(column)[own.numbers("queries") == own.numbers("queries").max()]


def test_the_last_point_is_the_attacks_own_distance_and_nears_the_exact_one():
    exact = TWO.margins(IMAGES)
    for name, attack in zip(NAMES, PROBE.attacks, strict=True):
        result = attack(
            TWO, IMAGES, Untargeted(TWO(IMAGES).argmax(1)), Randomness(0, BATCH.indices)
        )
        torch.testing.assert_close(_last(TABLE, name), result.distance)
        torch.testing.assert_close(_last(TABLE, name, "used"), result.queries)
    assert (_last(TABLE, NAMES[0]) < 1.2 * exact).all()
    torch.testing.assert_close(TABLE.numbers("white_box")[:5], exact, rtol=1e-3, atol=0)
    torch.testing.assert_close(
        TABLE.numbers("over_white_box"),
        TABLE.numbers("distance") / TABLE.numbers("white_box"),
    )


def test_noise_that_is_too_short_for_labels_gives_random_directions_that_lead_nowhere():
    """The control: the same attack with the same queries, and no normals."""
    assert (_last(TABLE, NAMES[1]) > 1.5 * _last(TABLE, NAMES[0])).double().mean() >= 0.8


def test_distances_fall_over_the_queries():
    for name in NAMES:
        own = TABLE.take(TABLE.rows_with("attack", name))
        numbers, distance = own.numbers("queries").view(-1, 5), own.numbers("distance").view(-1, 5)
        assert (numbers.diff(dim=0) > 0).all()
        assert not (distance[1:] > distance[:-1]).any()
        assert distance[0].isinf().all()


def test_labels_alone_give_the_same():
    probe = Queries(PROBE.attacks)
    assert "white_box" not in (bare := _measure(probe, HardLabel(TWO)))
    assert torch.equal(bare.numbers("distance"), TABLE.numbers("distance"))
    assert not any("white" in name for name in probe.summarise(bare).scalars)


def test_the_summary_is_that_of_the_last_points():
    scalars = PROBE.summarise(TABLE).scalars
    assert scalars["found/surfree-l2"] == 1
    for name in NAMES:
        middle = _last(TABLE, name).median().item()
        assert scalars[f"median_distance/{name}"] == pytest.approx(middle)
        curve = PROBE.summarise(TABLE).curves[f"median_distance/{name}"]
        assert curve.y[-1] == pytest.approx(middle)
        assert curve.x[-1] == (100 if name == "surfree-l2" else 200)
    assert scalars["median_white_box"] == pytest.approx(TWO.margins(IMAGES).median().item(), 1e-3)


def test_a_chart_a_model_has_a_line_an_attack_and_the_level_with_gradients():
    nothing = TABLE.take(torch.arange(0))
    (chart,) = PROBE.charts({"two": TABLE, "none": nothing})
    assert chart.name == "queries"
    assert chart.title.endswith(": two")
    labels = [*NAMES, "minimal_norm-l2, with gradients"]
    assert [series.label for series in chart.series] == labels
    assert chart.series[-1].x.tolist() == [1, 200]
    assert len({own.name for own in PROBE.charts({"one": TABLE, "other": TABLE})}) == 2
    assert PROBE.charts({"none": nothing}) == []
    assert not PROBE.summarise(nothing).scalars


def test_names_tell_equal_kinds_apart_by_what_differs():
    attacks = (GeoDA(band=14), GeoDA(band=14, step="circle"), SurFree(), SurFree(queries=2000))
    assert told_apart(attacks) == [
        "geoda-l2",
        "geoda-l2 step=circle",
        "surfree-l2",
        "surfree-l2 queries=2000",
    ]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Queries(()), "one or more attacks of decisions, each once"),
        (lambda: Queries((GeoDA(), GeoDA())), "each once"),
        (lambda: Queries((FGSM(eps=0.1),)), "attacks of decisions, such as geoda; got fgsm-linf"),
        (lambda: Queries((DeepFool(),)), "attacks of decisions, .* got deepfool-l2"),
        (lambda: Queries((Within(GeoDA(), eps=1.0),)), "attacks of decisions"),
        (lambda: Queries((GeoDA(), RayS())), "share a norm; got l2, linf"),
        (lambda: Queries((HopSkipJump(),), DeepFool(norm="linf")), "share a norm; got l2, linf"),
        (lambda: Queries((HopSkipJump(),), FGSM(eps=0.1, norm="l2")), "must be a minimal-norm"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


class Limited(DeepFool):
    """An attack of somebody's own, with a limit and without a trace."""

    queries = 100


def test_an_attack_without_a_trace_is_refused():
    with pytest.raises(ValueError, match="needs the trace of each attack; got None"):
        _measure(Queries((Limited(),)))
