"""CIFAR-10 in place of the data sets that sweeps and recipes name, from a folder as torchvision
lays it out.
"""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision
from sweeps import EPS

from advcore.pipelines.cli import main
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import shipped_files
from advcore.pipelines.sweep import report
from advcore.pipelines.sweep.plan import check_trial_settings, plan_of
from advcore.pipelines.sweep.settings import Sweep
from advcore.workers.checkpoints import read_tensors

CIFAR = ["--set", "data.name=torchvision:CIFAR10", "--set", "data.folder=cifar"]


@pytest.fixture
def cifar(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `cifar/`: ten pictures in each of the five training batches, ten to
    test; their hashes are expected.
    """
    folder = place / "cifar/cifar-10-batches-py"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    hashes = {}
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name in names:
        pixels = random.integers(0, 256, (10, 3 * 32 * 32), dtype=np.uint8)
        hashes[name] = _put(
            folder / name, {"data": pixels, "labels": list(range(10)), "batch_label": name}
        )
    kind = torchvision.datasets.CIFAR10
    meta = {"md5": _put(folder / "batches.meta", {"label_names": list("abcdefghij")})}
    monkeypatch.setattr(kind, "train_list", [[name, hashes[name]] for name in names[:-1]])
    monkeypatch.setattr(kind, "test_list", [[names[-1], hashes[names[-1]]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, **meta})
    return place


def _put(path: Path, content: object) -> str:
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", shipped_files("sweeps"))
def test_shipped_sweeps_learn_and_measure_it(name: str, cifar: Path) -> None:
    settings = schema.load_yaml(shipped_files("sweeps")[name])
    settings["data"] |= {"name": "torchvision:CIFAR10", "folder": "cifar", "samples": 10}
    sweep = schema.structure(Sweep, settings)
    plan = plan_of(sweep)
    check_trial_settings(plan, sweep.points())
    learnt, test = plan.training.data, plan.training.test
    assert test is not None
    assert {(spec.name, spec.folder, spec.samples) for spec in (learnt, test)} == {
        ("torchvision:CIFAR10", "cifar", None)
    }
    assert (learnt.split, test.split) == ("train", "test")
    assert plan.training.model.arguments == {"channels": 3, "side": 32}


def test_a_shipped_sweep_runs_on_it(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "charts", lambda *arguments: [])
    less = {
        "data.samples": 10,
        "recipe.recipe.epochs": 1,
        "probes.margins.family.stride": 24,
        "space": {EPS: {"grid": [0.1]}},
    }
    settings = [
        part for name, value in less.items() for part in ("--set", f"{name}={json.dumps(value)}")
    ]
    assert (
        main(
            [
                "sweep",
                "eps_tradeoff",
                *CIFAR,
                *settings,
                "--runner",
                "inline",
                "--out",
                "out",
                "--no-track",
            ]
        )
        == 0
    )
    assert read_tensors(cifar / "out/eps_tradeoff/best.safetensors")["0.weight"].shape == (
        6,
        3,
        5,
        5,
    )


def test_a_recipe_says_what_its_network_needs(
    cifar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "plain",
        *CIFAR,
        "--set",
        "test=null",
        "--set",
        "recipe.epochs=1",
        "--out",
        "out",
        "--no-track",
    ]
    assert main(command) == 2
    assert (
        'to have 1 channels, but got 3 channels instead; take arguments: {"channels": 3, '
        '"side": 32}'
    ) in capsys.readouterr().err
    assert main([*command, "--set", 'model.arguments={"channels": 3, "side": 32}']) == 0
