"""What cannot work is refused by the command in one clear line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from command_line import edit, refused

from advcore.pipelines.cli import main
from advcore.workers.checkpoints import save_checkpoint

SHORT_STEPS = {"kind": "pgd", "norm": "l2", "steps": 2, "relative_step": 0.1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"probe": {}}, "unknown key 'probe'; did you mean 'probes'"),
        (
            {
                "models": {
                    "one": {"architecture": "perceptron", "checkpoint": "missing.safetensors"}
                }
            },
            "model one: checkpoint ",
        ),
        (
            {"models": {"one": {"architecture": "perceptron", "classes": 1}}},
            "model one: perceptron needs at least 2 classes; got classes: 1",
        ),
        ({"models": {"one": {"architecture": "lenet"}}}, "does not fit images (1, 8, 8)"),
        (
            {"models": {"one": {"architecture": "perceptron", "arguments": {"channels": 3}}}},
            ("does not fit images"),
        ),
        (
            {"models": {"one": {"architecture": "perceptron", "classes": 7}}},
            ("labels must lie in 0..6"),
        ),
        (
            {"models": {"one": {"architecture": "nosuchnet"}}},
            "model one: unknown architecture 'nosuchnet'",
        ),
        ({"models": {}}, "expected at least one of models"),
        ({"data": {"name": "digits", "samples": 0}}, "zero samples"),
        ({"data": {"name": "nosuchdata"}}, "nosuchdata"),
        (
            {"probes": {"m": {"kind": "margins", "family": {"kind": "dct", "size": 9}}}},
            ("size must lie in 1..8"),
        ),
        ({"probes": {"r": {"kind": "robustness", "eps": [0.0]}}}, "positive"),
        (
            {"probes": {"r": {"kind": "robustness", "eps": [1.0], "attacks": [SHORT_STEPS]}}},
            ("cannot reach eps"),
        ),
        ({"probes": {"r": {"kind": "nosuchprobe"}}}, "nosuchprobe"),
        (
            {"probes": {"t": {"kind": "transfer", "to": ["one", "three"]}}},
            ("names the model 'three', which is not in the study"),
        ),
        ({"run": {"out": "/proc/nowhere", "track": False}}, "/proc/nowhere"),
        ({"run": {"out": "a\0b", "track": False}}, r"path 'a\x00b' contains a NUL byte"),
        ({"run": {"out": "one.safetensors", "track": False}}, "results /"),
        (
            {"run": {"runner": "ray", "address": "127.0.0.1:1", "track": False, "out": "out"}},
            ("no Ray at 127.0.0.1:1"),
        ),
        ({"run": {"tracking_uri": "http://127.0.0.1:1", "out": "out"}}, "127.0.0.1:1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_gets_one_clear_line(
    study_file: Path, changes: dict[str, Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(edit(study_file, **changes), capfd)


def test_a_checkpoint_of_another_network_names_the_keys(
    study_file: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(torch.nn.Linear(3, 3), place / "one.safetensors", {})
    line = refused(["run", str(study_file)], capfd)
    assert "1.weight" in line


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(
    study_file: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(place / "owned"),)

    torch.save(Payload(), place / "bad.pt")
    models = {"one": {"architecture": "perceptron", "checkpoint": "bad.pt"}}
    assert "bad.pt" in refused(edit(study_file, models=models), capfd)
    assert not (place / "owned").exists()


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.full((4, 1, 8, 8), 2.0), [0, 1, 2, 3], "[0, 1]"),
        (np.full((4, 1, 8, 8), np.nan), [0, 1, 2, 3], "NaN"),
        (np.zeros((4, 8)), [0, 1, 2, 3], "(4, 8)"),
        (np.zeros((4, 1, 8, 8)), [0, 1, 2, -3], "-3"),
        (np.zeros((4, 1, 8, 8)), [0, 1, 2], "3"),
        (np.zeros((4, 3, 8, 8)), [0, 1, 2, 3], "does not fit"),
    ],
)
def test_bad_samples_get_one_clear_line(
    study_file: Path,
    place: Path,
    images: np.ndarray,
    labels: list[int],
    words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    np.savez(place / "some.npz", images=images, labels=np.array(labels))
    assert words in refused(edit(study_file, data={"name": "npz:some.npz"}), capfd)


@pytest.mark.parametrize(
    ("factory", "words"),
    [("probabilities", "look like probabilities"), ("broken", "NaN or infinite")],
)
def test_outputs_that_are_no_logits_get_one_clear_line(
    study_file: Path,
    place: Path,
    factory: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (place / "own_networks.py").write_text(
        "from torch import nn\n"
        "from advcore.networks import perceptron\n"
        "def probabilities():\n    return nn.Sequential(perceptron(), nn.Softmax(1))\n"
        "def broken():\n    network = perceptron()\n    "
        "network[1].bias.data.fill_(float('nan'))\n    return network\n"
    )
    monkeypatch.syspath_prepend(str(place))
    assert words in refused(
        edit(study_file, models={"one": {"architecture": f"own_networks:{factory}"}}), capfd
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--address", "127.0.0.1:1"], "no Ray at 127.0.0.1:1"),
        (["--workers", "0"], "run.workers must be at least 1"),
        (["--shard-size", "0"], "run.shard_size must be at least 1"),
        (["--threads", "0"], "run.threads must be at least 1"),
        (["--gpus-per-worker", "2"], "run.gpus_per_worker must lie in [0, 1]"),
        (["--runner", "inline", "--shard-seconds", "3"], "run.shard_seconds is for runner: ray"),
    ],
)
def test_flags_over_a_ray_study_are_judged_with_the_file(
    study_file: Path, place: Path, flags: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    command = edit(study_file, run={"runner": "ray", "out": "out", "track": False})
    assert words in refused([*command, *flags], capfd)
    assert not (place / "out/mlflow.db").exists()


def test_a_missing_study_names_the_shipped_ones(capfd: pytest.CaptureFixture[str]) -> None:
    assert "demo" in refused(["run", "nosuch.yaml"], capfd)


def test_a_file_that_cannot_be_used_gets_one_clear_line(
    study_file: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A report that is a folder, a home that nobody has: with what is done kept, or before any
    work.
    """
    assert main(["run", str(study_file)]) == 0
    report = next(place.rglob("report.md"))
    report.unlink()
    (report / "inside").mkdir(parents=True)
    capfd.readouterr()
    assert main(["run", str(study_file)]) == 1
    told = [
        line
        for line in capfd.readouterr().err.splitlines()
        if line.startswith(("advcore", "Traceback"))
    ]
    assert len(told) == 1
    assert "report.md" in told[0]
    assert "no such home" in refused(
        ["run", str(study_file), "--out", "~nobody-is-called-so/x"], capfd
    )


def test_file_names_of_ascii_alone_are_told(study_file: Path, place: Path) -> None:
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [
        sys.executable,
        "-m",
        "advcore.pipelines.cli",
        "run",
        str(study_file),
        "--out",
        "\u00e9",
    ]
    done = subprocess.run(
        [part.encode() for part in command], env=ascii_only, capture_output=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr == b"advcore: '\\udcc3\\udca9' is no text in ascii; set PYTHONUTF8=1\n"


RECIPE = {
    "name": "small",
    "model": {"architecture": "perceptron"},
    "data": {"name": "digits", "split": "train", "samples": 40},
    "recipe": {"epochs": 2},
    "run": {"out": "out", "track": False, "threads": 1},
}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["run.device=foo"], "foo"),
        (["run.threads=0"], "run.threads must be at least 1"),
        (["run.out=/dev/null/x"], "/dev/null/x"),
        (["name=../../escape"], "a name is made of letters"),
        (
            ["recipe.learning_rate=1.0e+30", "recipe.gradient_clip=null", "recipe.epochs=9"],
            "training small diverged",
        ),
        (["model.architecture=lenet"], "does not fit images"),
    ],
)
def test_a_training_that_cannot_work_gets_one_clear_line(
    place: Path, settings: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    assert (
        main(
            ["train", "recipe.yaml", *(part for setting in settings for part in ("--set", setting))]
        )
        == 2
    )
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("advcore: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not list(place.parent.rglob("escape*"))
