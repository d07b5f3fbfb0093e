"""Fits and derived data sets in the report, in results.json, and in MLflow."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow_store
import numpy as np
import pytest

from advcore.pipelines import Result, run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.reports.text import first_sentence
from advcore.pipelines.settings import schema
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


def test_results_and_page_tell_what_each_product_comes_of(out: Path) -> None:
    told = results(out)["lineage"]
    assert {(start, end) for start, end in told["edges"]} == {
        ("data set train", "data set some"),
        ("data set train", "model plain"),
        ("data set some", "data set attacked"),
        ("model plain", "data set attacked"),
        ("data set some", "data set light"),
        ("model plain", "data set light"),
        ("fit mean", "data set light"),
        ("model plain", "fit uap"),
        ("data set some", "fit uap"),
        ("model plain", "fit mean"),
        ("data set some", "fit mean"),
        ("model plain", "fit again"),
        ("data set light", "fit again"),
        ("fit mean", "fit again"),
        ("model plain", "probe shifted"),
        ("data set test", "probe shifted"),
        ("fit uap", "probe shifted"),
        ("model plain", "probe distance"),
        ("data set light", "probe distance"),
        ("fit mean", "probe distance"),
    }
    assert told["nodes"]["fit uap"]["about"] == "2 fits"
    page = (out / "products" / "report.html").read_text()
    assert "data set light comes of some, plain, mean" in page
    assert page.count("<img ") == len(results(out)["figures"]) > 0


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
