"""Where a graph could lie: labels, weights to begin with, data sets, settings, seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advcore.pipelines import Result, run
from advcore.pipelines.graph.expanded_layout import graph_layout, planned_of
from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.reporting.facts import training_file
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.checkpoints import read_tensors
from advcore.workers.errors import InputError

NOISE = {"kind": "noise", "sigmas": [0.1], "draws": 2, "directions": 1}
NETWORK = {"architecture": "perceptron", "width": 16}
SHORT = {"base": "plain", "set": {"epochs": 1}}


def study(out: Path, **changes: Any) -> GraphStudy:
    whole: dict[str, Any] = {
        "name": "traps",
        "axes": {"seed": 2},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 100},
            "test": {"name": "digits", "samples": 20},
        },
        "models": {"m": {"recipe": SHORT, "network": NETWORK, "data": "train", "seed": "$seed"}},
        "probes": {"n": {**NOISE, "model": "m", "data": "test"}},
        "run": {"out": str(out), "track": False, "threads": 1},
    }
    return schema.structure(GraphStudy, whole | changes)


def layout(own: GraphStudy) -> Layout:
    return graph_layout(own, Loader())


SEEDED = {
    "train": {"name": "digits", "split": "train", "samples": 100},
    "test": {"name": "digits", "samples": 20, "seed": "$seed"},
}


@pytest.mark.parametrize(
    ("model", "count"),
    [
        ({"of": "m", "rename": {"seed": "made_on"}}, 4),
        ({"of": "m", "where": {"seed": 0}}, 2),
        (["m", {"of": "m", "where": {"seed": 0}}], 4),
    ],
)
def test_each_member_has_a_label_of_its_own(tmp_path: Path, model: Any, count: int) -> None:
    own = study(tmp_path, data_sets=SEEDED, probes={"n": {**NOISE, "model": model, "data": "test"}})
    planned = planned_of(own)
    assert len({member.label for member in planned}) == len(planned) == count


def weights(result: Result, label: str) -> dict[str, torch.Tensor]:
    own = layout(result.study)  # type: ignore[arg-type]
    return read_tensors(own.trainings[label].checkpoint)


def test_a_start_that_begins_with_a_checkpoint_is_trained_first(tmp_path: Path) -> None:
    first = run(study(tmp_path / "first", axes={"seed": 1}))
    begun = layout(first.study).trainings["m seed=0"].checkpoint  # type: ignore[arg-type]
    whole = {
        "a": {
            "recipe": SHORT,
            "network": NETWORK | {"checkpoint": str(begun)},
            "data": "test",
            "seed": 3,
        },
        "b": {"recipe": SHORT, "network": NETWORK, "data": "train", "start": "a"}
        | {"freeze": ["*"], "head": "new"},
    }
    own = run(
        study(
            tmp_path / "second",
            axes={},
            models=whole,
            probes={"n": {**NOISE, "model": ["a", "b"], "data": "test"}},
        )
    )
    a, b, x = weights(own, "a"), weights(own, "b"), read_tensors(begun)
    names = [name for name in a if a[name].shape == (16, 64)]
    assert names
    for name in names:
        assert torch.equal(b[name], a[name])
        assert not torch.equal(a[name], x[name])


def test_accuracy_is_told_for_each_data_set(tmp_path: Path) -> None:
    file = tmp_path / "noise.npz"
    images = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
    np.savez(file, images=images, labels=np.arange(20) % 10)
    data = {
        "train": {"name": "digits", "split": "train", "samples": 800},
        "test": {"name": "digits", "samples": 60},
        "noise": {"name": f"npz:{file}"},
        "next": {"kind": "relabelled", "of": "test", "targets": "next"},
        "part": {"kind": "subset", "of": "next", "samples": 40},
    }
    probes = {
        "a": {**NOISE, "model": "m", "data": "test"},
        "b": {**NOISE, "model": "m", "data": "noise"},
        "targets": {**NOISE, "model": "m", "data": "part"},
    }
    recipe = {"base": "plain", "set": {"epochs": 15}}
    models = {"m": {"recipe": recipe, "network": NETWORK, "data": "train"}}
    own = run(study(tmp_path, axes={}, data_sets=data, models=models, probes=probes))
    assert "at_chance" in own.warnings
    assert list(own.warnings["at_chance"]) == ["m/b"]
    text = (own.folder / "report.md").read_text()
    assert "test: " in text
    assert "noise: " in text


def test_samples_of_two_data_sets_are_no_pairs(tmp_path: Path) -> None:
    claim = {
        "kind": "difference",
        "says": "unrelated",
        "of": {"probe": "n", "column": "distance", "where": {"data": "train"}},
        "to": {"data": "test"},
    }
    own = study(
        tmp_path,
        axes={},
        models={"m": {"recipe": SHORT, "network": NETWORK, "data": "train"}},
        data_sets={
            "train": {"name": "digits", "split": "train", "samples": 60},
            "few": {"name": "digits", "split": "train", "samples": 30},
            "test": {"name": "digits", "samples": 60},
        },
        probes={"n": {**NOISE, "model": "m", "data": ["train", "few", "test"]}},
        claims={"apart": claim, "nested": claim | {"to": {"data": "few"}}},
    )
    claims = run(own).claims
    assert "no sample in common" in claims["apart"]["not_measured"]
    assert "30 samples" in claims["nested"]["resampled"]
    assert claims["nested"]["value"] == 0


def test_other_settings_are_drawn_apart(tmp_path: Path) -> None:
    probe = {"kind": "robustness", "eps": "$grid", "attacks": [{"kind": "fgsm", "norm": "l2"}]}
    own = run(
        study(
            tmp_path,
            axes={"seed": 1, "grid": {"small": [0.1, 0.2], "big": [1.0, 2.0, 4.0]}},
            probes={"p": probe | {"model": "m", "data": "test"}},
        )
    )
    names = sorted(path.stem for path in (own.folder / "figures/p").glob("*.png"))
    assert names == ["robust_accuracy-1", "robust_accuracy-2"]
    (axes,) = own.figure("p", "robust_accuracy-2").axes
    assert "grid=big" in axes.get_title(loc="left") or "grid=big" in str(
        [text.get_text() for text in axes.figure.findobj(lambda found: hasattr(found, "get_text"))]
    )
    assert "eps: changed by an axis" in (own.folder / "report.md").read_text()


def test_models_with_and_without_seeds_are_drawn_together(tmp_path: Path) -> None:
    ready = {"architecture": "perceptron", "arguments": {"width": 16, "side": 8}}
    models = {
        "m": {"recipe": SHORT, "network": NETWORK, "data": "train", "seed": "$seed"},
        "ready": ready,
    }
    probes = {"n": {**NOISE, "model": ["m", "ready"], "data": "test"}}
    own = run(study(tmp_path, models=models, probes=probes))
    assert set(own.table("n")["model"]) == {"m", "ready"}
    assert (own.folder / "figures/n").is_dir()


def test_one_training_that_fails_leaves_the_others(tmp_path: Path) -> None:
    recipe = {"base": "plain", "set": {"epochs": 1, "learning_rate": "$lr"}}
    models = {"m": {"recipe": recipe, "network": NETWORK, "data": "train"}}
    models["k"] = models["m"] | {"start": "m", "recipe": SHORT}
    own = study(
        tmp_path,
        axes={"lr": [0.1, 1e30]},
        models=models,
        probes={"n": {**NOISE, "model": ["m", "k"], "data": "test"}},
    )
    with pytest.raises(RuntimeError, match=r"is not complete: m lr=1e\+30: ") as caught:
        run(own)
    table = caught.value.result.table("n")  # type: ignore[attr-defined]
    assert set(table["model"]) == {"m", "k"}
    assert set(table["lr"]) == {0.1}


def test_a_plan_sees_that_what_was_learnt_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "own.npz"

    def write(seed: int) -> None:
        images = np.random.default_rng(seed).random((40, 1, 8, 8), dtype=np.float32)
        np.savez(file, images=images, labels=np.arange(40) % 10)

    write(0)
    data = {"train": {"name": f"npz:{file}"}, "test": {"name": "digits", "samples": 20}}
    out = tmp_path / "out"
    models = study(out).models
    models = models | {"k": models["m"] | {"start": "m"}}
    probes = {"n": {**NOISE, "model": ["m", "k"], "data": "test"}}
    own = study(out, data_sets=data, models=models, probes=probes)
    run(own)
    assert "to train" not in describe_dry_run(own)
    assert "to measure: 0 of 4 shards" in describe_dry_run(own)
    write(1)
    changed = describe_dry_run(own)
    assert "to train: m seed=0, m seed=1, k seed=0, k seed=1" in changed
    assert "perceptron trained on npz:" in changed
    assert ": 2 to train" in changed


def test_threads_are_part_of_a_training(tmp_path: Path) -> None:
    names = {
        layout(study(tmp_path, run={"out": str(tmp_path), "threads": threads}))
        .trainings["m seed=0"]
        .name
        for threads in (1, 2)
    }
    assert len(names) == 2


def test_labels_never_leave_the_folder() -> None:
    for label in ("a file=npz:../../x", "a x=/etc/passwd", "b x=é", "a/b"):
        name = training_file(label)
        assert name.startswith("trainings/")
        assert "/" not in name.removeprefix("trainings/")
    assert training_file("a/b") != training_file("a_b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"probes": {"n": {**NOISE, "data": "test", "model": None}}},
            "probes.n.model: expected a name, got nothing",
        ),
        ({"axes": {"seed": 2, "sample": 2}}, "axes.sample: 'sample' is a column of every table"),
        (
            {
                "probes": {
                    "n": {
                        "kind": "noise",
                        "data": "test",
                        "model": {"of": "m", "rename": {"seed": "a b"}},
                    }
                }
            },
            "probes.n.model.rename.seed: expected a name of letters",
        ),
        (
            {
                "models": {
                    "m": {"recipe": SHORT, "network": NETWORK, "data": "train", "start": "fresh"}
                    | {"seed": "$seed"},
                    "fresh": {"architecture": "perceptron", "arguments": {"width": 16}},
                }
            },
            "models.m.start: fresh is neither trained nor has a checkpoint",
        ),
        (
            {
                "models": {
                    "m": {"recipe": SHORT, "network": NETWORK, "data": "train", "seed": "$seed"},
                    "k": {
                        "recipe": SHORT,
                        "network": NETWORK | {"width": 8},
                        "data": "train",
                        "start": "m",
                    },
                }
            },
            "models.k seed=0",
        ),
        (
            {
                "models": {
                    "m": {"recipe": SHORT, "network": NETWORK, "data": "train", "seed": "$seed"},
                    "k": {"recipe": SHORT, "network": NETWORK, "data": "train"}
                    | {"start": "m", "freeze": ["zz"]},
                }
            },
            "models.k seed=0.*zz",
        ),
        (
            {
                "models": {
                    "m": {"recipe": SHORT, "network": NETWORK, "data": "train", "seed": "$seed"}
                    | {"freeze": ["zz"]}
                }
            },
            "models.m seed=0.*zz",
        ),
        (
            {
                "claims": {
                    "c": {"kind": "level", "says": "x", "of": {"probe": ["n"], "column": "c"}}
                }
            },
            "claims.c: it names the probe",
        ),
    ],
)
def test_refused_before_anything_is_trained(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(study(tmp_path, **changes))
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.rglob("*.safetensors"))


FLIPS = {"kind": "pgd", "threat": {"kind": "flips"}, "eps": 1.0}
FLIPPED = {"base": "plain", "set": {"objective": {"own": {"kind": "adversarial", "attack": FLIPS}}}}


def with_made(out: Path, attack: dict[str, Any], **models: Any) -> GraphStudy:
    """The study with grey digits that an attack makes on a network, and further networks."""
    plain = study(out)
    first = {"recipe": SHORT, "network": NETWORK, "data": "train"}
    made = {"kind": "adversarial", "of": "train", "model": "m", "attack": attack}
    return study(
        out, axes={}, data_sets={**plain.data_sets, "made": made}, models={"m": first, **models}
    )


def test_flips_of_grey_digits_are_refused_wherever_they_stand_before_any_work(
    tmp_path: Path,
) -> None:
    learnt = {"recipe": FLIPPED, "network": NETWORK, "data": "train"}
    own = with_made(tmp_path, {"kind": "pgd", "eps": 0.1}, other=learnt)
    for look in (describe_dry_run, run):
        with pytest.raises(InputError, match=r"^models.other: objective.own: flips needs binary"):
            look(own)
        with pytest.raises(InputError, match=r"^data_sets.made: flips needs binary"):
            look(with_made(tmp_path, FLIPS))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_of_samples_that_are_not_made_yet_flips_are_not_refused(tmp_path: Path) -> None:
    learnt = {"recipe": FLIPPED, "network": NETWORK, "data": "made"}
    own = with_made(tmp_path, {"kind": "pgd", "eps": 0.1}, other=learnt)
    assert "to train: m, other" in describe_dry_run(own)
