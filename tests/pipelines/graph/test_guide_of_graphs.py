"""The studies of the guide to graphs run as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines import run
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.training import RandomCrop

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
        pytest.param(
            "evolution",
            {"noise": {"epoch", "seed"}, "energy": {"epoch", "seed"}},
            marks=pytest.mark.slow,
        ),
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


def test_settings_of_recipes_and_data_sets_are_axes() -> None:
    """Sizes with the epochs that go with them; a setting, or a recipe, that is changed or not."""
    layout = graph_layout(schema.structure(GraphStudy, STUDIES["grid"]), Loader())
    found = {label: own.recipe for label, own in layout.trainings.items()}
    for size, epochs in {200: 8, 400: 4}.items():
        for name, augmentation in {"none": (), "shifted": (RandomCrop(2),)}.items():
            recipe = found.pop(f"cropped size={size} augmentation={name}")
            assert (recipe.epochs, recipe.augmentation) == (epochs, augmentation)
        for way, clip in {"plain": 0.5, "clipped": 0.1}.items():
            label = f"other way={way} size={size}"
            assert found.pop(label).gradient_clip == clip
            assert layout.trainings[label].data == layout.data[f"few size={size}"]
    assert not found
