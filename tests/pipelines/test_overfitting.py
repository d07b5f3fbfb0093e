"""What a training does when it overfits."""

from pathlib import Path
from typing import Any

import pytest

from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.settings import schema
from advcore.pipelines.training.settings import Training
from advcore.training import Diagnosis
from advcore.workers.checkpoints import read_metadata
from advcore.workers.errors import InputError

COURSE = [(0.4, 0.35, 0.9), (0.5, 0.45, 0.8), (0.9, 0.01, 0.1), (0.95, 0.0, 0.1)]
"""Accuracies under FGSM and PGD, and the cosine of gradients, of a network that overfits
catastrophically in its third epoch."""


def _training(**changes: Any) -> Training:
    settings: dict[str, Any] = {
        "name": "watched",
        "model": {"architecture": "perceptron"},
        "data": {"name": "digits", "split": "train", "samples": 60},
        "watch": {"kind": "diagnosis", "eps": 0.1, "steps": 2, "samples": 20, "few": 4},
        "recipe": {"epochs": 4, "batch_size": 32},
        "run": {"out": "out", "track": False, "threads": 1},
    }
    return schema.structure(Training, {**settings, **changes})


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The diagnosis of each epoch, as if it came from such a network."""
    course = iter(COURSE)

    def numbers(*_: Any) -> dict[str, float]:
        return dict(
            zip(("fgsm_accuracy", "pgd_accuracy", "gradient_cosine"), next(course), strict=True)
        )

    monkeypatch.setattr(Diagnosis, "__call__", numbers)


@pytest.mark.parametrize(
    ("follows", "epochs", "handed_out"), [("report", 4, 4), ("stop", 3, 3), ("back", 3, 2)]
)
def test_catastrophic_overfitting(
    place: Path,
    scripted: None,
    capsys: pytest.CaptureFixture[str],
    follows: str,
    epochs: int,
    handed_out: int,
) -> None:
    result = train(_training(on_overfitting=follows))
    about = schema.load_yaml(result.checkpoint.with_suffix(".json"))
    assert (len(about["metrics"]), about["epoch"]) == (epochs, handed_out)
    assert "overfitting/catastrophic" not in about["metrics"][1]
    assert about["metrics"][2]["overfitting/catastrophic"] == 3
    assert (
        capsys.readouterr().err.count("catastrophic overfitting at epoch 3, seen after epoch 3")
        == 1
    )


def test_a_watch_changes_nothing_of_the_training(place: Path) -> None:
    watched = train(_training()).checkpoint.read_bytes()
    plain = train(_training(name="plain", watch=None))
    assert {"watch/gradient_cosine", "watch/margin/low", "watch/top_eigenvalue"} <= set(
        schema.load_yaml(place / "out/models/watched.json")["metrics"][-1]
    )
    assert read_metadata(plain.checkpoint) != {}
    assert _weights(watched) == _weights(plain.checkpoint.read_bytes())


def _weights(file: bytes) -> bytes:
    """Of a safetensors file, what stands behind its header."""
    return file[8 + int.from_bytes(file[:8], "little") :]


@pytest.mark.parametrize("follows", ["stop", "back"])
def test_something_must_show_it(follows: str) -> None:
    with pytest.raises(
        InputError, match=f"on_overfitting: {follows} needs something that shows it: watch: "
    ):
        _training(on_overfitting=follows, watch=None)
