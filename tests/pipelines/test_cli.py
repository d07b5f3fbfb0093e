"""The command line: help, statuses, flags over files, and one line for whatever cannot work."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from advcore.pipelines.cli import main
from advcore.workers.checkpoints import save_checkpoint


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command leaves."""
    assert main(arguments) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("advcore: ")
    return lines[0]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("run", "train", "demo", "ui", "list"):
        assert command in text


def test_the_help_of_run_explains_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = capsys.readouterr().out
    for flag in ("--runner", "--workers", "--address", "--set", "--shard-size", "--out"):
        assert flag in text
    assert "Ray cluster" in text


def test_run_prints_the_numbers_and_the_places(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(study_file)]) == 0
    text = capsys.readouterr().out
    assert "median_margin" in text
    assert "24 shards measured" in text
    assert "report.md" in text
    assert main(["run", str(study_file)]) == 0
    assert "nothing to compute" in capsys.readouterr().out


def test_run_ends_with_what_to_be_wary_of(
    study_file: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "own_parts.py").write_text(
        "from dataclasses import dataclass, replace\n"
        "from advcore.probes import Curvature\n"
        "@dataclass(frozen=True)\n"
        "class Wary(Curvature):\n"
        "    def summarise(self, table):\n"
        "        return replace(super().summarise(table), warnings={'steep': 'steeper than 3: "
        "look closer'})\n"
    )
    assert main(edit(study_file, probes={"c": {"kind": "own_parts:Wary"}})) == 0
    text = capsys.readouterr().out
    assert "- **warning**, two, steep: steeper than 3: look closer" in text
    assert (
        "\nwarning: steep at one/c, two/c; the sentence stands above, and in the report\n" in text
    )


def test_flags_stand_over_set_and_set_over_the_file(
    study_file: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "run",
                str(study_file),
                "--set",
                "data.samples=6",
                "--set",
                "run.shard_size=2",
                "--shard-size",
                "3",
                "--out",
                "elsewhere",
            ]
        )
        == 0
    )
    study = yaml.safe_load((place / "elsewhere/tiny/study.yaml").read_text())
    assert (study["data"]["samples"], study["run"]["shard_size"], study["run"]["threads"]) == (
        6,
        3,
        1,
    )
    assert "16 shards measured" in capsys.readouterr().out


def test_a_terminal_without_the_signs_shows_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["list"]) == 0
    print("\u00f6", flush=True)
    assert terminal.buffer.getvalue().endswith(b"\\xf6\n")  # type: ignore[attr-defined]


def test_signs_that_steer_a_terminal_are_written_out(capfd: pytest.CaptureFixture[str]) -> None:
    line = refused(["run", "a\nb\x1b[2J\u202e.yaml"], capfd)
    assert r"no file 'a\nb\x1b[2J\u202e.yaml'" in line


def test_list_shows_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in ("demo", "robust", "margins", "deepfool", "dct", "mnist5k", "lenet", "adversarial"):
        assert name in text


def edit(study_file: Path, **changes: Any) -> list[str]:
    """The command for the study with some of its sections replaced."""
    study = yaml.safe_load(study_file.read_text())
    study_file.write_text(yaml.safe_dump({**study, **changes}))
    return ["run", str(study_file)]


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
            "missing.safetensors",
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
        ({"models": {"one": {"architecture": "nosuchnet"}}}, "nosuchnet"),
        ({"models": {}}, "models must name at least one"),
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


def test_a_driver_that_is_stopped_goes_on_where_it_was(study_file: Path, place: Path) -> None:
    """SIGTERM in the middle: status 130, finished shards kept, the next run measures the rest."""
    slow = [
        "--set",
        "data.samples=120",
        "--set",
        "probes.robustness.attacks.1.steps=300",
        "--shard-size",
        "10",
    ]
    command = [sys.executable, "-m", "advcore.pipelines.cli", "run", str(study_file), *slow]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and len(list((place / "out/store").rglob("*.parquet"))) < 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "goes on from there" in errors
    kept = len(list((place / "out/store").rglob("*.parquet")))
    assert 3 <= kept < 96
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{96 - kept} shards measured, {kept} of 96 found" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.5, 2.0])
def test_a_driver_that_is_stopped_while_ray_starts_says_so(
    study_file: Path, place: Path, after: float
) -> None:
    """Where Ray has its own handler of SIGTERM."""
    command = [
        sys.executable,
        "-m",
        "advcore.pipelines.cli",
        "run",
        str(study_file),
        "--runner",
        "ray",
        "--workers",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "starting workers" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    assert "advcore: interrupted; finished shards are in the store" in errors


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


def test_train_writes_a_checkpoint_that_a_study_can_use(
    study_file: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = {
        "name": "small",
        "model": {"architecture": "perceptron"},
        "data": {"name": "digits", "split": "train", "samples": 200},
        "test": {"name": "digits", "split": "test"},
        "recipe": {
            "objective": {
                "a": {
                    "kind": "adversarial",
                    "attack": {"kind": "pgd", "norm": "l2", "eps": 0.1, "steps": 2},
                }
            },
            "epochs": 4,
        },
        "run": {"out": "out", "track": False, "threads": 1},
    }
    (place / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["train", "recipe.yaml"]) == 0
    assert "test_accuracy" in capsys.readouterr().out
    assert main(["train", "recipe.yaml"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    models = {"small": {"architecture": "perceptron", "checkpoint": "out/models/small.safetensors"}}
    assert main(edit(study_file, models=models)) == 0
