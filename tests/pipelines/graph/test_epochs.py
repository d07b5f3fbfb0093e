"""Epochs of a training as networks of a graph."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.checkpoints import read_tensors
from advcore.workers.errors import InputError


def document(out: Path, epochs: Any, **settings: Any) -> dict[str, Any]:
    return {
        "name": "evolution",
        "axes": {"seed": 2},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 200},
            "test": {"name": "digits", "samples": 20},
        },
        "models": {
            "plain": {
                "recipe": {"base": "plain", "set": {"epochs": 3}},
                "network": {"architecture": "perceptron", "width": 8},
                "data": "train",
                "seed": "$seed",
            },
            **({"early": {"of": "plain", "epochs": epochs}} if epochs else {}),
        },
        "probes": {
            "noise": {
                "kind": "noise",
                "data": "test",
                "sigmas": [0.1],
                "draws": 2,
                "directions": 1,
            }
        },
        "run": {"out": str(out), "track": False, "threads": 1, "figures": "none", **settings},
    }


def study(out: Path, epochs: Any = (0, 1, 3), **settings: Any) -> GraphStudy:
    given = list(epochs) if isinstance(epochs, tuple) else epochs
    return schema.structure(GraphStudy, document(out, given, **settings))


def weights(out: Path) -> dict[str, Any]:
    return {
        file.name: {name: own.tolist() for name, own in read_tensors(file).items()}
        for file in sorted((out / "models").glob("*.safetensors"))
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    run(study(out))
    return out


def test_epochs_are_an_axis_and_the_last_is_the_network(undisturbed: Path) -> None:
    table = pq.read_table(undisturbed / "evolution/tables/noise/early.parquet").to_pandas()
    assert sorted(table["epoch"].unique()) == [0, 1, 3]
    found = weights(undisturbed)
    assert len(found) == 2 * 4
    ended = [name for name in found if "epoch" not in name]
    for name in ended:
        stem = name.removesuffix(".safetensors")
        assert found[f"{stem}-epoch-3.safetensors"] == found[name]
        assert found[f"{stem}-epoch-0.safetensors"] != found[f"{stem}-epoch-1.safetensors"]


@pytest.mark.slow
def test_the_same_bits_on_ray(undisturbed: Path, tmp_path: Path) -> None:
    run(study(tmp_path, runner="ray", workers=2))
    assert weights(tmp_path) == weights(undisturbed)


def test_epochs_wanted_after_the_training_are_made_anew(undisturbed: Path, tmp_path: Path) -> None:
    run(study(tmp_path, None))
    assert len(weights(tmp_path)) == 2
    run(study(tmp_path))
    assert weights(tmp_path) == weights(undisturbed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"early": {"of": "plain", "epochs": [0, 4]}}, "models.early.epoch: expected 0 to 3"),
        ({"early": {"of": "plain", "epochs": 3}}, "models.early.epochs: expected a list"),
        (
            {"early": {"of": "there", "epochs": [1]}, "there": {"architecture": "perceptron"}},
            "models.early.of: there is not trained here",
        ),
    ],
)
def test_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    whole = document(tmp_path, [0])
    whole["models"] |= changes
    with pytest.raises(InputError, match=message):
        run(schema.structure(GraphStudy, whole))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"again": {"of": "early", "epochs": [1]}}, r"models.again.of: early are epochs of a tra"),
        ({"early": {"of": "plain", "epochs": [1, 2, 1]}}, r"models.early.epochs: 1 is there twice"),
        ({"ready": {"architecture": "perceptron", "seed": "$bad"}}, r"got the text 'x'.*bad=x\)"),
    ],
)
def test_refused_with_the_place_in_the_document(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    whole = document(tmp_path, [1])
    whole["models"] |= changes
    whole["axes"] |= {"bad": [1, "x"]} if "ready" in changes else {}
    with pytest.raises(InputError, match=message):
        run(schema.structure(GraphStudy, whole))
