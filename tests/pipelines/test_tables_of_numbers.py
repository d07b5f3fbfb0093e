"""A study of a table: 30 features of each tissue sample, without a box."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError

ATTACK = {"kind": "deepfool", "norm": "l2", "box": False}


@pytest.fixture
def document(place: Path) -> dict[str, Any]:
    """A study of scikit-learn's breast cancer data, whose features are as they were measured."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    rows = np.random.RandomState(0).permutation(len(labels))
    for name, own in (("train", rows[:400]), ("test", rows[400:])):
        np.savez(
            place / f"{name}.npz",
            images=inputs[own],
            labels=labels[own],
            names=np.array(["malignant", "benign"]),
        )
    network = {
        "architecture": "perceptron",
        "width": 16,
        "mean": inputs[rows[:400]].mean(0).tolist(),
        "std": inputs[rows[:400]].std(0).tolist(),
    }
    settings = {"epochs": 10, "batch_size": 32, "learning_rate": 0.1}
    return {
        "name": "tissue",
        "data_sets": {
            "train": {"name": "npz:train.npz", "box": False},
            "test": {"name": "npz:test.npz", "samples": 40, "box": False},
        },
        "models": {
            "plain": {
                "recipe": {"base": "plain", "set": settings},
                "network": network,
                "data": "train",
            }
        },
        "probes": {
            "robustness": {
                "kind": "robustness",
                "data": "test",
                "eps": [0.001, 0.01, 0.1],
                "attacks": [ATTACK, {"kind": "pgd", "norm": "l2", "steps": 10, "box": False}],
            },
            "noise": {"kind": "noise", "data": "test", "sigmas": [0.01, 0.1], "draws": 20},
            "curvature": {"kind": "curvature", "data": "test"},
        },
        "run": {"shard_size": 16, "out": "out", "track": False, "threads": 1},
    }


def test_a_table_from_the_archive_to_the_report(document: dict[str, Any], place: Path) -> None:
    result = run(schema.structure(GraphStudy, document))
    folder = place / "out" / "tissue"
    found = {
        probe: pq.read_table(next(folder.rglob(f"{probe}/*.parquet"))).to_pydict()
        for probe in document["probes"]
    }
    test = load(DataSpec("npz:test.npz", samples=40, box=False))
    assert test.shape == (30,)
    robust = found["robustness"]
    right = np.equal(robust["prediction"], robust["label"])
    assert right.mean() > 0.9
    assert sorted(set(robust["sample"])) == test.indices.tolist()
    distance = np.array(found["noise"]["distance"])
    assert np.isfinite(distance).all()
    assert 0 < distance.min() < distance.max() < 1  # in the units of the features
    broken_at = np.array(robust["broken_at"])[np.array(robust["attack"]) == "worst"]
    assert (broken_at > 0.002).mean() > 0.9 > 0.1 > (broken_at > 0.2).mean()
    assert torch.tensor(found["curvature"]["eigenvalues"]).shape == (40, 30)
    assert "30 features" in (folder / "report.md").read_text()
    assert result.claims == {}


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (
            {"kind": "margins", "family": {"kind": "dct", "size": 4}},
            r"probe other: a family of DCT blocks needs pictures \(channels, height, width\); got "
            "inputs of 30 numbers",
        ),
        (
            {"kind": "examples", "attack": ATTACK},
            r"probe other: a gallery of examples needs pictures \(channels, height, width\); got ",
        ),
        ({"kind": "masks"}, "probe other: a mask needs pictures "),
        ({"kind": "examples"}, "probe other: a gallery of examples needs pictures "),
        ({"kind": "perturbations"}, "probe other: the share of changed pixels needs pictures "),
        ({"kind": "segmented"}, "probe other: segmentation needs pictures "),
        (
            {"kind": "robustness", "eps": [0.1]},
            r"other.* attacks in the box \[0, 1\], which the inputs of this data set leave",
        ),
    ],
)
def test_what_needs_pictures_is_refused_before_any_work(
    document: dict[str, Any], place: Path, probe: dict[str, Any], message: str
) -> None:
    document["probes"]["other"] = {**probe, "data": "test"}
    with pytest.raises(InputError, match=message) as refusal:
        run(schema.structure(GraphStudy, document))
    assert "\n" not in str(refusal.value)
    assert not list(place.rglob("*.safetensors"))
