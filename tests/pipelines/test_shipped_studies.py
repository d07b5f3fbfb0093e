"""The studies that come along: each reads, names what is there, and its claims find their numbers
where it is made small.
"""

from pathlib import Path

import pytest
import yaml

from advcore.pipelines.graph.driver import run_study
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.schema import read
from advcore.pipelines.settings.shipped import find, shipped_files

SMALL = ("data.samples=12", "run.threads=1", "run.track=false", "run.shard_size=12")


@pytest.mark.parametrize("name", shipped_files("studies"))
def test_each_reads(name: str) -> None:
    study = read(Study, name, "studies")
    assert study.name == name
    assert schema.structure(Study, schema.unstructure(study)) == study


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
