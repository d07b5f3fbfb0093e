"""A study of features: data sets of every kind, learnt and measured, with their controls."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from advcore.pipelines import run
from advcore.pipelines.graph.running.exports import find_data
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.datasets import Dataset

ATTACK = {"kind": "pgd", "norm": "l2", "eps": "$eps", "steps": 5}
FEATURES = {"kind": "adversarial", "of": "train", "model": "plain", "labels": "target"}
LEARNT = [
    *("D_rand", "D_det", "D_min", "same_rand", "same_det", "noise", "low"),
    *("inside", "outside", "said", "both", "part"),
]


def document(out: Path) -> dict[str, Any]:
    network = {"architecture": "perceptron", "width": 16}
    recipe = {"base": "plain", "set": {"epochs": 2}}
    minimal = {"kind": "ddn", "steps": 10}
    return {
        "name": "features",
        "axes": {"eps": [1.0, 2.0]},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 150},
            "test": {"name": "digits", "samples": 60},
            "next": {"kind": "relabelled", "of": "test", "targets": "next"},
            "D_rand": FEATURES | {"attack": ATTACK, "targets": "random"},
            "D_det": FEATURES | {"attack": ATTACK, "targets": "next"},
            "D_min": FEATURES | {"attack": minimal, "labels": "predicted"},
            "same_rand": {"kind": "relabelled", "of": "train", "targets": "random"},
            "same_det": {"kind": "relabelled", "of": "train", "targets": "next"},
            "noise": {
                "kind": "noised",
                "of": "train",
                "norm": "l2",
                "size": "$eps",
                "targets": "random",
                "labels": "target",
            },
            "low": {
                "kind": "transformed",
                "of": "train",
                "transform": {"kind": "low_pass", "band": 4},
            },
            "inside": {"kind": "projected", "of": "train", "fit": "curved"},
            "outside": {
                "kind": "projected",
                "of": "train",
                "model": "plain",
                "fit": "curved",
                "keep": "complement",
            },
            "said": {"kind": "pseudo_labelled", "of": "train", "model": "plain"},
            "both": {"kind": "union", "of": ["train", "D_min"]},
            "part": {"kind": "half", "of": "D_min", "out_of": 2, "number": 1},
        },
        "models": {
            "plain": {"recipe": recipe, "network": network, "data": "train"},
            "student": {
                "recipe": recipe,
                "network": network,
                "data": {"each": LEARNT, "as": "learnt_from"},
            },
        },
        "fits": {
            "curved": {
                "kind": "shared_curvature",
                "model": "plain",
                "data": "train",
                "directions": 3,
                "rounds": 2,
            }
        },
        "probes": {
            "noise": {
                "kind": "noise",
                "model": "student",
                "data": ["test", "next"],
                "sigmas": [0.1],
                "draws": 2,
                "directions": 1,
                "attack": {"kind": "deepfool", "norm": "l2", "box": False, "steps": 3},
            },
        },
        "run": {"out": str(out), "track": False, "threads": 1, "figures": "none", "shard_size": 64},
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> GraphStudy:
    own = schema.structure(GraphStudy, document(tmp_path_factory.mktemp("features")))
    run(own)
    return own


def found(study: GraphStudy, name: str) -> tuple[Dataset, np.ndarray]:
    data = find_data(study, name)
    return data, data.take(np.arange(len(data)))


def moved(study: GraphStudy, name: str) -> np.ndarray:
    (_, there), (_, clean) = found(study, name), found(study, "train")
    return np.linalg.norm((there - clean).reshape(len(clean), -1), axis=1)


def test_every_data_set_is_learnt(study):
    rows = pq.read_table(Path(study.run.out) / "features/tables/noise/student.parquet").to_pydict()
    assert set(rows["learnt_from"]) == set(LEARNT)
    assert set(rows["data"]) == {"test", "next"}
    varied = {"D_rand", "D_det", "noise"}
    pairs = zip(rows["learnt_from"], rows["eps"], strict=True)
    assert {name for name, eps in pairs if eps == eps} == varied  # NaN where it does not vary
    assert {eps for eps in rows["eps"] if eps == eps} == {1.0, 2.0}


def test_features_and_their_controls(study):
    train, control = find_data(study, "train"), find_data(study, "same_rand")
    for eps in (1.0, 2.0):
        made, noise = (find_data(study, f"{name} eps={eps}") for name in ("D_rand", "noise"))
        assert np.array_equal(made.labels, control.labels)
        assert np.array_equal(noise.labels, control.labels)
        assert (made.labels != train.labels).all()
        assert moved(study, f"D_rand eps={eps}").max() <= eps + 1e-5
        assert np.allclose(moved(study, f"noise eps={eps}"), eps, atol=1e-5)
    det = find_data(study, "D_det eps=1.0")
    assert np.array_equal(det.labels, (train.labels + 1) % 10)
    assert np.array_equal(det.labels, find_data(study, "same_det").labels)
    assert np.array_equal(det.indices, train.indices)


def test_what_is_made_of_what_was_made(study):
    (both, images), (least, made), (_, clean) = (
        found(study, name) for name in ("both", "D_min", "train")
    )
    assert np.array_equal(images, np.concatenate([clean, made]))
    assert np.array_equal(both.indices % 10_000, np.tile(least.indices, 2))
    part, some = found(study, "part")
    rows = np.flatnonzero(np.isin(least.indices, part.indices))
    assert np.array_equal(some, made[rows])


def test_parts_of_a_fitted_subspace(study):
    (_, inside), (_, outside), (_, clean) = (
        found(study, name) for name in ("inside", "outside", "train")
    )
    interior = (inside > 0) & (inside < 1) & (outside > 0) & (outside < 1)
    assert interior.any()
    assert np.allclose((inside + outside)[interior], clean[interior], atol=1e-5)


def test_pseudo_labels_have_no_pixels_of_their_own(study):
    (said, images), (train, clean) = found(study, "said"), found(study, "train")
    assert said.in_memory
    assert np.array_equal(images, clean)
    assert (said.labels != train.labels).any()


def test_a_second_run_computes_nothing(study, monkeypatch):
    before = sorted(Path(study.run.out, "store").rglob("*.*"))
    for work in ("measure", "train", "share"):
        monkeypatch.setattr(f"advcore.workers.actor.Worker.{work}", None)
    run(study)
    assert sorted(Path(study.run.out, "store").rglob("*.*")) == before
