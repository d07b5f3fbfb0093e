"""What a fit will have is known when a study is compiled: what cannot work is refused then."""

from pathlib import Path
from typing import Any

import pytest

from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.running.product_checks import check_products
from advcore.pipelines.graph.running.trained_models import untrained
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError

NETWORK = {"architecture": "perceptron", "side": 8, "width": 4}
ATTACK = {"kind": "deepfool", "box": False}


def study(out: Path, **changes: dict[str, Any]) -> GraphStudy:
    document: dict[str, Any] = {
        "name": "declared",
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 60},
            "test": {"name": "digits", "samples": 20},
        },
        "models": {"plain": {"recipe": "plain", "network": NETWORK, "data": "train"}},
        "fits": {
            "uap": {"kind": "universal", "model": "plain", "data": "train", "radius": 1.0},
            "nor": {
                "kind": "normals",
                "model": "plain",
                "data": "train",
                "directions": 5,
                "attack": ATTACK,
            },
            "own": {"kind": "tiny_fits:Mean", "model": "plain", "data": "train"},
        },
        "probes": {"noise": {"kind": "noise", "model": "plain", "data": "test"}},
        "run": {"out": str(out), "track": False, "threads": 1},
    }
    for section, entries in changes.items():
        document[section] = {**document[section], **entries}
    return schema.structure(GraphStudy, document)


def checked(own: GraphStudy) -> Layout:
    load = Loader()
    _, layout = untrained(own, load)
    return check_products(own, layout, load)


def settings(own: GraphStudy, probe: str) -> Any:
    return next(one.settings for one in checked(own).planned if one.probe == probe)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (
            {"kind": "shifted", "fit": "nor"},
            r"^probes.one.fit: the fit nor has no 'vector'; it has directions, .*; of the fits of "
            "the study, uap would do",
        ),
        (
            {"kind": "shifted", "fit": "own"},
            "^probes.one.fit: the fit own has no 'vector'; it has mean; .* uap would do",
        ),
        (
            {"kind": "margins", "family": {"kind": "fitted", "fit": "uap", "dim": 5}},
            "^probes.one.family.fit: the fit uap has no 'directions'; .* nor would do",
        ),
        (
            {"kind": "margins", "family": {"kind": "fitted", "fit": "nor", "dim": 6}},
            "^probes.one: 6 directions of the fit nor are wanted, and it has 5: ask for fewer",
        ),
        (
            {
                "kind": "margins",
                "family": {"kind": "complement", "family": {"kind": "fitted", "fit": "uap"}},
            },
            "^probes.one.family.family.fit: the fit uap has no 'directions'; .* kind normals or sh",
        ),
        ({"kind": "energy", "subspace": "uap"}, "^probes.one.subspace: .* nor would do"),
        ({"kind": "energy", "subspace": "nor", "directions": [6]}, "6 directions of the fit nor"),
        (
            {"kind": "energy", "subspace": "nor", "vectors": "own"},
            "^probes.one.vectors: the fit own has no 'vector' and no 'directions'; .* uap, nor wo",
        ),
        ({"kind": "fooled_within", "fit": "nor"}, "10 directions of the fit nor .* it has 5"),
        ({"kind": "curvature_within", "fit": "uap", "directions": 2}, "probes.one.fit: .* nor wou"),
        (
            {"kind": "shifted", "fit": "uap", "squares": [1, 8]},
            r"^probes.one: squares must be smaller than the images, 8 x 8, .* write squares: \[1\]",
        ),
    ],
)
def test_a_fit_that_does_not_do_is_refused_with_those_that_would(
    tmp_path: Path, probe: dict[str, Any], message: str
) -> None:
    probe = {"model": "plain", "data": "test", **probe}
    with pytest.raises(InputError, match=message):
        describe_dry_run(study(tmp_path, probes={"one": probe}))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"fit": "uap"}, "^data_sets.made.fit: the fit uap has no 'directions'.* nor would do"),
        ({"fit": "nor", "directions": 6}, r"^data_sets.made: .* has directions \(5, 1, 8, 8\); at"),
        ({"fit": "nor", "mean": "nor"}, "^data_sets.made.mean: .* no 'mean'.* uap, own would do"),
    ],
)
def test_a_projection_that_cannot_be_made_is_refused(
    tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    entry = {"kind": "projected", "of": "test", "model": "plain", **entry}
    probe = {"kind": "noise", "model": "plain", "data": "made"}
    with pytest.raises(InputError, match=message):
        describe_dry_run(study(tmp_path, data_sets={"made": entry}, probes={"one": probe}))


def test_settings_follow_from_the_inputs_and_the_fit(tmp_path: Path) -> None:
    fits = {"cube": {"kind": "universal", "model": "plain", "data": "train", "norm": "linf"}}
    fits["cube"]["radius"] = 0.1  # type: ignore[assignment]
    own = study(
        tmp_path,
        fits=fits,
        probes={
            "round": {"kind": "shifted", "fit": "uap"},
            "square": {"kind": "shifted", "fit": "cube", "controls": ["sphere"]},
            "as_said": {"kind": "shifted", "fit": "cube", "norm": "l2", "squares": [1]},
            "energy": {"kind": "energy", "subspace": "nor"},
        },
    )
    assert (settings(own, "round").squares, settings(own, "round").norm) == ((1, 2, 4, 7), "l2")
    assert settings(own, "square").norm == "linf"
    assert (settings(own, "as_said").squares, settings(own, "as_said").norm) == ((1,), "l2")
    assert settings(own, "energy").directions == (5,)
