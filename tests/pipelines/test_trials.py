"""The trials of a sweep as a table, as charts, as rows for claims."""

import math
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from advcore.attacks import PGD
from advcore.pipelines.claims import Level, Numbers, Ratio, Trend
from advcore.pipelines.reports import figures
from advcore.pipelines.sweep.live_table import Live
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.space import Domain
from advcore.pipelines.sweep.trial_files import Status, Trial
from advcore.pipelines.sweep.trials_charts import charts, families, pareto
from advcore.pipelines.sweep.trials_parallel import parallel
from advcore.pipelines.sweep.trials_table import best, claim_tables, columns, front, table
from advcore.probes import Curvature, Lines, Maps, Margins, Robustness
from advcore.shares import wilson
from advcore.subspaces import DCTDiagonal

EPS, WEIGHT = "recipe.attack.eps", "recipe.cure.weight"


def trials(eps: Sequence[float], weights: Sequence[float] = (0,), **metrics: float) -> list[Trial]:
    """One for each pair, with `clean` that falls and `robust` that rises with eps."""
    pairs = [(one, other) for one in eps for other in weights]
    return [
        Trial(
            key=f"k{i}",
            number=i + 1,
            point={EPS: one, WEIGHT: other},
            sweep="s",
            status="finished",
            metrics={
                "clean": 1 - one / 4,
                "robust": one,
                "probe/curve/1": one,
                "probe/curve/2": 2 * one,
                "level": 3.0,
                **metrics,
            },
        )
        for i, (one, other) in enumerate(pairs)
    ]


SPACE = {EPS: Domain(grid=(1,)), WEIGHT: Domain(grid=(1,))}


def test_an_axis_is_as_wide_as_its_values() -> None:
    for values, scale in (
        ([0.5, 1, 2], "linear"),
        ([0.25, 1, 16], "log"),
        ([0, 0.25, 1, 16], "symlog"),
        ([-1, 0.25, 16], "linear"),
    ):
        (chart,) = (
            own for own in charts(trials(values), SPACE, None, None, None) if own.name == "clean"
        )
        assert chart.x_scale == scale  # type: ignore[union-attr]


def test_the_front_is_what_no_other_point_beats() -> None:
    x, y = [1.0, 2.0, 3.0, 2.0, 3.0, math.nan, 0.5], [3.0, 2.0, 1.0, 2.0, 0.5, 9.0, 3.0]
    assert front(x, y) == [0, 1, 2]


def test_the_best_is_finished_and_finite() -> None:
    own = trials([0.1, 0.2, 0.3])
    own[2].metrics["robust"] = math.nan
    own[1].status = "stopped"
    assert best(own, "robust", "max") is own[0]
    assert best(own, "clean", "min") is own[2]
    assert best(own, "nothing", "max") is None
    assert best(own, None, "max") is None


def test_the_table_has_every_setting_and_number() -> None:
    own = trials([0.1, 0.2], [0, 1])
    own[3].metrics.pop("robust")
    held = columns(own, SPACE)
    assert torch.equal(held["eps"], torch.tensor([0.1, 0.1, 0.2, 0.2], dtype=torch.float64))
    assert math.isnan(held["robust"][3])  # type: ignore[arg-type]
    assert held["status"] == ["finished"] * 4
    own[0].metrics["eps"] = 7.0
    assert columns(own, SPACE)[EPS].tolist() == [0.1, 0.1, 0.2, 0.2]  # type: ignore[union-attr]
    words = table(own, SPACE, ["robust"])
    assert words.splitlines()[2].split() == [
        "|",
        "1",
        "|",
        "0.1",
        "|",
        "0",
        "|",
        "finished",
        "|",
        "0",
        "|",
        "0.1",
        "|",
    ]


def test_numbers_of_one_curve_share_a_chart_and_constants_have_none() -> None:
    assert families(trials([0.1, 0.2])) == {
        "clean": ["clean"],
        "robust": ["robust"],
        "probe/curve": ["probe/curve/1", "probe/curve/2"],
    }


def _drawn(own: list[Trial], folder: Path) -> dict[str, Any]:
    made = charts(own, SPACE, ("clean", "robust"), "robust", own[-1])
    for chart in made:
        assert figures.save(chart, folder).stat().st_size > 5000
    return {chart.name: chart for chart in made}


def test_one_axis_is_drawn_as_lines(tmp_path: Path) -> None:
    made = _drawn(trials([0.4, 0.1, 0.2]), tmp_path)
    assert set(made) == {"pareto", "clean", "robust", "probe-curve"}
    assert (
        made["robust"].series[0].x.tolist()
        == made["robust"].series[0].y.tolist()
        == [0.1, 0.2, 0.4]
    )
    assert [series.label for series in made["probe-curve"].series] == ["1", "2"]
    assert made["pareto"].series[0].x.tolist() == [0.9, 0.95, 0.975]
    assert [series.label for series in made["pareto"].series] == [
        "Pareto front",
        *(f"eps={one} weight=0" for one in (0.4, 0.1, 0.2)),
    ]
    assert [series.label for series in made["robust"].series] == [""]  # its name stands at the axis
    assert made["robust"].x_ticks == [0.1, 0.2, 0.4]


def test_two_axes_are_lines_by_level_or_a_heat_map(tmp_path: Path) -> None:
    few = _drawn(trials([0.1, 0.2, 0.4], [0, 1]), tmp_path)
    assert [series.label for series in few["robust"].series] == ["weight = 0", "weight = 1"]
    assert set(few) == {"pareto", "clean", "robust", "probe-curve"}
    many = _drawn(trials([0.1, 0.2, 0.3, 0.4, 0.5], [0, 1, 2, 3, 5, 8]), tmp_path)
    field = many["robust"].panels[0][0]
    assert field.shape == (5, 6) or field.shape == (6, 5)
    assert sorted({round(float(value), 6) for value in field.flatten()}) == [
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
    ]


def test_more_trials_than_labels_are_told_apart_by_one_axis() -> None:
    own = trials([0.1, 0.2, 0.3, 0.4, 0.5], [0, 1])
    axes, plain = [EPS, WEIGHT], Quantities()
    across = parallel(own, SPACE, axes, ["clean", "robust"], own[-1], plain)
    assert across.ticks[0] == "eps\n0.1 to 0.5"
    made = pareto(own, SPACE, axes, ("clean", "robust"), own[-1], plain)
    groups, front = (
        ["weight = 0", "weight = 1"],
        [f"eps={eps} weight=0 (front)" for eps in (0.5, 0.4, 0.3, 0.2, 0.1)],
    )
    for chart, labels in ((made, [*groups, *front]), (across, groups)):
        told = [series for series in chart.series if series.label]
        assert [series.label for series in told if series.shade != 7] == [
            *labels,
            "eps=0.5 weight=1 (best)",
        ]
        assert len({series.shade for series in told}) == len(told)
    assert [len(series.x) for series in made.series] == [5, 5, 5, 1, 1, 1, 1, 1, 1]
    assert [series.shade for series in across.series] == [0] * 5 + [1] * 5 + [6]
    every = {
        chart.name: chart
        for chart in charts(trials([0.1, 0.2, 0.3], [0, 1, 2]), SPACE, None, "clean", None)
    }
    assert {series.label for series in every["clean"].series} == {
        f"weight = {weight}" for weight in (0, 1, 2)
    }  # type: ignore[union-attr]


def test_charts_of_a_sweep_say_what_their_numbers_are() -> None:
    robustness = Robustness(eps=(0.5, 1.5), attacks=(PGD(norm="l2"), PGD(norm="l2", steps=3)))
    probes: dict[str, Any] = {
        "robustness": robustness,
        "margins": Margins(DCTDiagonal(8, 8)),
        "curvature": Curvature(),
    }
    eps = "recipe.objective.adversarial.attack.eps"
    training = {"recipe": {"objective": {"adversarial": {"attack": {"norm": "linf", "eps": 1.0}}}}}
    own = trials([0.1, 0.2, 0.4])
    metric = "robustness/robust_accuracy/worst/1.5"
    for trial in own:
        value = float(trial.point[EPS])  # type: ignore[arg-type]
        trial.point = {eps: value}
        trial.metrics = {
            "loss": value,
            "robustness/accuracy": 1 - value,
            metric: value,
            "robustness/robust_accuracy/worst/0.5": 2 * value,
            "robustness/masking/varying": value,
            "margins/median_margin/0": value,
            "margins/median_margin/1": value / 2,
            "curvature/mean_top_eigenvalue": value,
            "curvature/other": value,
        }
    words = Quantities(probes, training, {"robustness": 100})
    made = {
        chart.name: chart
        for chart in charts(
            own, {eps: Domain(grid=(1,))}, ("robustness/accuracy", metric), metric, own[2], words
        )
        if isinstance(chart, Lines)
    }
    curve = "robustness-robust_accuracy-worst"
    assert set(made) == {
        "pareto",
        "robustness-accuracy",
        curve,
        "margins-median_margin",
        "curvature-mean_top_eigenvalue",
    }
    assert (
        made["pareto"].title
        == "What does robust accuracy at ε = 1.5 (l2), all attacks together cost of accuracy?"
    )
    assert made["pareto"].x_label == "accuracy (%)"
    assert made["pareto"].y_label == "robust accuracy at ε = 1.5 (l2), all attacks together (%)"
    assert "eps: eps of adversarial in training (linf, pixels in [0, 1])" in made["pareto"].note
    assert made[curve].x_label == "eps of adversarial in training (linf, pixels in [0, 1])"
    assert made[curve].y_label == "robust accuracy, all attacks together (%)"
    assert [series.label for series in made[curve].series] == ["ε = 1.5 (l2)", "ε = 0.5 (l2)"]
    first = made[curve].series[0]
    assert first.y.tolist() == pytest.approx([10, 20, 40])
    assert first.low is not None
    assert first.low.tolist() == pytest.approx(
        [100 * wilson(hits, 100)[0] for hits in (10, 20, 40)]
    )
    assert (made[curve].y_scale, made[curve].y_limits) == ("linear", (0, 102))
    assert "robust accuracy at ε = 1.5 (l2), all attacks together (%)" in table(
        own, {eps: Domain(grid=(1,))}, [metric], words
    )
    assert table(own, {eps: Domain(grid=(1,))}, [metric], words).splitlines()[2].split()[-2] == "10"
    assert [series.label for series in made["margins-median_margin"].series] == [
        "block 0",
        "block 1",
    ]
    assert made["margins-median_margin"].y_label == "median margin (l2, pixel units, no box)"
    assert (
        made["curvature-mean_top_eigenvalue"].title
        == "How does mean top eigenvalue change with eps?"
    )
    assert (
        words.number(f"validation/{metric}")
        == "robust accuracy at ε = 1.5 (l2), all attacks together, on samples held out (%)"
    )
    assert words.number("test_accuracy") == "test accuracy (%)"
    assert (
        words.number("robustness/robust_accuracy/pgd-l2-1/0.5")
        == "robust accuracy at ε = 0.5 (l2), pgd-l2-1 alone (%)"
    )


def test_of_a_long_curve_the_ends_and_the_metric_are_drawn() -> None:
    own = trials([0.1, 0.2, 0.3], [0, 1, 2])
    for trial in own:
        trial.metrics |= {f"long/{i}": (1 + trial.point[EPS]) * 2.0**i for i in range(9)}  # type: ignore[operator]
    (chart,) = (made for made in charts(own, SPACE, None, "long/3", None) if made.name == "long")
    assert [series.label for series in chart.series[:3]] == [f"{i}, weight = 0" for i in (0, 3, 8)]  # type: ignore[union-attr]
    assert [(series.shade, series.mark) for series in chart.series[2:5]] == [(0, 2), (1, 0), (1, 1)]  # type: ignore[union-attr]
    assert chart.y_scale == "log"  # type: ignore[union-attr]


def test_claims_see_all_rows_and_those_of_one_value() -> None:
    own = trials([0.1, 0.2])
    rows = {trial.key: {"p": {"sample": torch.arange(3), "word": ["a"] * 3}} for trial in own}
    held = claim_tables(own, SPACE, rows)["p"]
    assert set(held) == {"all", "eps=0.1", "eps=0.2", "weight=0"}
    assert torch.equal(held["all"]["eps"], torch.tensor([0.1] * 3 + [0.2] * 3, dtype=torch.float64))  # type: ignore[arg-type]
    assert held["eps=0.2"]["word"] == ["a"] * 3
    assert held["all"]["network"].tolist() == [1] * 3 + [2] * 3  # type: ignore[union-attr]
    taken = {key: {"p": {**by_probe["p"], "eps": torch.zeros(3)}} for key, by_probe in rows.items()}
    assert EPS in claim_tables(own, SPACE, taken)["p"]["all"]


def test_seeds_and_networks_of_a_sweep_are_units_of_claims() -> None:
    """Four eps, three seeds each; the number rises with eps, the seeds differ, the samples hardly
    do.
    """
    space = {
        EPS: Domain(grid=(1,)),
        "recipe.seed": Domain(grid=(1,)),
        "model.seed": Domain(same_as="recipe.seed"),
    }
    own = trials([0.1, 0.2, 0.4, 0.8], [0, 1, 2])
    for trial in own:
        trial.point = {
            EPS: trial.point[EPS],
            "recipe.seed": trial.point[WEIGHT],
            "model.seed": trial.point[WEIGHT],
        }
    small = torch.linspace(-0.01, 0.01, 40)
    made = {trial.key: 10 * trial.point[EPS] + trial.point["recipe.seed"] for trial in own}  # type: ignore[operator]
    rows = {
        key: {"p": {"sample": torch.arange(40), "x": level + small}} for key, level in made.items()
    }
    tables = claim_tables(own, space, rows)
    level = Level("x", Numbers("p", "eps=0.4", "x")).measure(tables)
    assert level.value == pytest.approx(5, abs=0.01)
    assert level.unit == "3 seeds, 40 samples in each"
    assert level.high - level.value == pytest.approx(
        4.303 / 3**0.5, abs=0.01
    )  # Student, two degrees: the seeds are 4, 5, 6
    ratio = Ratio("x", Numbers("p", "eps=0.8", "x"), "eps=0.1", paired=True).measure(tables)
    assert ratio.value == pytest.approx((8 * 9 / 2 * 10 / 3) ** (1 / 3), rel=0.01)
    trend = Trend("x", Numbers("p", "all", "x", over="eps"))
    assert trend.measure(tables).unit == "3 seeds, 40 samples in each"
    alone = claim_tables(own[::3], space, rows)
    assert (trend.measure(alone).unit, trend.measure(alone).low < 0) == ("4 networks", True)


@pytest.mark.parametrize("terminal", [False, True])
def test_the_shell_shows_lines_or_one_table(terminal: bool) -> None:
    stream = StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    live = Live("s", "robust", stream)
    own = trials([0.1, 0.2])
    journal: Any = SimpleNamespace(
        trials={trial.key: trial for trial in own},
        plan=SimpleNamespace(sweep=SimpleNamespace(space=SPACE)),
    )
    steps: list[tuple[Status, Status]] = [
        ("waiting", "waiting"),
        ("running", "waiting"),
        ("finished", "failed"),
    ]
    for first, second in steps:
        own[0].status, own[1].status = first, second
        own[1].error = "Traceback\nValueError: no" if second == "failed" else ""
        live(journal)
    text = stream.getvalue()
    assert "1  eps=0.1 weight=0  finished  epoch 0  robust 0.1" in text
    assert "ValueError: no" in text
    assert ("\x1b[" in text) == terminal
    assert ("2 of 2 trials ended" in text) == terminal


def test_seeds_are_one_point_of_a_line_and_its_band() -> None:
    """Over eps, a line for each of six methods: mean, smallest and largest of two seeds."""
    seed, method = "recipe.seed", "method"
    space = {
        EPS: Domain(grid=(1, 2)),
        seed: Domain(grid=(0, 1)),
        method: Domain(cases={name: {"a": place} for place, name in enumerate("abcdef")}),
    }
    made = [
        replace(
            trials([eps], robust=eps + place + number / 2)[0],
            point={EPS: eps, seed: number, method: name},
        )
        for eps in (2, 1)
        for place, name in enumerate("abcdef")
        for number in (0, 1)
    ]
    (chart,) = (own for own in charts(made, space, None, "robust", None) if own.name == "robust")
    assert isinstance(chart, Lines)
    assert [own.label for own in chart.series] == [f"method = {name}" for name in "abcdef"]
    for place, own in enumerate(chart.series):
        assert own.x.tolist() == [1, 2]
        assert own.low is not None
        assert own.high is not None
        ends = torch.stack([own.low, own.y, own.high]).tolist()
        assert ends == [
            [1 + place, 2 + place],
            [1.25 + place, 2.25 + place],
            [1.5 + place, 2.5 + place],
        ]
    assert "smallest to the largest" in chart.note
    alone = [own for own in made if own.point[seed] == 0]
    (chart,) = (own for own in charts(alone, space, None, "robust", None) if own.name == "robust")
    assert isinstance(chart, Lines)
    assert chart.series[0].low is None


def test_a_map_shows_means_over_seeds() -> None:
    seed = "recipe.seed"
    space = {EPS: Domain(grid=(1,)), WEIGHT: Domain(grid=(1,)), seed: Domain(grid=(0, 1))}
    made = [
        replace(
            own,
            point={**own.point, seed: number},
            metrics={"robust": own.metrics["robust"] + number},
        )
        for own in trials(range(6), range(6))
        for number in (0, 1)
    ]
    (chart,) = (own for own in charts(made, space, None, "robust", None) if own.name == "robust")
    assert isinstance(chart, Maps)
    ((field, _),) = chart.panels
    assert field[0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def test_the_watch_is_drawn_at_its_own_eps() -> None:
    made = trials([0.1, 0.3], **{"watch/pgd_accuracy": 0.5, "probe/other": 1.0})
    made = [
        replace(own, metrics={**own.metrics, "watch/pgd_accuracy": own.point[EPS]}) for own in made
    ]
    words = Quantities(training={"recipe": {}})
    found = charts(made, SPACE, None, "robust", None, words)
    (chart,) = (own for own in found if own.name == "watch-pgd_accuracy")
    assert isinstance(chart, Lines)
    assert chart.y_label == "PGD accuracy of the watch (%)"
    torch.testing.assert_close(chart.series[0].y, torch.tensor([10.0, 30.0], dtype=torch.float64))
