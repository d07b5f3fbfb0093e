"""The studies that come along: each reads, names what is there, and its claims find their numbers
where it is made small.

A study's small form is the file of its name in `small_studies`: `set`, the values that are put at
dotted names of the study file; `slow`, for a form that takes seconds; and `every_claim`, where each
claim has a number at that size.
"""

import re
from pathlib import Path

import pytest
import torch
from _pytest.mark import ParameterSet
from matplotlib.figure import Figure

from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import GraphStudy, read_study
from advcore.pipelines.reports import figures
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import load_yaml, put
from advcore.pipelines.settings.shipped import find, shipped_files
from advcore.workers.checkpoints import read_weights
from advcore.workers.datasets.load import absent

SMALL = Path(__file__).parent / "small_studies"

LAST_LAYER = "15."
"""The last layer of a LeNet with batch normalisation, and its weights' first name."""

WITHOUT = r"no number|not a number|'status': 'broken'|'correct': True|no sample"
"""Reasons for which a claim has no number on a network that knows nothing."""


def small_form(path: Path) -> ParameterSet:
    marks = [pytest.mark.slow] if load_yaml(path).get("slow") else []
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("name", shipped_files("studies"))
def test_each_reads(name: str) -> None:
    study = read_study(name)
    assert study.name == name
    assert schema.structure(type(study), schema.unstructure(study)) == study
    if isinstance(study, GraphStudy):
        missing = {own.get("name") for own in study.data_sets.values()} & absent().keys()
        if missing:
            pytest.skip(f"{', '.join(missing)} is not here")
        graph_layout(study, Loader())


@pytest.mark.parametrize("path", map(small_form, sorted(SMALL.glob("*.yaml"))))
def test_claims_have_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """On small networks of one epoch and few digits: rows of each claim are there.

    The numbers mean nothing, and some are none: on such a network an attack may find nothing, and
    no sample then have the status `broken`.
    """
    monkeypatch.setattr(figures, "draw", lambda chart: Figure())
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)
    monkeypatch.setattr(figures, "as_svg", lambda figure: "")
    name, form = path.stem, load_yaml(path)
    data = put(load_yaml(find(name, "studies")), form["set"], str(path))
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1}
    claims = run_study(schema.structure(GraphStudy, data)).claims
    missing = [own for own in claims.values() if isinstance(own, str)]
    assert len(missing) < (1 if form.get("every_claim") else len(claims))
    assert not [own for own in missing if not re.search(WITHOUT, own)]
    for table, settings in data.get("tables", {}).items():
        lines = (tmp_path / name / f"tables/{table}.csv").read_text().splitlines()
        assert len(lines) > 1, settings


def test_each_study_has_a_small_form() -> None:
    """But for `demo` and `imagenet_demo`, which other tests run."""
    others = {"demo", "imagenet_demo"}
    assert {path.stem for path in SMALL.glob("*.yaml")} == {*shipped_files("studies")} - others


def test_more_data_are_no_more_steps() -> None:
    """Each training of `tradeoff` takes as many steps."""
    data = load_yaml(find("tradeoff", "studies"))
    sets = [own["recipe"]["set"] for own in data["models"].values()]
    assert sets[0]["batch_size"] == sets[1]["batch_size"] == 125
    runs = [*data["axes"]["size"].values(), {"samples": 16 * 1000, "epochs": sets[1]["epochs"]}]
    assert {(run["epochs"] * run["samples"] / 125, run["samples"] % 125) for run in runs} == {
        (512, 0)
    }
    assert [len(data["data_sets"][name]["of"]) for name in ("with_said", "with_true")] == [7, 7]
    assert data["data_sets"]["copies"]["of"] == ["few"] * 16


@pytest.mark.slow
def test_fixed_features_are_those_of_their_source(tmp_path: Path) -> None:
    """All that is below a new last layer, statistics of batch normalisation among it, stays bit for
    bit what the source of that seed and eps had; where nothing is frozen all of it moves.
    """
    path = SMALL / "transfer_learning.yaml"
    data = put(load_yaml(find(path.stem, "studies")), load_yaml(path)["set"], str(path))
    data |= {"claims": {}, "figures": {}}
    data["run"] = {"out": str(tmp_path), "track": False, "threads": 1, "figures": "none"}
    study = schema.structure(GraphStudy, data)
    run_study(study)
    trainings = graph_layout(study, Loader()).trainings
    seen = {"fixed": 0, "full": 0}
    for label, training in trainings.items():
        name, *at = label.split()
        if name in seen:
            axes = dict(part.split("=") for part in at)
            source = trainings[f"source eps={axes['eps']} seed={axes['seed']}"]
            before, after = (read_weights(str(own.checkpoint)) for own in (source, training))
            still = {key for key in before if torch.equal(before[key], after[key])}
            below = {key for key in before if not key.startswith(LAST_LAYER)}
            assert any(key.endswith("running_mean") for key in below)
            assert still == (below if name == "fixed" else set()), label
            seen[name] += 1
    assert seen == {"fixed": 6, "full": 6}
