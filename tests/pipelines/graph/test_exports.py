"""The command that writes a data set of a study to files of its own."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from advcore.pipelines import run
from advcore.pipelines.cli import main
from advcore.pipelines.graph.settings import read_study
from advcore.workers.datasets import DataSpec, load


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that is finished, and one that has not begun."""
    folder = tmp_path_factory.mktemp("export")
    attack = {"kind": "pgd", "norm": "l2", "eps": 1.0, "steps": 5}
    adversarial = {"kind": "adversarial", "of": "some", "model": "plain", "attack": attack}
    network = {"architecture": "perceptron", "width": 16}
    recipe = {"base": "plain", "set": {"epochs": 2}}
    whole = {
        "name": "chain",
        "axes": {"seed": 1},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 300},
            "some": {"kind": "subset", "of": "train", "samples": 120},
            "moved": adversarial | {"targets": "random", "labels": "target"},
        },
        "models": {
            "plain": {"recipe": recipe, "network": network, "data": "train", "seed": "$seed"}
        },
        "probes": {"noise": {"kind": "noise", "model": "plain", "data": "moved", "draws": 2}},
        "run": {"out": str(folder / "out"), "track": False, "threads": 1, "shard_size": 32},
    }
    (folder / "chain.yaml").write_text(json.dumps(whole))
    whole["run"]["out"] = str(folder / "elsewhere")
    (folder / "fresh.yaml").write_text(json.dumps(whole))
    run(read_study(str(folder / "chain.yaml")))
    return folder


def test_a_made_data_set_is_written(place, capsys):
    to = place / "moved.npz"
    assert main(["export", str(place / "chain.yaml"), "moved seed=0", "--to", f"npz:{to}"]) == 0
    assert capsys.readouterr().out == f"moved seed=0: 120 samples in {to}\n"
    there, root = load(DataSpec(f"npz:{to}")), load(DataSpec("digits", "train"))
    with np.load(to) as archive:
        indices = archive["indices"]
    source = root.chosen(indices)
    moved = (there.take(np.arange(120)) - source.take(np.arange(120))).reshape(120, -1)
    lengths = np.linalg.norm(moved, axis=1)
    assert lengths.min() > 0
    assert lengths.max() <= 1 + 1e-5
    assert (there.labels != source.labels).all()


def test_a_chosen_data_set_becomes_pictures(place, capsys):
    to = f"imagefolder:{place / 'some'}"
    assert main(["export", str(place / "fresh.yaml"), "some", "--to", to]) == 0
    assert "120 samples in" in capsys.readouterr().out
    assert len(list((place / "some").glob("*/*.png"))) == 120
    assert not (place / "elsewhere").exists()


@pytest.mark.parametrize(
    ("study", "name", "words"),
    [
        ("chain", "moved", r"no data set 'moved'.*moved seed=0"),
        ("fresh", "moved seed=0", "is not made yet: run the study first"),
    ],
)
def test_what_is_not_there(place, capsys, study, name, words):
    to = f"npz:{place / 'none.npz'}"
    assert main(["export", str(place / f"{study}.yaml"), name, "--to", to]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(words, error)
    assert not (place / "none.npz").exists()


def test_nothing_is_overwritten(place, capsys):
    (place / "mine.npz").write_text("mine")
    to = f"npz:{place / 'mine.npz'}"
    assert main(["export", str(place / "chain.yaml"), "some", "--to", to]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (place / "mine.npz").read_text() == "mine"


def test_the_data_of_a_study_of_the_old_form(tmp_path, capsys):
    network = {"architecture": "perceptron", "arguments": {"side": 8}}
    whole = {
        "name": "old",
        "models": {"one": network},
        "data": {"name": "digits", "samples": 9},
        "probes": {"noise": {"kind": "noise", "draws": 2}},
    }
    (tmp_path / "old.yaml").write_text(json.dumps(whole))
    to = tmp_path / "own.npz"
    assert main(["export", str(tmp_path / "old.yaml"), "data", "--to", f"npz:{to}"]) == 0
    assert load(DataSpec(f"npz:{to}")).take(np.arange(9)).shape == (9, 1, 8, 8)
    assert "9 samples in" in capsys.readouterr().out
