"""Studies as graphs: read, refused, laid out, before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_graph import NETWORK, document

from advcore.pipelines import run
from advcore.pipelines.claims import Claim
from advcore.pipelines.claims.each import each_of
from advcore.pipelines.claims.labels import check_labels
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy, Study, read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import load_yaml
from advcore.workers.errors import InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "data_sets": {
                    "made": {"kind": "adversarial", "of": "base"},
                    "base": {"name": "digits"},
                }
            },
            "data_sets.made",
        ),
        (
            {"fits": {"uap": {"kind": "universal"}}},
            "fits.uap",
        ),
        (
            {"tables": {"mce": {"kind": "mean_of_nothing", "of": "robustness"}}},
            "tables.mce: unknown kind 'mean_of_nothing'",
        ),
        (
            {"probes": {"p": {"kind": "textured", "model": "plain"}}},
            "probes.p: unknown kind 'textured'",
        ),
        (
            {"claims": {"c": {"kind": "level", "says": "x", "of": {"probe": "q", "column": "c"}}}},
            "claims.c: it names the probe 'q'",
        ),
        ({"models": {"plain": {"recipe": "nowhere", "data": "train"}}}, "no file 'nowhere'"),
        (
            {"models": {"plain": {"recipe": "plain", "data": "train", "sead": 1}}},
            "models.plain: unknown key 'sead'",
        ),
    ],
)
def test_refused_before_any_work(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    whole = document(tmp_path, **({"axes": {}} if "models" in changes else {}))
    whole |= changes
    if "models" in changes or "data_sets" in changes:
        whole["models"] = changes.get("models", {"plain": {"recipe": "plain", "data": "made"}})
        whole["probes"] = {"p": {"kind": "noise", "model": "plain", "data": "base"}}
        whole["axes"], whole["claims"] = {}, {}
        whole["data_sets"] |= {"base": {"name": "digits"}, "train": {"name": "digits"}}
    with pytest.raises(InputError, match=message) as caught:
        run(schema.structure(GraphStudy, whole))
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("name", ["fig7", "membership"])
def test_kinds_of_the_examples_that_are_not_there_are_refused_by_name(name: str) -> None:
    own = schema.structure(GraphStudy, load_yaml(Path(__file__).parent / f"{name}.yaml"))
    with pytest.raises(InputError, match="kind '") as caught:
        graph_layout(own, Loader())
    assert "\n" not in str(caught.value)


def test_both_forms_are_read(tmp_path: Path) -> None:
    assert isinstance(read_study("demo"), Study)
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(document(tmp_path)))
    assert isinstance(read_study(file, ["axes.seed=1"]), GraphStudy)


def test_the_tree_names_all_that_a_family_is_made_of(tmp_path: Path) -> None:
    whole = document(
        tmp_path, axes={"net": {"small": NETWORK, "other": {"architecture": "random_features"}}}
    )
    del whole["models"]["tuned"], whole["models"]["plain"]["seed"], whole["claims"]
    whole["models"]["plain"]["network"] = "$net"
    whole["data_sets"] |= {"one": {"name": "digits", "samples": 1}}
    whole["fits"] = {"uap": {"kind": "universal", "model": "plain", "data": "few", "radius": 1.0}}
    whole["probes"] = {"p": {"kind": "noise", "data": "test", "model": "plain"}}
    text = describe_dry_run(schema.structure(GraphStudy, whole))
    assert "plain (2: net): perceptron, random_features trained on digits train: 2 to train" in text
    assert "uap (2: net): universal of plain on few: 2 to learn" in text
    assert "one: digits test, 1 sample of 1 x 8 x 8" in text
    assert "p: noise of 2 models and data sets, 2 of 2 shards to measure" in text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "probes.nois.batch=2",
            r"^--set probes\.nois: .* no 'nois'; did you mean 'noise'\? known: ",
        ),
        ("models.other.seed=2", r"a new entry needs kind or architecture or recipe or of$"),
        ("probes.new={kind: noise}", ""),
        ("probes.noise.draws=2", ""),
    ],
)
def test_a_mistyped_name_in_set_is_no_new_entry(tmp_path: Path, setting: str, message: str) -> None:
    file = tmp_path / "study.yaml"
    noise = {"kind": "noise", "model": "plain", "data": "test"}
    file.write_text(json.dumps(document(tmp_path, probes={"noise": noise}, axes={}, claims={})))
    if not message:
        assert isinstance(read_study(file, [setting]), GraphStudy)
        return
    with pytest.raises(InputError, match=message):
        read_study(file, [setting])


def test_the_study_of_the_guide_is_one() -> None:
    guide = (Path(__file__).parents[3] / "docs/guides/graphs.md").read_text()
    written = [yaml.safe_load(part.split("```")[0]) for part in guide.split("```yaml\n")[1:]]
    (study,) = [own for own in written if own.get("name") == "fine_tuning"]
    (claims,) = [own for own in written if own.keys() == {"claims"}]
    whole = study | claims
    own = schema.structure(GraphStudy, whole)
    counts = {family.name: len(family.members) for family in own.families.values()}
    assert counts == {
        "clothes": 1,
        "digits": 1,
        "test": 1,
        "source": 3,
        "tuned": 6,
        "scratch": 3,
        "noise": 9,
    }
    axes = {"mode": ["head", "full", None]}
    named = each_of("head_start", whole["claims"]["head_start"], axes)
    assert list(named) == ["head_start mode=head", "head_start mode=full"]
    for claim in named.values():
        check_labels("claims.head_start", schema.structure(Claim, claim), axes)  # type: ignore[type-abstract]


def test_an_example_of_fits_is_a_layout() -> None:
    whole = load_yaml(Path(__file__).parent / "fig5.yaml")
    layout = graph_layout(schema.structure(GraphStudy, whole), Loader())
    assert (len(layout.fits), len(layout.planned)) == (18, 54)
