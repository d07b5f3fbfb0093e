"""The command line: help, statuses, flags over files, and one line for whatever cannot work."""

import io
import sys
from pathlib import Path

import pytest
import yaml
from command_line import edit, refused

from advcore.pipelines.cli import main


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
    assert "\nwarning: steep at one/c, two/c; it is explained above and in the report\n" in text


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
    assert "by projected gradient (article, eq. 17)\n" in text


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
