"""The studies that come along: each reads, names what is there, and its claims find their numbers
where it is made small.
"""

from pathlib import Path

import pytest
import yaml

from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import GraphStudy, Study, read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import find, shipped_files

SMALL = ("data.samples=12", "run.threads=1", "run.track=false", "run.shard_size=12")


@pytest.mark.parametrize("name", shipped_files("studies"))
def test_each_reads(name: str) -> None:
    study = read_study(name)
    assert study.name == name
    assert schema.structure(type(study), schema.unstructure(study)) == study
    if isinstance(study, GraphStudy):
        graph_layout(study, Loader())


@pytest.mark.parametrize(
    ("name", "networks"),
    [("fig5", ("lenet", "perceptron")), ("shared_directions", ("lenet", "perceptron"))],
)
def test_claims_of_graphs_have_their_numbers(
    tmp_path: Path, name: str, networks: tuple[str, ...]
) -> None:
    """On networks of one epoch and few digits: the numbers mean nothing, but all are there."""
    data = schema.load_yaml(find(name, "studies"))
    data["axes"] = {
        "net": {
            own: {"architecture": "perceptron", "width": width}
            for own, width in zip(networks, (8, 12), strict=True)
        },
        "seed": 1,
    }
    recipe = {"base": "plain", "set": {"epochs": 1}}
    data["models"]["plain"] |= {"recipe": recipe}
    for own in data["data_sets"].values():
        if "samples" in own:
            own |= {"samples": 30, **({"skip": 30} if "skip" in own else {})}
    if "test" in data["data_sets"]:
        data["data_sets"]["test"]["samples"] = 20
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1}
    study = schema.structure(GraphStudy, data)
    assert not [claim for claim in run_study(study).claims.values() if isinstance(claim, str)]


def test_masked_claims_have_their_numbers(place: Path) -> None:
    """On networks of one epoch, with few queries: the numbers mean nothing, but all of them are
    there.
    """
    data = schema.load_yaml(find("masked", "studies"))
    recipe = schema.load_yaml(find("plain", "recipes"))
    recipe["recipe"]["epochs"] = 1
    (place / "quick.yaml").write_text(yaml.safe_dump(recipe))
    data["train"] = dict.fromkeys(data["train"], "quick.yaml")
    data["probes"]["robustness"]["attacks"][1] |= {"steps": 2, "queries": 10}
    study = schema.structure(Study, schema.override(data, SMALL))
    assert not [claim for claim in run_study(study).claims.values() if isinstance(claim, str)]
