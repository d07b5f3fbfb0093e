"""Studies that train their models first, and say what they expect of the numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from advcore.pipelines.claims import Measured
from advcore.pipelines.claims.results import by_place
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.trained_models import untrained
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.printing import render_report
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError

RECIPE = """
name: own
model: {architecture: perceptron}
data: {name: digits, split: train}
test: {name: digits, split: test}
recipe: {epochs: 2}
"""


def _claim(**changes: str | None) -> dict[str, Any]:
    of = {"probe": "margins", "model": "own", "column": "distance", "over": "subspace", **changes}
    return {"kind": "trend", "says": "x", "of": of}


@pytest.fixture
def study(tiny: dict[str, Any], place: Path) -> dict[str, Any]:
    """One model as a file, two that are trained: the second one on flipped digits."""
    (place / "own.yaml").write_text(RECIPE)
    flipped = yaml.safe_load(RECIPE) | {"name": "flipped"}
    for part in ("data", "test"):
        flipped[part]["transform"] = {"kind": "flip"}
    (place / "flipped.yaml").write_text(yaml.safe_dump(flipped))
    del tiny["models"]["two"]
    tiny["train"] = {"own": "own.yaml", "flipped": "flipped.yaml"}
    tiny["probes"] = {"margins": tiny["probes"]["margins"]}

    def margin(model: str) -> dict[str, str]:
        return {"probe": "margins", "model": model, "column": "distance", "over": "subspace"}

    tiny["claims"] = {
        "rises": {"kind": "trend", "says": "it rises", "of": margin("own")},
        "ratio": {
            "kind": "ratio",
            "says": "more",
            "of": margin("own"),
            "to": "flipped",
            "position": -1,
            "at_least": 0,
        },
        "absent": {"kind": "trend", "says": "nothing", "of": {**margin("own"), "column": "width"}},
    }
    return tiny


def test_models_are_trained_once_and_measured_on_what_they_learnt(
    study: dict[str, Any], place: Path
) -> None:
    parsed = schema.structure(Study, study)
    first, second = run_study(parsed), run_study(parsed)
    assert (first.measured, second.measured) == (9, 0)
    assert list(first.summaries["margins"]) == ["one", "own", "flipped"]
    assert sorted(path.name for path in (place / "out/models").glob("*.safetensors")) == [
        "flipped.safetensors",
        "own.safetensors",
    ]
    assert {name: type(value).__name__ for name, value in first.study.transforms.items()} == {
        "flipped": "Flip"
    }
    plain = run_study(
        schema.structure(
            Study, {**study, "transforms": {"flipped": {"kind": "low_pass", "band": 8}}}
        )
    )
    assert plain.measured == 3  # only the model that now sees other images
    assert schema.structure(Study, schema.load_yaml(place / "out/tiny/study.yaml")) == plain.study


def test_one_training_is_measured_bare_and_in_a_wrapper(study: dict[str, Any], place: Path) -> None:
    study["train"] = {"own": "own.yaml", "loud": "own.yaml"}
    study["wrappers"] = {"loud": {"kind": "scaled_logits", "factor": 1000}}
    study["probes"] = {"masking": {"kind": "masking", "eps": [0.1], "steps": 1, "draws": 1}}
    del study["claims"]
    report = run_study(schema.structure(Study, study))
    assert sorted(path.name for path in (place / "out/models").glob("*.safetensors")) == [
        "own.safetensors"
    ]
    own, loud = (report.summaries["masking"][name].scalars for name in ("own", "loud"))
    assert own["accuracy"] == loud["accuracy"]
    assert loud["saturated"] > 0.9 > own["saturated"]
    assert run_study(schema.structure(Study, study)).measured == 0


def test_claims_stand_in_the_report_beside_their_numbers(
    study: dict[str, Any], place: Path
) -> None:
    report = run_study(schema.structure(Study, study))
    assert report.complete
    assert isinstance(report.claims["rises"], Measured)
    assert isinstance(report.claims["ratio"], Measured)
    assert report.claims["absent"].startswith("not measured: probe margins has no column 'width'")
    text = (place / "out/tiny/report.md").read_text()
    assert "| it rises" in text
    assert "not measured: probe margins has no column" in text
    assert ">= 0" in text
    assert "yes |" in text


def test_what_a_claim_warns_of_is_told_wherever_warnings_are(
    study: dict[str, Any], place: Path
) -> None:
    study["claims"] = {"own": {"kind": "studies:Warned"}}
    report = run_study(schema.structure(Study, study))
    line = "- **warning**, claim own, few_samples: one sample carries all of a mean"
    assert line in (place / "out/tiny/report.md").read_text()
    assert line in render_report(report)
    assert "warning: few_samples at claim own; it is explained above" in render_report(report)
    assert by_place(report.warnings)["few_samples"] == "claim own: one sample carries all of a mean"
    assert "|     1 | 0.5 to 2 |   undecided |    1 coin |".replace(" ", "") in render_report(
        report
    ).replace(" ", "")


def test_a_recipe_learns_the_studys_own_data_set(study: dict[str, Any], place: Path) -> None:
    study["data"] = {"name": "mnist5k", "split": "test", "samples": 20}
    study["train"] = {"flipped": "flipped.yaml"}
    del study["models"], study["claims"]
    _, layout = untrained(schema.structure(Study, study), Loader())
    spec = layout.networks["flipped"]
    assert (spec.classes, spec.arguments) == (10, {"channels": 1, "side": 28})
    assert layout.trainings["flipped"].checkpoint.name == "flipped-mnist5k.safetensors"


@pytest.mark.parametrize("data", ["npz:own.npz", "digits"])
def test_no_model_is_measured_on_what_it_learnt(
    study: dict[str, Any], place: Path, data: str
) -> None:
    images = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
    np.savez(place / "own.npz", images=images, labels=np.arange(20) % 2)
    study["data"] = {"name": data, "split": "train", "samples": 15}
    with pytest.raises(
        InputError, match="15 of the samples that are measured are those that the models learn"
    ):
        run_study(schema.structure(Study, study))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"train": {"own": "nosuch", "flipped": "flipped.yaml"}},
            "no file 'nosuch', and none of that name comes with advcore",
        ),
        ({"models": {}, "train": {}}, "expected at least one of models; got none"),
        (
            {"wrappers": {"nobody": {"kind": "rounded_input"}}},
            "wrappers names 'nobody', which is not a model of the study; models: one, own",
        ),
        (
            {"transforms": {"nobody": {"kind": "flip"}}},
            "transforms names 'nobody', which is not a model of the study; models: one, own",
        ),
        (
            {"probes": {"margins": {"kind": "margins", "family": {"kind": "dct", "size": 9}}}},
            "a DCT block must fit into the image",
        ),
        (
            {"train": {"one": "own.yaml"}, "claims": {}},
            "'one' is both in models and in train; remove it from one",
        ),
        (
            {"data": {"name": "digits", "transform": {"kind": "flip"}}},
            "leave data.transform out, or give transforms by model",
        ),
        (
            {"claims": {"c": _claim(model="plian")}},
            "claim c names the model 'plian'; known: one, own, flipped",
        ),
        (
            {"claims": {"c": _claim(probe="margin")}},
            "claim c names the probe 'margin'; known: margins",
        ),
        (
            {"claims": {"c": _claim(model=None)}},
            "claim c must name a model: one, own, flipped",
        ),
        (
            {"claims": {"c": _claim(probe=None, table="t")}},
            "claim c names the table 't'; known: none",
        ),
        ({"claims": {"a b": {"kind": "trend"}}}, "missing key"),
    ],
)
def test_what_cannot_be_trained_or_claimed_is_refused(
    study: dict[str, Any], changes: dict[str, Any], match: str, place: Path
) -> None:
    with pytest.raises(InputError, match=match) as refusal:
        run_study(schema.structure(Study, {**study, **changes}))
    assert "\n" not in str(refusal.value)
    assert not (place / "out/models").exists()  # refused before any training
