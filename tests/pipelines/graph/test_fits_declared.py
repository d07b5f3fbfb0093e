"""What a fit will have is known when a study is compiled: what cannot work is refused then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import measurement_tasks
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.running.product_checks import check_products
from advcore.pipelines.graph.running.trained_models import untrained
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError
from advcore.workers.tasks import Other

NETWORK = {"architecture": "perceptron", "side": 8, "width": 4}
ATTACK = {"kind": "deepfool", "box": False}


def doubled() -> nn.Module:
    """Logits that no layer gives."""

    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return 2 * self.layer(inputs.flatten(1))

    return Doubled()


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
            "^probes.one.family.family.fit: the fit uap has no 'directions'; .* nor would do",
        ),
        ({"kind": "energy", "subspace": "uap"}, "^probes.one.subspace: .* nor would do"),
        ({"kind": "energy", "subspace": "nor", "directions": [6]}, "6 directions of the fit nor"),
        (
            {"kind": "energy", "subspace": "nor", "vectors": "own"},
            "^probes.one.vectors: the fit own has no 'vector' and no 'directions'; .* uap, nor wo",
        ),
        (
            {"kind": "fooled_within", "fit": "nor", "directions": 10},
            "10 directions of the fit nor .* it has 5",
        ),
        (
            {"kind": "curvature_within", "fit": "nor", "directions": 6},
            "6 directions of the fit nor .* it has 5",
        ),
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
    entry = {"kind": "projected", "of": "test", **entry}
    probe = {"kind": "noise", "model": "plain", "data": "made"}
    with pytest.raises(InputError, match=message):
        describe_dry_run(study(tmp_path, data_sets={"made": entry}, probes={"one": probe}))


@pytest.mark.parametrize(
    ("of", "model", "message"),
    [
        ("single", "plain", "^data_sets.made: another sample .* at least 2 samples; got 1"),
        ("test", "doubled", "^data_sets.made: expected a network whose logits are the output of"),
    ],
)
def test_an_inversion_that_cannot_be_made_is_refused(
    tmp_path: Path, of: str, model: str, message: str
) -> None:
    single = {"kind": "subset", "of": "test", "samples": 1}
    made = {"kind": "inverted", "of": of, "model": model}
    own = study(
        tmp_path,
        data_sets={"single": single, "made": made},
        models={"doubled": {"architecture": f"{__name__}:doubled"}},
        probes={"one": {"kind": "noise", "model": "plain", "data": "made"}},
    )
    with pytest.raises(InputError, match=message):
        describe_dry_run(own)


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
            "fooled": {"kind": "fooled_within", "fit": "nor"},
            "curved": {"kind": "curvature_within", "fit": "nor"},
            "margins": {"kind": "margins", "family": {"kind": "fitted", "fit": "nor"}},
            "two": {"kind": "margins", "family": {"kind": "fitted", "fit": "nor", "count": 2}},
        },
    )
    assert (settings(own, "round").squares, settings(own, "round").norm) == ((1, 2, 4, 7), "l2")
    assert settings(own, "square").norm == "linf"
    assert (settings(own, "as_said").squares, settings(own, "as_said").norm) == ((1,), "l2")
    assert settings(own, "energy").directions == (5,)
    assert (settings(own, "fooled").directions, settings(own, "curved").directions) == (5, 5)
    assert (settings(own, "margins").family.dim, settings(own, "two").family.dim) == (5, 2)


def test_a_fit_named_in_any_way_gives_its_model_and_data(tmp_path: Path) -> None:
    again = {"kind": "universal", "model": "plain", "data": "train", "radius": 2.0}
    elsewhere = {**again, "data": "test"}
    other = {"recipe": "plain", "network": NETWORK, "data": "train", "seed": 1}
    family = {"kind": "fitted", "fit": "nor", "dim": 5}
    own = study(
        tmp_path,
        models={"other": other},
        fits={"again": again, "elsewhere": elsewhere},
        probes={
            "by_name": {"kind": "shifted", "fit": "uap"},
            "chosen": {"kind": "shifted", "fit": {"of": "uap"}},
            "family": {"kind": "margins", "family": family},
            "alike": {"kind": "shifted", "fit": ["uap", "again"]},
            "unlike": {"kind": "shifted", "fit": ["uap", "elsewhere"]},
        },
    )
    planned = [one for one in checked(own).planned if one.probe != "noise"]
    inputs = {
        probe: {(one.network, one.data) for one in planned if one.probe == probe}
        for probe in own.probes
    }
    assert inputs["unlike"] == {(net, of) for net in ("plain", "other") for of in ("train", "test")}
    for probe in ("by_name", "chosen", "family", "alike"):
        assert inputs[probe] == {("plain", "train")}, probe


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (
            {"of": {"probe": "one", "column": "fooled", "where": {"vector": "learned"}}},
            "^claims.is.of.where.vector: no row of probe one has 'learned'; there are none, "
            "learnt, learnt_minus, sphere, control; did you mean 'learnt'",
        ),
        (
            {"of": {"probe": "one", "column": "fooled", "where": {"control": "chessboard_14"}}},
            "^claims.is.of.where.control: no row .*; there are chessboard_1, chessboard_1_minus, ",
        ),
        (
            {"of": {"probe": "two", "column": "energy", "where": {"directions": [5, 10]}}},
            "^claims.is.of.where.directions: no row of probe two has 10; there are 5",
        ),
        (
            {
                "kind": "ratio",
                "of": {"probe": "one", "column": "fooled", "where": {"vector": "learnt"}},
                "to": {"vector": "spheres"},
            },
            "^claims.is.to.vector: no row .* did you mean 'sphere'",
        ),
    ],
)
def test_a_claim_on_values_that_no_row_has_is_refused(
    tmp_path: Path, claim: dict[str, Any], message: str
) -> None:
    document = study(
        tmp_path,
        probes={
            "one": {"kind": "shifted", "fit": "uap"},
            "two": {"kind": "energy", "subspace": "nor"},
        },
    )
    claim = {"kind": "level", "says": "so", "at_least": 0, **claim}
    with pytest.raises(InputError, match=message):
        describe_dry_run(replace(document, claims={"is": claim}))
    right = {"probe": "two", "column": "energy", "where": {"directions": "5"}}
    told = {"kind": "level", "says": "so", "of": right}
    describe_dry_run(replace(document, claims={"is": told}))


def test_a_projection_hangs_on_its_fit_and_on_no_other_model(tmp_path: Path) -> None:
    other = {"recipe": "plain", "network": NETWORK, "data": "train", "seed": 1}
    entry = {"kind": "projected", "of": "test", "fit": "nor"}
    probe = {"kind": "noise", "model": "plain", "data": ["made", "named"]}
    own = study(
        tmp_path,
        models={"other": other},
        data_sets={"made": entry, "named": {**entry, "model": "other"}},
        probes={"one": probe},
    )
    layout = checked(own)
    assert layout.data["made"] == layout.data["named"]
    assert layout.called(layout.data["test"]) == ("digits", "digits")
    for name in ("made", "named"):
        made = layout.derived[name].made
        assert made is not None
        assert made.network == "plain"
        assert layout.derived[name].network is None
        assert layout.origin(name) == "projected of test, made with nor"
        assert layout.called(layout.data[name]) == ("made", "projected of test, made with nor")
        keys = {
            task.key
            for network in ("one", "two")
            for task in measurement_tasks(
                own,
                made,
                Loader()(layout.data["test"]),
                Other(network, layout.networks["plain"], network),
                (),
            )
        }
        assert len(keys) == 1
