"""The studies of the guide to graphs run as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema

GUIDE = (Path(__file__).parents[3] / "docs/guides/graphs.md").read_text()
STUDIES = {
    own["name"]: own
    for own in map(yaml.safe_load, re.findall(r"```yaml\n(name: .*?)```", GUIDE, re.DOTALL))
}

FIGURES = {
    "universal": {"fooled": ["fooled"], "elsewhere": ["fooled-1", "fooled-2"]},
    "subspace": {"energy": ["energy"], "within": ["fooled_within"], "margins": ["margins"]},
    "evolution": {"noise": ["flips", "ratio"], "energy": ["energy"]},
}
"""Networks that differ in their fit alone, as each has its own, stand in one figure."""


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("universal", {"fooled": {"net", "data"}, "elsewhere": {"net", "made_on"}}),
        ("subspace", {"energy": set(), "within": set(), "margins": set()}),
        ("evolution", {"noise": {"epoch", "seed"}, "energy": {"epoch", "seed"}}),
    ],
)
def test_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, axes: dict[str, set[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = {"track": False, "threads": 1}
    result = run(schema.structure(GraphStudy, STUDIES[name] | {"run": place}))
    for probe, own in axes.items():
        columns = set(result.table(probe).columns)
        assert columns & {"net", "data", "made_on", "epoch", "seed"} == own
    drawn = {
        probe: sorted(file.stem for file in (result.folder / "figures" / probe).glob("*.png"))
        for probe in axes
    }
    assert drawn == FIGURES[name]
    assert not [claim for claim in result.claims.values() if "not_measured" in claim]
    if name == "universal":
        held: dict[str, Any] = {}
        exec(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1], held)
        assert held["learnt"]["vector"].shape == (1, 8, 8)
        assert 0 < held["learnt"]["fooling"] <= 1
