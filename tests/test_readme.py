"""The README and the guides tell the truth: their examples run, their links lead somewhere."""

import contextlib
import io
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml
from torch import nn

from advcore import probes
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.training.settings import Training
from advcore.randomness import Randomness
from advcore.workers.probe_checks import check_columns

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def block(text: str, language: str, position: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[position]


def guide(name: str) -> str:
    return (DOCS / "guides" / name).read_text()


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_example_prints_what_the_readme_says() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block(README, "python"), {})
    assert printed.getvalue() in README


def test_the_site_begins_with_the_readmes_install_and_example() -> None:
    index = (DOCS / "index.md").read_text()
    assert block(index, "python") == block(README, "python")
    assert README.split("## Install\n")[1].split("\n## ")[0].strip() in index


def test_the_guide_of_attacks_runs_from_top_to_bottom() -> None:
    blocks = re.findall(r"```python\n(.*?)```", guide("attacks.md"), re.DOTALL)
    held: dict[str, torch.Tensor] = {}
    exec("\n".join(blocks), held)
    assert held["found"].found.all()  # type: ignore[attr-defined]
    assert held["bounds"].broken_at.shape == (4,)  # type: ignore[attr-defined]


def test_the_guides_examples_of_certificates() -> None:
    held: dict[str, Any] = {}
    exec(block(guide("certificates.md"), "python"), held)
    assert held["found"].radius.shape == (2,)
    assert held["found"].radius.amax() <= held["certify"].largest_radius(0.5, 200)
    exec(block(guide("certificates.md"), "python", 1), held)
    assert held["found"].lower.shape == (2, 10)
    exec(block(guide("certificates.md"), "python", 2), held)
    assert held["found"].status.tolist() == [held["certify"].ExactStatus.EXACT] * 2


def test_the_guides_example_of_an_explanation() -> None:
    held: dict[str, Any] = {}
    exec(block(guide("explanations.md"), "python"), held)
    assert held["found"].maps.shape == (4, 1, 28, 28)


def test_the_guides_example_of_an_own_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=10).state_dict(), "mine.pt")
    held: dict[str, torch.Tensor] = {}
    exec(block(guide("own-model.md"), "python"), held)
    assert held["found"].found.all()  # type: ignore[attr-defined]
    assert held["distances"].shape == (4, 4)


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_two_commands_are_in_the_makefile(command: str) -> None:
    assert f"make {command}" in README
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "probes"),
    [
        (README, {"robustness", "margins"}),
        (guide("own-model.md"), {"robustness", "margins"}),
        (guide("first-study.md"), {"robustness", "margins", "curvature", "examples"}),
    ],
    ids=["readme", "own model", "first study"],
)
def test_the_studies_are_valid(text: str, probes: set[str]) -> None:
    assert set(schema.structure(Study, yaml.safe_load(block(text, "yaml"))).probes) == probes


def test_the_study_of_the_guide_that_trains_has_no_other_models() -> None:
    text = block(guide("first-study.md"), "yaml", 1)
    study = schema.structure(Study, yaml.safe_load(text))
    assert (set(study.train), study.models) == ({"plain", "robust"}, {})


def test_the_shortest_probe_of_contributing_has_rows() -> None:
    text = textwrap.dedent(block((ROOT / "CONTRIBUTING.md").read_text(), "python"))
    held: dict[str, Any] = {**vars(probes), "Mapping": Mapping, "Classifier": nn.Module}
    held |= {"dataclass": dataclass, "torch": torch, "Randomness": Randomness}
    held["__name__"] = __name__
    exec(text, held)
    probe, rows = held["Confidence"](), torch.arange(4)
    batch = probes.Batch(torch.rand(4, 1, 2, 2), rows, rows)
    columns = probe.measure(nn.Flatten(), batch, Randomness(0, rows))
    assert check_columns(columns, probe, batch) == 4
    assert 0.25 <= probe.summarise(probes.Table(columns)).scalars["median_top"] <= 1


def test_the_sweep_of_the_guide_is_valid() -> None:
    sweep = schema.structure(Sweep, yaml.safe_load(block(guide("sweeps.md"), "yaml")))
    assert len(sweep.points()) == 12


def test_the_recipe_of_the_guide_is_valid() -> None:
    training = schema.structure(Training, yaml.safe_load(block(guide("training.md"), "yaml")))
    assert training.validation is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_sites_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    for page in DOCS.rglob("*.md"):
        assert page.relative_to(DOCS).as_posix() in menu, page.name


@pytest.mark.parametrize("folder", ["advcore", "workers", "pipelines"])
def test_the_tree_of_folders_is_the_repositorys(folder: str) -> None:
    concepts = (DOCS / "concepts.md").read_text()
    for path in (ROOT / folder).iterdir():
        if path.is_dir() and path.name != "__pycache__":
            assert f"{path.name}/ " in concepts, path.name
