"""Fits and derived data sets in the report, in results.json, and in MLflow."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow_store
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from tiny_fits import Batches, Mean

from advcore.fits import FitState, Universal
from advcore.pipelines import Result, run
from advcore.pipelines.graph.layout import DerivedData, Layout, PlannedFit
from advcore.pipelines.graph.reporting.fit_charts import (
    FinishedFit,
    convergence_charts,
    drawn_part,
    fit_gallery,
)
from advcore.pipelines.graph.reporting.galleries import data_gallery, root_rows
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.reports import figures
from advcore.pipelines.reports.text import first_sentence
from advcore.pipelines.settings import schema
from advcore.workers.datasets import Dataset, DataSpec
from advcore.workers.datasets.altered import Relabelled
from advcore.workers.errors import InputError
from advcore.workers.fit_files import FINISHED, read_finished
from advcore.workers.stores.store import open_store

LEARNT = {
    "recipe": {"base": "plain", "set": {"epochs": 2}},
    "network": {"architecture": "perceptron", "width": 16},
    "data": "train",
    "seed": "$seed",
}


def study(out: Path) -> GraphStudy:
    attack = {"kind": "pgd", "norm": "l2", "eps": 1.0, "steps": 3}
    first = {"of": "plain", "where": {"seed": 0}}
    universal = {"kind": "universal", "radius": 1.0, "epochs": 3, "shard_size": 20}
    return schema.structure(
        GraphStudy,
        {
            "name": "products",
            "axes": {"seed": 2},
            "data_sets": {
                "train": {"name": "digits", "split": "train", "samples": 300},
                "some": {"kind": "subset", "of": "train", "samples": 60},
                "attacked": {
                    "kind": "adversarial",
                    "of": "some",
                    "model": first,
                    "attack": attack,
                    "targets": "next",
                    "labels": "target",
                },
                "light": {
                    "kind": "tiny_products:Lightened",
                    "of": "some",
                    "model": first,
                    "fit": "mean",
                },
                "test": {"name": "digits", "samples": 40},
            },
            "models": {"plain": LEARNT},
            "fits": {
                "uap": universal | {"model": "plain", "data": "some"},
                "mean": {"kind": "tiny_fits:Mean", "model": first, "data": "some"},
                "again": {
                    "kind": "tiny_products:MeanAround",
                    "model": first,
                    "data": "light",
                    "fit": "mean",
                },
            },
            "probes": {
                "shifted": {
                    "kind": "shifted",
                    "model": "plain",
                    "data": "test",
                    "fit": "uap",
                    "controls": ["constant"],
                },
                "distance": {
                    "kind": "tiny_products:Distance",
                    "model": first,
                    "data": "light",
                    "fit": "mean",
                },
            },
            "run": {"out": str(out), "threads": 1, "shard_size": 32},
        },
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("products")
    run(study(place))
    return place


def results(out: Path) -> dict[str, Any]:
    return json.loads((out / "products" / "results.json").read_text())


def test_the_report_says_what_was_learnt_and_how_it_converged(out: Path) -> None:
    folder, store = out / "products", open_store(str(out / "store"))
    text = (folder / "report.md").read_text()
    assert text.index("## shifted") < text.index("## Derived data sets") < text.index("## Fits")
    assert "projected gradient (article, eq. 17). Settings: `{kind: universal" in text
    fits = results(out)["fits"]
    assert list(fits) == ["uap seed=0", "uap seed=1", "mean", "again"]
    for label, told in fits.items():
        state = read_finished(store, told["key"])
        assert state is not None
        last = {name: values[-1] for name, values in state.history.items()}
        assert told["rounds"] == state.rounds
        assert told["numbers"] == last
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {label} "))
        assert all(f" {value:.4g} " in line for value in last.values())
        file = folder / "fits" / f"{label.replace(' ', '_')}.safetensors"
        assert file.read_bytes() == Path(store.place_of(told["key"], FINISHED)).read_bytes()
        assert f"(fits/{file.name})" in line
    for name in ("uap-fooling", "uap-loss", "uap-learnt", "mean-size"):
        assert f"(figures/fits/{name}.png)" in text
        assert (folder / "figures" / "fits" / f"{name}.png").is_file()


def test_the_tensors_of_a_fit_from_python(out: Path) -> None:
    result = Result(out / "products")
    key = results(out)["fits"]["uap seed=1"]["key"]
    state = read_finished(open_store(str(out / "store")), key)
    assert state is not None
    learnt = result.fit("uap", seed=1)
    assert learnt.keys() == state.tensors.keys()
    assert np.array_equal(learnt["vector"], state.tensors["vector"].numpy())
    assert set(result.fit("mean")) >= {"mean"}
    with pytest.raises(InputError, match="no fit 'uab'; did you mean 'uap'"):
        result.fit("uab")
    for at in ({}, {"seed": 7}, {"net": 1}):
        with pytest.raises(InputError, match=r"one fit uap, .* there are uap seed=0, uap seed=1"):
            result.fit("uap", **at)


def test_a_probe_takes_no_folder_of_the_report(out: Path) -> None:
    own = study(out)
    for name in ("fits", "data_sets"):
        with pytest.raises(ValueError, match=rf"probes.{name}: the report has a folder"):
            replace(own, probes={**own.probes, name: own.probes["shifted"]})


def test_the_report_shows_what_was_made(out: Path) -> None:
    text = (out / "products" / "report.md").read_text()
    told = results(out)["data_sets"]
    assert told["some"] == {"samples": 60, "relabelled": 0}
    assert told["attacked"]["relabelled"] == 1
    assert 0 < told["attacked"]["found"] <= 1
    assert 0 < told["attacked"]["distance"] <= 1.0 + 1e-6
    assert "Made of: adversarial of some, made with plain seed=0." in text
    assert "- **data some**: subset of train: 60 samples (`{kind: subset, of: train, sample" in text
    assert "- **data attacked**: adversarial of some, made with plain seed=0: 60 samples (`" in text
    assert "Settings: `{kind: shifted, fit: uap (one for each seed), " in text
    for name, drawn in {"attacked": True, "light": True, "some": False}.items():
        assert (f"![{name}](figures/data_sets/{name}.png)" in text) == drawn
        assert (out / "products" / "figures" / "data_sets" / f"{name}.png").is_file() == drawn


def test_mlflow_leads_from_what_was_measured_to_all_that_it_comes_of(out: Path) -> None:
    client = mlflow_store.client(out)
    found = client.search_runs([own.experiment_id for own in client.search_experiments()])
    runs = {own.info.run_name: own for own in found}
    ids = {own.info.run_id for own in found}
    fits = results(out)["fits"]
    uap, light = runs["fit/uap seed=1"], runs["plain seed=0/distance"]
    assert uap.data.tags["mlflow.parentRunId"] == runs["products"].info.run_id
    assert uap.data.tags["advcore.fit"] == fits["uap seed=1"]["key"]
    history = client.get_metric_history(uap.info.run_id, "fooling")
    assert len(history) == 4
    assert history[-1].value == fits["uap seed=1"]["numbers"]["fooling"]
    assert uap.data.params["fit.kind"] == "universal"
    assert (uap.data.params["entry"], uap.data.params["axis.seed"]) == ("uap", "1")
    measured = runs["plain seed=1/shifted"].data.params
    assert (measured["entry"], measured["axis.seed"]) == ("shifted", "1")
    assert (measured["network"], measured["data"]) == ("plain seed=1", "test")
    (given,) = uap.inputs.dataset_inputs
    assert (given.dataset.name, given.tags[0].value) == ("some", "training")
    files = [own.path for own in client.list_artifacts(uap.info.run_id, "fits")]
    assert files == ["fits/uap_seed=1.safetensors"]
    shifted = runs["plain seed=1/shifted"].data.tags
    assert shifted["advcore.fit.uap seed_1"] == fits["uap seed=1"]["key"]
    assert shifted["advcore.run.fit.uap seed_1"] == uap.info.run_id
    trained = client.get_run(shifted["advcore.run.model"])
    assert trained.data.tags["advcore.model"] == shifted["advcore.model"]
    assert f"[uap seed=1](#/runs/{uap.info.run_id})" in shifted["mlflow.note.content"]
    assert light.data.tags["advcore.run.made_with.plain seed_0"] in ids
    assert light.data.tags["advcore.run.made_with.mean"] == runs["fit/mean"].info.run_id
    told = light.data.tags["mlflow.note.content"].splitlines()
    mean = f"[mean](#/runs/{runs['fit/mean'].info.run_id})"
    assert f"- fit: {mean}" in told
    assert any(own.startswith("- data: light (") for own in told)
    assert f"    - made with: {mean}" in told
    assert trained.data.tags["advcore.trained_as"] == "products: plain seed=1"
    back = trained.data.tags["mlflow.note.content"]
    assert f"plain seed=1 of study [products](#/runs/{runs['products'].info.run_id})" in back
    assert "- trained on: train (digits train)" in back
    about = runs["products"].data.tags["mlflow.note.content"]
    model = trained.info.run_name
    assert (
        f"- [plain seed=1](#/runs/{trained.info.run_id}), registered as [{model}](#/models/{model})"
        in about
    )
    assert f"- fit {mean}" in about
    assert "## Trainings and fits" in about
    assert "![" not in about
    again = runs["fit/again"].data.tags
    assert again["advcore.run.fit.mean"] == runs["fit/mean"].info.run_id
    whole = runs["products"]
    made = {own.dataset.name: own.dataset.source for own in whole.inputs.dataset_inputs}
    assert "adversarial of some, made with plain seed=0" in made["attacked"]
    assert {"train", "test"} <= set(made)
    assert (
        whole.data.metrics["data/attacked/found"] == results(out)["data_sets"]["attacked"]["found"]
    )
    assert whole.data.tags["advcore.children"] == "7"
    pictures = client.list_artifacts(whole.info.run_id, "figures/data_sets")
    assert "figures/data_sets/attacked.png" in [own.path for own in pictures]


def test_a_second_run_adds_no_run_to_mlflow(out: Path) -> None:
    def runs() -> set[str]:
        client = mlflow_store.client(out)
        found = client.search_runs([own.experiment_id for own in client.search_experiments()])
        return {own.info.run_id for own in found}

    before = runs()
    run(study(out))
    assert runs() == before


def test_a_fit_that_cannot_be_drawn_is_a_problem_and_the_rest_is_written(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(family: str, fits: Any) -> Any:
        if family == "mean":
            raise ArithmeticError("no chart of it")
        return []

    monkeypatch.setattr("advcore.pipelines.graph.reporting.fit_report.convergence_charts", broken)
    whole = study(tmp_path)
    object.__setattr__(whole.run, "store", str(out / "store"))
    object.__setattr__(whole.run, "track", False)
    with pytest.raises(Exception, match="no chart of it"):
        run(whole)
    assert list(results(tmp_path)["fits"]) == ["uap seed=0", "uap seed=1", "again"]
    assert any("fit mean" in line for line in results(tmp_path)["missing"])


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


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Learn it (article, eq. 17). Then more.", "Learn it (article, eq. 17)."),
        ("As of Fig. 5. More.", "As of Fig. 5."),
        ("As published (One et al. 2017). More.", "As published (One et al. 2017)."),
    ],
)
def test_a_first_sentence_does_not_end_behind_an_abbreviation(text: str, first: str) -> None:
    assert first_sentence(type("Settings", (), {"__doc__": text})()) == first
