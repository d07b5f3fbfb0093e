"""Charts of what fits told, and galleries of derived data sets, without a run."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from tiny_fits import Batches, Mean

from advcore.fits import FitState, Universal
from advcore.pipelines.graph.layout import DerivedData, Layout, PlannedFit
from advcore.pipelines.graph.reporting.fit_charts import (
    FinishedFit,
    convergence_charts,
    drawn_part,
    fit_gallery,
)
from advcore.pipelines.graph.reporting.galleries import data_gallery, root_rows
from advcore.pipelines.reports import figures
from advcore.workers.datasets import Dataset, DataSpec
from advcore.workers.datasets.altered import Relabelled


def fit(label: str, settings: Any, history: dict[str, Any], **more: Any) -> FinishedFit:
    at = {"seed": int(label[-1])} if "seed" in label else {}
    rounds = more.pop("rounds", max((len(own) for own in history.values()), default=1))
    planned = PlannedFit(label, "net", "data", settings, 10, 0, at)
    return FinishedFit(planned, FitState(more, rounds, True, history))


def test_fits_that_differ_in_their_seed_are_a_line_in_a_band() -> None:
    told = [fit(f"m seed={i}", Mean(), {"size": (1.0 + i, 3.0 + i, 4.0)}) for i in range(3)]
    (chart,) = convergence_charts("m", told)
    (line,) = chart.series
    assert (chart.name, chart.x_label, chart.y_label, line.label) == (
        "m-size",
        "round",
        "size",
        "m",
    )
    assert line.x.tolist() == [1, 2, 3]
    assert line.y.tolist() == [2.0, 4.0, 4.0]
    assert line.low is not None
    assert line.high is not None
    assert (line.low.tolist(), line.high.tolist()) == ([1.0, 3.0, 4.0], [3.0, 5.0, 4.0])
    assert chart.note == "Means of 3 seeds, in bands from the smallest to the largest."


def test_fits_of_unequal_rounds_have_a_line_each() -> None:
    told = [fit(f"m seed={i}", Mean(), {"size": (1.0,) * (2 + i)}) for i in range(2)]
    (chart,) = convergence_charts("m", told)
    assert [own.label for own in chart.series] == ["m seed=0", "m seed=1"]
    assert chart.note == ""


def test_a_chart_for_each_quantity_on_the_axis_that_it_was_told_of() -> None:
    told = {"residual": (0.5, 0.1, 1e-4), "largest": (2.0, 3.0, 3.0), "smallest": (0.1, 1.0, 1.1)}
    residual, quotients = convergence_charts("c", [fit("c", Mean(), told)])
    assert residual.y_scale == "log"
    assert quotients.y_label == "Rayleigh quotient"
    assert [own.label for own in quotients.series] == ["c: largest", "c: smallest"]
    late = {"size": (1.0, 2.0), "once": (1.0,)}
    (chart,) = convergence_charts("m", [fit("m", Mean(), late, rounds=5)])
    assert (chart.x_label, chart.series[0].x.tolist()) == ("round", [4, 5])
    (chart,) = convergence_charts("u", [fit("u", Universal(), {"fooling": (0.1, 0.2)}, rounds=9)])
    assert (chart.x_label, chart.series[0].x.tolist()) == ("pass over the samples", [1, 2])
    assert convergence_charts("b", [fit("b", Batches(), {})]) == []


def test_small_numbers_bear_their_power_of_ten_at_each_tick() -> None:
    drawn = figures.draw(convergence_charts("m", [fit("m", Mean(), {"size": (1e-5, 2e-5)})])[0])
    FigureCanvasAgg(drawn).draw()
    (axes,) = drawn.axes
    assert axes.yaxis.get_offset_text().get_text() == ""
    assert "2e-05" in [tick.get_text() for tick in axes.get_yticklabels()]


def test_many_fits_are_drawn_in_part_and_that_is_told() -> None:
    told = [fit(f"m eps={i}.", Mean(), {"size": (1.0, float(i + 2))}) for i in range(20)]
    (chart,) = convergence_charts("m", told)
    assert len(chart.series) == 12
    assert chart.note == "The first 12 of 20 lines."
    figures.draw(chart)


@pytest.mark.parametrize(
    ("tensors", "shape", "rows"),
    [
        ({"vector": torch.ones(1, 8, 8)}, (1, 8, 8), [1]),
        ({"directions": torch.ones(20, 3, 8, 8)}, (3, 8, 8), [8]),
        ({"directions": torch.ones(2, 64)}, (1, 8, 8), None),
        ({"vector": torch.ones(2, 8, 8)}, (2, 8, 8), None),
        ({"vector": torch.ones(12)}, (12,), None),
        ({"mean": torch.ones(1, 8, 8)}, (1, 8, 8), None),
    ],
)
def test_what_was_learnt_is_shown_where_it_is_a_picture(
    tensors: dict[str, Any], shape: tuple[int, ...], rows: list[int] | None
) -> None:
    gallery = fit_gallery("m", [(fit("m", Mean(), {}, **tensors), shape)])
    if rows is None:
        assert gallery is None
        return
    assert gallery is not None
    assert [len(row) for row in gallery.rows] == rows
    assert all(panel.signed for row in gallery.rows for panel in row)
    figures.draw(gallery)


def test_of_tensors_no_more_is_kept_than_is_drawn() -> None:
    whole = {
        "directions": torch.arange(20.0).expand(3, 8, 8, 20).permute(3, 0, 1, 2),
        "block": torch.ones(2),
    }
    kept = drawn_part(FitState(whole, 3, True, {"size": (1.0,)}))
    assert list(kept.tensors) == ["directions"]
    assert kept.tensors["directions"].equal(whole["directions"][:8])
    assert kept.tensors["directions"].untyped_storage().nbytes() == 8 * 3 * 64 * 4
    assert (kept.rounds, kept.history) == (3, {"size": (1.0,)})


def dataset(labels: list[int], indices: list[int], seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).random((len(labels), 1, 4, 4), np.float32)
    return Dataset(images, np.array(labels), np.array(indices), ("a", "b", "c"))


def test_samples_stand_below_their_roots() -> None:
    root, mine = dataset([0, 1, 2, 0], [5, 3, 9, 4]), dataset([1, 1], [9, 3], seed=1)
    assert root_rows(mine, root) is not None
    assert root_rows(mine, root).tolist() == [2, 1]  # type: ignore[union-attr]
    assert root_rows(dataset([1], [7]), root) is None
    own = DerivedData("new", ("old",), Relabelled("old"), None, "old")
    specs = {"old": DataSpec("digits"), "new": DataSpec("derived:relabelled-1")}
    layout = Layout(specs, {}, (), derived={"new": own})
    gallery = data_gallery("new", layout, [own], {"old": root, "new": mine})
    assert gallery is not None
    before, after, difference = gallery.rows
    assert gallery.row_labels == ["old", "new", "difference"]
    assert gallery.column_labels == ["sample 9", "sample 3"]
    assert [panel.caption for panel in before] == ["c", "b"]
    assert [panel.caption for panel in after] == ["b", "b"]
    assert difference[0].image.equal(after[0].image - before[0].image)
    same = {"old": root, "new": root.chosen(np.array([2, 1]))}
    assert data_gallery("new", layout, [own], same) is None
    figures.draw(gallery)


def test_members_on_other_samples_are_left_out_and_counted() -> None:
    sets = {
        "old": dataset([0, 1, 2, 0], [5, 3, 9, 4]),
        "new half=0": dataset([0, 1], [5, 3], seed=1),
        "new half=1": dataset([2, 0], [9, 4], seed=2),
        "new half=2": dataset([2, 1], [5, 3], seed=3),
    }
    members = [
        DerivedData(name, ("old",), Relabelled("old"), None, "old") for name in list(sets)[1:]
    ]
    specs = {name: DataSpec("derived:relabelled-1") for name in sets}
    layout = Layout(specs, {}, (), derived={own.label: own for own in members})
    gallery = data_gallery("new", layout, members, sets)
    assert gallery is not None
    assert gallery.row_labels == ["old", "new half=0", "new half=2"]
    assert gallery.note == "Below each picture its label. 2 of 3 data sets."
