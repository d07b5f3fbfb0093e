"""Each example runs as a user would run it, and prints numbers."""

import importlib
import json
import os
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import oracles
import pytest
import torch

from advcore import Untargeted
from advcore.attacks import Status
from advcore.classifier import predict
from advcore.pipelines import Study, run

EXAMPLES = Path(__file__).parents[1] / "examples"

PRINTED = {
    "own_model.py": ("robust accuracy at l2 0.05: ", "median margin in DCT block 3: "),
    "own_attack.py": ("BestOfNoise: ", "PGD: 16 of 16 found"),
    "own_probe.py": ("cool {'median_sure': ", "bright", "figures/cool/sureness.png"),
    "study_from_python.py": ("rises: ", "expected >= 0.9: "),
}


def test_all_are_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == PRINTED.keys()


OF_ITS_OWN = "own_attack.py"
"""The example that a new process runs: each takes seconds to import the packages."""


@pytest.mark.parametrize("name", sorted(PRINTED.keys() - {OF_ITS_OWN}))
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    told = capsys.readouterr().out
    for words in PRINTED[name]:
        assert words in told, told


def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / OF_ITS_OWN)],
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for words in PRINTED[OF_ITS_OWN]:
        assert words in done.stdout, done.stdout


def test_the_notebooks_cells_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = json.loads((EXAMPLES / "look_inside.ipynb").read_text())
    held: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), held)
    assert held["found"].found.all()
    assert held["medians"].shape == (6,)
    assert held["looked"].table("margins")["sample"].nunique() == 8
    assert (tmp_path / "results/look/figures/margins/margins.png").is_file()
    assert 0 <= held["images"].min() <= held["images"].max() <= 1


def test_the_study_that_the_attack_of_ones_own_prints_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    printed = importlib.import_module("own_attack").__doc__
    probes = printed[printed.index("    probes:") : printed.index("Run this file")]
    text = (
        "name: own\nmodels: {lenet: {architecture: lenet}}\n"
        "data: {name: mnist5k, samples: 8}\nrun: {track: false}\n" + textwrap.dedent(probes)
    )
    (tmp_path / "study.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    result = run(Study.read("study.yaml"))
    attack = result.study.probes["robustness"].attacks[0]
    assert (attack.norm, attack.eps) == ("l2", None)
    table = result.table("robustness")
    assert set(table["broken_at"]) <= {0, 0.5, 1, float("inf")}
    assert len(table) == 8


def test_the_attack_of_ones_own_says_how_far_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    attack = importlib.import_module("own_attack").BestOfNoise(eps=0.4, draws=50)
    network, images = oracles.relu(), oracles.images(40)
    labels = predict(network, images)
    result = attack(network, images, Untargeted(labels))
    assert 0 < result.found.sum() < 40
    assert torch.equal(predict(network, result.images) != labels, result.found)
    sizes = (result.images - images).flatten(1).norm(dim=1)
    assert torch.equal(result.distance, sizes.masked_fill(~result.found, torch.inf))
    codes = torch.where(result.found, int(Status.BROKEN), int(Status.ROBUST))
    assert result.status.tolist() == codes.tolist()
