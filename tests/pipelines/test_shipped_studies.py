"""The studies that come along: each reads, names what is there, and its claims find their numbers
where it is made small.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import GraphStudy, read_study
from advcore.pipelines.reports import figures
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import find, shipped_files
from advcore.workers.datasets.arrays import has_fashion_mnist

FEW_QUERIES = {30: 3, 100: 5, 300: 8, 1000: 12, 4000: 30}
"""What stands for each number of queries of a study."""

CLOTHES = "fashion-mnist"
"""A data set that need not be on a machine."""

SMALL = ("data.samples=12", "run.threads=1", "run.track=false", "run.shard_size=12")


@pytest.mark.parametrize("name", shipped_files("studies"))
def test_each_reads(name: str) -> None:
    study = read_study(name)
    assert study.name == name
    assert schema.structure(type(study), schema.unstructure(study)) == study
    if isinstance(study, GraphStudy):
        named = any(own.get("name") == CLOTHES for own in study.data_sets.values())
        if named and not has_fashion_mnist():
            pytest.skip("Fashion-MNIST is not here")
        graph_layout(study, Loader())


def made_quick(value: Any) -> Any:
    """The same with few queries and few steps, wherever they stand."""
    if isinstance(value, dict):
        steps = {"steps": 5} if value.get("kind") in ("fmn", "smallest_eps") else {}
        return {key: made_quick(own) for key, own in value.items()} | steps
    if isinstance(value, list):
        return [made_quick(own) for own in value]
    return FEW_QUERIES.get(value, value) if type(value) is int else value


@pytest.mark.parametrize(
    "name",
    [
        *("fig3", "fig4", "fig5", "fig8", "eq21", "shared_directions", "masked"),
        *("smoothing_flattens", "certified", "exact", "fig1", "fig6", "queries"),
        *("evolution", "forgetting", "redundancy", "over_invariance"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("beyond_lp", "discrete")),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("fig7", "projection")),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("robust_overfitting", "regularisers")
        ),
    ],
)
def test_claims_of_graphs_have_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """On perceptrons of one epoch and few digits: rows of each claim are there.

    The numbers mean nothing, and some are none: on such a network an attack may find nothing, and
    no sample then have the status `broken`.
    """
    data = made_quick(schema.load_yaml(find(name, "studies")))
    network = {"architecture": "perceptron", "width": 8}
    axes = data.setdefault("axes", {})
    axes |= {"seed": 1} if "seed" in axes else {}
    axes |= {"n": [5, 80, 784]} if "n" in axes else {}
    if "net" in axes:
        axes["net"] = {"lenet": network, "perceptron": {**network, "width": 12}}
    short = {} if any("epochs" in own for own in data["models"].values()) else {"epochs": 1}
    quick = {"base": "plain", "set": short}
    for case in axes.get("way", {}).values():
        case["recipe"] = quick
    for own in data["models"].values():
        if "of" in own or "recipe" not in own:
            continue
        if isinstance(own["recipe"], dict) and "$" in str(own["recipe"]):
            few = {"validation.samples": 5} if "validation" in own["recipe"]["set"] else {}
            own["recipe"] = {**own["recipe"], "set": {**own["recipe"]["set"], **short, **few}}
        elif own["recipe"] != "$way.recipe":
            own["recipe"] = quick
        kept = {"activation": "softplus"} if "softplus" in str(own.get("network")) else {}
        own["network"] = "$net" if "net" in axes else {**network, **kept}
        own |= (
            {"wrapper": {**own["wrapper"], "draws": 2}}
            if own.get("wrapper", {}).get("kind") == "smoothed"
            else {}
        )
    for entry, own in data["data_sets"].items():
        if own.get("kind", "subset") != "subset":
            continue
        samples = 30 if own.get("of") == "train" else 8
        if entry == "train":
            made_of_all = name in ("fig7", "projection", "over_invariance")
            samples = 60 if made_of_all else None
        own |= {"samples": samples, **({"skip": 30} if "skip" in own else {})}
    for own in data["probes"].values():
        own |= {"count": 2} if "count" in own else {}
        own |= {"draws": 5} if own["kind"] == "noise" else {}
        own |= {"draws": 20, "attack_draws": 2} if own["kind"] == "smoothed" else {}
        own |= {"seconds": 0.2} if own["kind"] == "exact_distance" else {}
        for attack in own.get("attacks", []):
            if isinstance(attack, dict) and attack["kind"] == "standard":
                attack |= {"steps": 2, "queries": 10}
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1}
    monkeypatch.setattr(
        figures, "save", lambda chart, folder, kind: folder / f"{chart.name}.{kind}"
    )
    claims = run_study(schema.structure(GraphStudy, data)).claims
    missing = [own for own in claims.values() if isinstance(own, str)]
    assert len(missing) < len(claims)
    none = r"no number|not a number|'status': 'broken'|'correct': True|no sample"
    assert not [own for own in missing if not re.search(none, own)]


def test_the_gap_of_four_networks_is_predicted(tmp_path: Path) -> None:
    """All axes have one value but two; the numbers mean nothing."""
    data = schema.load_yaml(find("margins_predict", "studies"))
    one = {name: values[:1] for name, values in data["axes"].items() if name != "seed"}
    data["axes"] = one | {"seed": 1, "width": [4, 8], "norm": ["none", "batch"]}
    data["models"]["net"]["recipe"]["set"]["epochs"] = 1
    data["data_sets"]["digits"]["samples"] = data["data_sets"]["test"]["samples"] = 30
    for table in data["tables"].values():
        table |= {"draws": 10, "repeats": 2}
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1, "figures": "none"}
    claims = run_study(schema.structure(GraphStudy, data)).claims
    assert [own for own in claims.values() if isinstance(own, str)] == []
    for name, table in data["tables"].items():
        lines = (tmp_path / f"margins_predict/tables/{name}.csv").read_text().splitlines()
        assert len(lines) == 1 + len(table["predictors"])
        assert {tuple(line.split(",")[i] for i in (0, 4)) for line in lines[1:]} == {("0", "4.0")}


def test_more_data_are_no_more_steps(tmp_path: Path) -> None:
    """All trainings of `tradeoff` take as many steps; and its claims, on perceptrons of digits."""
    data = schema.load_yaml(find("tradeoff", "studies"))
    sets = [own["recipe"]["set"] for own in data["models"].values()]
    assert sets[0]["batch_size"] == sets[1]["batch_size"] == 125
    runs = [*data["axes"]["size"].values(), {"samples": 16 * 1000, "epochs": sets[1]["epochs"]}]
    assert {(run["epochs"] * run["samples"] / 125, run["samples"] % 125) for run in runs} == {
        (512, 0)
    }
    assert [len(data["data_sets"][name]["of"]) for name in ("with_said", "with_true")] == [7, 7]
    assert data["data_sets"]["copies"]["of"] == ["few"] * 16

    data["axes"] |= {"seed": 1}
    data["axes"]["size"] = {
        1000: {"samples": 20, "epochs": 2},
        16000: {"samples": 40, "epochs": 1},
    }
    for name, size in {"train": 60, "test": 8, "few": 20, "unlabelled": 20}.items():
        data["data_sets"][name]["samples"] = size
    data["data_sets"]["unlabelled"]["skip"] = 20
    for name in ("train", "test"):
        data["data_sets"][name]["name"] = "digits"
    for own in data["models"].values():
        own["network"] = {"architecture": "perceptron", "width": 8}
        own["recipe"]["set"]["batch_size"] = 20
    data["models"]["more"]["recipe"]["set"]["epochs"] = 1
    data["probes"]["robustness"]["attacks"][0]["steps"] = 2
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1, "figures": "none"}
    claims = run_study(schema.structure(GraphStudy, data)).claims
    assert [own for own in claims.values() if isinstance(own, str)] == []
    assert len(claims) == len(data["claims"]) + 1


def test_each_claim_on_samples_of_laws_has_its_number(tmp_path: Path) -> None:
    """On few samples and one epoch; the numbers mean nothing."""
    data = schema.load_yaml(find("synthetic", "studies"))
    data["axes"] |= {"seed": 1, "n": [2, 4, 6], "size": [30, 40, 50], "many": [40, 50]}
    for name, own in data["data_sets"].items():
        if own["samples"] not in ("$n", "$size", "$many"):
            own["samples"] = 8 if name.endswith(("few", "new")) else 40
    for own in data["models"].values():
        if "recipe" in own:
            whole = own["recipe"] if isinstance(own["recipe"], dict) else {"base": own["recipe"]}
            own["recipe"] = {**whole, "set": {**whole.get("set", {}), "epochs": 1}}
            own |= {"network": {**own["network"], "width": 8}} if "network" in own else {}
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1, "figures": "none"}
    claims = run_study(schema.structure(GraphStudy, data)).claims
    assert [own for own in claims.values() if isinstance(own, str)] == []
