"""Comparisons of networks over seeds: those of one seed meet, and figures hold the mean."""

from pathlib import Path
from typing import Any

import pytest
import torch

from advcore.pipelines import Result, run
from advcore.pipelines.graph.expanded_layout import planned_of
from advcore.pipelines.graph.reporting import replicates
from advcore.pipelines.graph.reporting.replicates import charts_over_seeds
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.probes import Lines, Maps, Series
from advcore.workers.errors import InputError

NAMES = ["plain net=narrow", "plain net=wide"]


def document(out: Path) -> dict[str, Any]:
    network = {"architecture": "perceptron"}
    return {
        "name": "compared",
        "axes": {
            "net": {"narrow": {**network, "width": 12}, "wide": {**network, "width": 16}},
            "seed": 2,
        },
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 300},
            "test": {"name": "digits", "samples": 30},
        },
        "models": {
            "plain": {
                "recipe": {"base": "plain", "set": {"epochs": 3}},
                "network": "$net",
                "data": "train",
                "seed": "$seed",
            },
            "lone": {
                "recipe": {"base": "plain", "set": {"epochs": 1}},
                "network": {**network, "width": 8},
                "data": "train",
            },
        },
        "probes": {
            "transfer": {
                "kind": "transfer",
                "model": "plain",
                "data": "test",
                "scales": [1, 2],
                "random": 2,
            }
        },
        "claims": {
            "carries": {
                "kind": "difference",
                "says": "more than by chance",
                "of": {
                    "probe": "transfer",
                    "column": "fooled",
                    "where": {"net": "wide", "to": NAMES[0], "scale": 2, "perturbation": "attack"},
                    "statistic": "mean",
                },
                "to": {"perturbation": "random"},
            }
        },
        "run": {"out": str(out), "track": False, "threads": 1},
    }


def study(raw: dict[str, Any]) -> GraphStudy:
    return schema.structure(GraphStudy, raw)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(study(document(tmp_path_factory.mktemp("compared"))))


def test_networks_of_one_seed_meet(measured: Result) -> None:
    rows = measured.table("transfer").groupby(["seed", "net", "to", "scale", "perturbation"]).size()
    assert len(rows) == 2 * 2 * 2 * 2 * 2
    assert set(rows) == {30}
    assert sorted(set(measured.table("transfer")["to"])) == NAMES
    table = measured.table("transfer")
    own = table[(table.net == "wide") & (table.to == NAMES[1]) & (table.perturbation == "attack")]
    assert (
        own.fooled.to_list() == own.found.to_list()
    )  # each is tried on itself, not on that of another seed
    assert measured.claims["carries"]["resampled"] == "2 seeds, 30 samples in each"


def test_figures_hold_the_mean_over_seeds(measured: Result) -> None:
    whole = measured.table("transfer")
    members = []
    for planned in planned_of(study(document(measured.folder.parent))):
        rows = whole[(whole.seed == planned.at["seed"]) & (whole.net == planned.at["net"])]
        columns = {
            name: torch.tensor(rows[name].array)
            if rows[name].dtype.kind in "bif"
            else list(rows[name])
            for name in rows.columns
        }
        members.append((planned, columns))
    maps, lines = charts_over_seeds("transfer", members)
    assert isinstance(maps, Maps)
    assert isinstance(lines, Lines)
    assert (maps.x_names, maps.y_names) == (NAMES, NAMES[::-1])
    assert maps.note.endswith("Means of 2 seeds.")
    assert "the first of" not in maps.title
    found = whole[whole.found & (whole.perturbation == "attack") & (whole.scale == 2)]
    rates = found.groupby(["net", "to", "seed"]).fooled.mean()
    row, column = maps.y_names.index(NAMES[1]), maps.x_names.index(NAMES[0])
    expected = 100 * rates["wide", NAMES[0]]
    assert maps.panels[1][0][row, column].item() == pytest.approx(expected.mean())
    line = next(own for own in lines.series if own.label == f"{NAMES[1]} → {NAMES[0]}")
    assert line.low is not None
    assert line.high is not None
    assert line.y[1].item() == pytest.approx(expected.mean())
    assert line.low[1].item() == pytest.approx(expected.min())
    assert line.high[1].item() == pytest.approx(expected.max())


@pytest.mark.parametrize(
    "note",
    [
        "Median over samples, in a band between the quartiles.",
        "Median over samples, its 95 % interval, faint between quartiles.",
    ],
)
def test_means_of_seeds_are_not_said_to_be_between_quartiles(note: str) -> None:
    line = Series("net", torch.arange(2.0), torch.ones(2), torch.zeros(2), torch.ones(2))
    chart = Lines(name="c", title="c", x_label="x", y_label="y", series=[line], note=note)
    over = replicates._over_seeds([chart, chart])
    assert over.note.startswith("Median over samples. Means of 2 seeds")
    assert "quartiles" not in over.note


def test_names_of_one_seed_are_those_of_the_networks_tried(tmp_path: Path) -> None:
    raw = document(tmp_path)
    raw["axes"]["seed"] = [1]
    columns = {
        "sample": torch.zeros(8, dtype=torch.int64),
        "to": [name for name in NAMES for _ in range(2)] * 2,
        "scale": torch.tensor([1.0, 2.0]).repeat(4),
        "perturbation": ["attack"] * 4 + ["random"] * 4,
        "found": torch.ones(8, dtype=torch.bool),
        "fooled": torch.ones(8, dtype=torch.float64),
    }
    members = [(planned, columns) for planned in planned_of(study(raw))]
    _, lines = charts_over_seeds("transfer", members)
    assert isinstance(lines, Lines)
    ways = [f"{NAMES[0]} → {NAMES[1]}", f"{NAMES[1]} → {NAMES[0]}"]
    assert [own.label for own in lines.series] == [*ways, *(f"{way}, random" for way in ways)]


def test_a_network_without_a_seed_is_compared_with_one_seed_or_with_all(tmp_path: Path) -> None:
    raw = document(tmp_path)
    raw["claims"] = {}
    raw["probes"]["transfer"]["model"] = ["plain", "lone"]
    message = "compares networks of one seed, and lone has none: choose one seed of the others by"
    with pytest.raises(InputError, match=message):
        describe_dry_run(study(raw))
    raw["probes"]["transfer"]["model"] = [{"of": "plain", "where": {"seed": 1}}, "lone"]
    assert "transfer of 3 models" in describe_dry_run(study(raw))
    raw["probes"]["transfer"]["model"] = [{"of": "plain", "rename": {"seed": "begun"}}, "lone"]
    assert "transfer of 5 models" in describe_dry_run(study(raw))


def test_a_network_that_is_not_there_is_refused_before_any_training(tmp_path: Path) -> None:
    raw = document(tmp_path)
    raw["probes"]["transfer"]["to"] = ["plain net=wide seed=0"]
    with pytest.raises(InputError, match="names the model 'plain net=wide seed=0', which is not"):
        describe_dry_run(study(raw))


def test_a_fit_of_each_model_is_its_own(tmp_path: Path) -> None:
    """Under `as: model` its label has the name of the network's entry: one figure for all."""
    raw = document(tmp_path)
    raw["claims"] = {}
    raw["models"]["other"] = {**raw["models"]["lone"], "seed": "$seed"}
    raw["models"]["lone"] = {**raw["models"]["lone"], "seed": "$seed"}
    both = ["other", "lone"]
    model = {"each": both, "as": "model"}
    raw["fits"] = {"normals": {"kind": "normals", "model": model, "data": "test", "directions": 2}}
    energy = {"kind": "energy", "data": "test", "subspace": "normals", "directions": [1, 2]}
    raw["probes"]["energy"] = {**energy, "model": both}
    columns = {
        "sample": torch.tensor([0, 0]),
        "vector": torch.tensor([0, 0]),
        "directions": torch.tensor([1, 2]),
        "energy": torch.tensor([0.5, 0.6]),
        "chance": torch.tensor([0.1, 0.2]),
    }
    planned = [own for own in planned_of(study(raw)) if own.probe == "energy"]
    (chart,) = charts_over_seeds("energy", [(own, columns) for own in planned])
    assert isinstance(chart, Lines)
    assert [own.label for own in chart.series] == [*both, "random vectors, m / D"]
