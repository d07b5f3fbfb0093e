"""Figures of a study: the numbers of claims, drawn over axes and columns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.pipelines import run
from advcore.pipelines.claims import Among, Correlation, Level, Numbers
from advcore.pipelines.figures import LinesOver, MapOver, ScatterOf
from advcore.pipelines.figures.positions import in_one
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError

SEEDS, EPOCHS, BLOCKS, SAMPLES = 3, (0, 1, 4), 5, 40


def rows():
    """A number for each seed, epoch, block and sample, with medians that are known."""
    shape = (SEEDS, len(EPOCHS), BLOCKS, SAMPLES)
    seed, epoch, block, sample = (own.ravel() for own in np.indices(shape))
    value = 10.0 * (block + 1) + np.array(EPOCHS)[epoch] + 0.01 * seed + (sample - 19) / 1000
    return {
        "seed": torch.tensor(seed),
        "epoch": torch.tensor(np.array(EPOCHS)[epoch]),
        "block": torch.tensor(block),
        "sample": torch.tensor(sample),
        "distance": torch.tensor(value),
        "correct": torch.tensor((sample < 10 * (block + 1)).astype(float)),
    }


def of(**more):
    return Numbers(**{"probe": "margins", "column": "distance", "over": "block", **more})


def test_a_line_has_the_numbers_and_intervals_of_the_claim_at_each_label():
    tables = {"margins": {"": rows()}}
    series = {f"epoch={own}": LinesOver("m", of(where={"epoch": own})) for own in EPOCHS}
    chart = series["epoch=0"].chart("margins", series, tables)
    assert [own.label for own in chart.series] == ["epoch=0", "epoch=1", "epoch=4"]
    assert "3 seeds, 40 samples in each" in chart.note
    for own, epoch in zip(chart.series, EPOCHS, strict=True):
        assert own.x.tolist() == [0, 1, 2, 3, 4]
        torch.testing.assert_close(own.y, 10.0 * (own.x + 1) + epoch + 0.01)
        for place in range(BLOCKS):
            claim = Level("", of(over=None, where={"epoch": epoch, "block": place}))
            level = claim.measure(tables)
            assert own.low[place].item() == level.low
            assert own.high[place].item() == level.high


def test_an_axis_of_given_ends_says_where_intervals_go_beyond():
    tables = {"margins": {"": rows()}}
    for limits, told in (((0.0, 1e6), False), ((0.0, 20.0), True), (None, False)):
        figure = LinesOver("m", of(where={"epoch": 0}), y_limits=limits)
        chart = figure.chart("margins", {"": figure}, tables)
        assert chart.y_limits == (limits or (None, None))
        assert ("Some intervals reach beyond the axis." in chart.note) == told
    with pytest.raises(ValueError, match="y_limits are a lower and a higher end"):
        LinesOver("m", of(), y_limits=(1.0, 0.0))


def test_counts_that_differ_are_told_in_one_sentence():
    assert in_one(["3 seeds, 40 samples in each"] * 2) == "3 seeds, 40 samples in each"
    many = [f"3 seeds, {own} samples in each (common ones of {own + 9})" for own in (90, 8, 700)]
    assert in_one(many) == "3 seeds, 8 to 700 samples in each (common ones of 17 to 709)"
    assert in_one(["5 samples, one seed", "one number, one seed"]) == (
        "5 samples, one seed or one number, one seed"
    )


def test_words_are_ticks_and_labels_may_have_other_samples():
    table = rows()
    first = table["block"] == 0
    table = {name: own[first] for name, own in table.items()} | {
        "data": ["train" if own < 20 else "test" for own in table["sample"][first].tolist()]
    }
    figure = LinesOver("a", of(column="correct", over="data", statistic="mean", where={"epoch": 0}))
    chart = figure.chart("a", {"": figure}, {"margins": {"": table}})
    assert chart.ticks == ["train", "test"]
    assert chart.series[0].y.tolist() == [0.5, 0.0]
    assert chart.series[0].style == "points"


def test_a_map_has_a_row_for_each_label():
    figure = MapOver("m", of(), rows="epoch", scale="log")
    chart = figure.chart("bands", {"": figure}, {"margins": {"": rows()}})
    ((field, _),) = chart.panels
    epochs, blocks = torch.tensor(EPOCHS)[:, None], torch.arange(BLOCKS).double()
    torch.testing.assert_close(field, 10.0 * (blocks + 1) + epochs + 0.01)
    assert chart.y_names == ["0", "1", "4"]
    assert (chart.x_limits, chart.y_limits) == ((-0.5, 4.5), (0.0, 3.0))


def test_numbers_in_unequal_steps_are_named_in_a_map():
    figure = MapOver("m", of(over="epoch"), rows="block")
    chart = figure.chart("bands", {"": figure}, {"margins": {"": rows()}})
    assert chart.x_names == ["0", "1", "4"]
    assert chart.x_limits == (0.0, 3.0)


def test_samples_without_a_number_are_told():
    table = rows()
    lost = (table["sample"] == 7) & (table["block"] == 2)
    table["distance"] = torch.where(lost, torch.nan, table["distance"])
    figure = LinesOver("m", of(where={"epoch": 0}))
    chart = figure.chart("m", {"": figure}, {"margins": {"": table}})
    assert "Samples without a number are left out." in chart.note
    assert "3 seeds, 39 to 40 samples in each" in chart.note


def test_a_number_that_is_not_finite_is_a_gap_and_none_at_all_is_said():
    table = rows()
    table["distance"] = torch.where(table["block"] == 1, torch.inf, table["distance"])
    figure = LinesOver("m", of(where={"epoch": 0}))
    chart = figure.chart("m", {"": figure}, {"margins": {"": table}})
    assert torch.isnan(chart.series[0].y).tolist() == [False, True, False, False, False]
    table["distance"] = torch.full_like(table["distance"], torch.inf)
    with pytest.raises(LookupError, match="cannot average inf, inf, inf over 3 seeds"):
        figure.chart("m", {"": figure}, {"margins": {"": table}})


def test_a_label_at_which_no_sample_counts_is_a_gap():
    block, sample = (torch.tensor(own.ravel()) for own in np.indices((BLOCKS, SAMPLES)))
    judged = {"block": block, "sample": sample, "sure": (block != 2).double()}
    tables = {"margins": {"": rows()}, "judge": {"": judged}}
    among = Among("judge", "sure", at_least=1)
    figure = LinesOver("m", of(where={"epoch": 0}, among=among))
    chart = figure.chart("m", {"": figure}, tables)
    assert torch.isnan(chart.series[0].y).tolist() == [False, False, True, False, False]
    judged["sure"] = torch.zeros(len(block))
    with pytest.raises(LookupError, match="no sample of probe margins is among the 0"):
        figure.chart("m", {"": figure}, tables)


def test_a_point_is_a_sample_of_a_seed():
    own, other = of(over=None, where={"block": 1}), of(over=None, where={"block": 3})
    series = {
        f"epoch={epoch}": ScatterOf(
            "m",
            replace(own, where={**own.where, "epoch": epoch}),
            replace(other, where={**other.where, "epoch": epoch}),
            equality=True,
            correlation=True,
        )
        for epoch in EPOCHS
    }
    chart = series["epoch=0"].chart("pairs", series, {"margins": {"": rows()}})
    *drawn, line = chart.series
    for own, epoch in zip(drawn, EPOCHS, strict=True):
        assert len(own.x) == SEEDS * SAMPLES
        torch.testing.assert_close(own.x, own.y + 20)  # block 3 less block 1
        assert own.label == f"epoch={epoch}: rank correlation 1.00 (1.00 to 1.00)"
        torch.testing.assert_close(own.y.mean(), torch.tensor(20.01 + epoch + 0.0005).double())
    assert line.x.tolist() == line.y.tolist() == [drawn[0].y.min(), drawn[2].x.max()]
    assert chart.note == (
        "A point is a sample (3 seeds, 40 samples in each). Line: both are equal."
    )


def test_a_point_over_an_axis_is_a_network():
    """Of each seed the share of samples, and the median, at each block."""
    table = rows()
    figure = ScatterOf(
        "m",
        of(column="correct", statistic="mean", where={"epoch": 0}),
        of(where={"epoch": 0}),
        correlation=True,
    )
    chart = figure.chart("networks", {"": figure}, {"margins": {"": table}})
    (drawn,) = chart.series
    blocks = torch.arange(1.0, 6).double()
    expected = (10 * blocks / SAMPLES).clamp(max=1).repeat(SEEDS)
    torch.testing.assert_close(drawn.y, expected)
    seeds = 0.01 * torch.arange(SEEDS).double()[:, None]
    torch.testing.assert_close(drawn.x, (10 * blocks + seeds).flatten())
    told = Correlation("", figure.of, figure.against).measure({"margins": {"": table}})
    assert drawn.label == f"rank correlation {told.value:.2f} ({told.low:.2f} to {told.high:.2f})"
    assert "one seed at one block, mean and median over samples (3 seeds, 40 samples" in chart.note


@pytest.mark.parametrize(
    ("changes", "value", "note"),
    [
        ({}, np.inf, "30 of 120 points are not finite, and left out."),
        (
            {"y_scale": "log", "correlation": True},
            0.0,
            "30 of 120 points are not finite, or not positive on a log scale, and left out; rank "
            "correlations count them.",
        ),
    ],
)
def test_points_without_a_place_on_the_axes_are_counted(changes, value, note):
    """Ten samples of each seed; then all."""
    table = rows()
    far = (table["block"] == 1) & (table["sample"] < 10)
    table["distance"] = torch.where(far, value, table["distance"])
    own, other = (of(over=None, where={"epoch": 0, "block": block}) for block in (1, 3))
    figure = ScatterOf("m", own, other, **changes)
    chart = figure.chart("m", {"": figure}, {"margins": {"": table}})
    assert note in chart.note
    (drawn,) = chart.series
    assert len(drawn.x) == len(drawn.y) == 90
    assert (drawn.y > 0).all()
    table["distance"] = torch.where(table["block"] == 1, value, table["distance"])
    figure = replace(figure, correlation=False)
    with pytest.raises(LookupError, match="none of 120 points can be drawn: they are not finite"):
        figure.chart("m", {"": figure}, {"margins": {"": table}})


def test_points_of_rows_that_vary_further_are_refused():
    figure = ScatterOf("m", of(over=None), of(over=None))
    with pytest.raises(LookupError, match="they vary in epoch, block: choose by where"):
        figure.chart("m", {"": figure}, {"margins": {"": rows()}})


def study(out, **figures):
    document = {
        "name": "drawn",
        "axes": {"width": [4, 8]},
        "data_sets": {
            "test": {"name": "digits", "samples": 6},
            "train": {"name": "digits", "split": "train", "samples": 6},
        },
        "models": {
            "plain": {"architecture": "perceptron", "arguments": {"width": "$width"}},
            "fixed": {"architecture": "perceptron", "arguments": {"width": 5}},
        },
        "probes": {"accuracy": {"kind": "accuracy"}},
        "figures": figures,
        "run": {"out": str(out), "track": False, "threads": 1},
    }
    return schema.structure(GraphStudy, document)


LINES = {"kind": "lines", "says": "accuracy"}
CORRECT = {"probe": "accuracy", "column": "correct", "over": "data", "statistic": "mean"}


def test_they_are_drawn_shown_and_made_anew_where_they_change(tmp_path):
    of_plain = {**CORRECT, "where": {"model": "plain"}}
    run(study(tmp_path, by_data={**LINES, "of": of_plain, "each": "width"}))
    (file,) = (tmp_path / "drawn/figures/study").iterdir()
    assert file.name == "by_data.png"
    assert (
        "## Figures\n\n![accuracy](figures/study/by_data.png)"
        in (tmp_path / "drawn/report.md").read_text()
    )
    run(study(tmp_path, other={**LINES, "of": of_plain, "each": "width"}))
    assert [own.name for own in file.parent.iterdir()] == ["other.png"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"of": {**CORRECT, "probe": "acuracy"}}, "figures.own: it names the probe 'acuracy'"),
        ({"of": {**CORRECT, "where": {"width": 5}}}, "figures.own.of.where.width: no member has 5"),
        ({"of": CORRECT, "each": "net"}, "figures.own.each: there is no axis 'net'"),
        ({"of": {**CORRECT, "over": None}}, "lines are over an axis or a column: give of.over"),
        (
            {"of": CORRECT, "each": {"wdith": [4]}},
            "'wdith' is neither an axis of the probe nor one",
        ),
        ({"of": {**CORRECT, "over": "widht"}}, "'widht' is neither an axis"),
        ({"of": CORRECT, "kind": "bars"}, "unknown kind 'bars'"),
        ({"of": CORRECT, "kind": "map", "rows": "data"}, "give of.over, and another in rows"),
        (
            {"of": CORRECT, "kind": "scatter", "against": {**CORRECT, "over": None}},
            "give both one, or neither",
        ),
        (
            {"of": CORRECT, "kind": "scatter", "against": {**CORRECT, "where": {"width": 5}}},
            "figures.own.against.where.width: no member has 5",
        ),
        (
            {"of": CORRECT, "kind": "pictures", "captions": {"a": {"probe": "acc", "column": "x"}}},
            "figures.own.captions.a: it names the probe 'acc'",
        ),
        (
            {
                "of": CORRECT,
                "kind": "pictures",
                "captions": {"a": {"probe": "accuracy", "column": "x", "where": {"width": 5}}},
            },
            "figures.own.captions.a.where.width: no member has 5",
        ),
        (
            {
                "of": CORRECT,
                "kind": "pictures",
                "captions": {"a": {"probe": "accuracy", "column": "x", "above": 1}},
            },
            "figures.own.captions.a: unknown key 'above'",
        ),
    ],
)
def test_refused_before_any_work(tmp_path, entry, message):
    with pytest.raises(InputError, match=message):
        graph_layout(study(tmp_path, own={**LINES, **entry}), Loader())


def test_members_that_lack_an_axis_are_a_series_where_each_lists_null(tmp_path):
    entry = {**LINES, "of": CORRECT, "each": {"width": [None, 4]}}
    (figure,) = graph_layout(study(tmp_path, own=entry), Loader()).figures
    assert list(figure.series) == ["no width", "width=4"]
    assert figure.series["no width"].of.where == {"width": None}
    (own,) = graph_layout(study(tmp_path, own={**entry, "each": "width"}), Loader()).figures
    assert list(own.series) == ["width=4", "width=8"]
