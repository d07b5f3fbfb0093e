"""The README tells the truth.

Its example runs, its tree is the repository's; `python tests/test_readme.py` writes the tree anew.
"""

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("advcore", "workers", "pipelines", "benchmarks")
README = (ROOT / "README.md").read_text()


def sentence(path: Path) -> str:
    """The first line of a file's docstring, or of a YAML file's comment."""
    text = path.read_text()
    line = (
        (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
        if path.suffix == ".py"
        else text.split("\n")[0].lstrip("# ")
    )
    return (
        re.sub(r" \([^)]*(?:\d{4}|article|Van Loan)[^)]*\)", "", line).split(". ")[0].rstrip(".,")
    )


def tree() -> str:
    """One line a file: its name, and what it is in its own words."""
    lines = []
    for top in FOLDERS:
        folders = [
            top,
            *sorted(
                str(path.relative_to(ROOT))
                for path in (ROOT / top).rglob("*")
                if path.is_dir() and path.name != "__pycache__"
            ),
        ]
        for name in folders:
            files = sorted(
                path
                for path in (ROOT / name).iterdir()
                if path.suffix in (".py", ".yaml") and path.name != "__init__.py"
            )
            if files:
                lines += ["", f"{name}/", *(f"  {path.name:24}{sentence(path)}" for path in files)]
    return "\n".join(
        [
            *lines[1:],
            "",
            "tests/",
            (
                "  the same tree; oracles.py holds classifiers whose margins and curvatures "
                "are known in closed form"
            ),
        ]
    )


def block(language: str, position: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[position]


def test_the_example_prints_what_the_readme_says() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block("python"), {})
    assert printed.getvalue() in README


def test_the_tree_is_the_repositorys() -> None:
    assert tree() in README, "run `python tests/test_readme.py`"


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_two_commands_are_in_the_makefile(command: str) -> None:
    assert f"make {command}" in README
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_study_of_the_readme_is_valid() -> None:
    from advcore.pipelines.settings import schema
    from advcore.pipelines.study.settings import Study

    study = schema.structure(Study, yaml.safe_load(block("yaml")))
    assert set(study.probes) == {"robustness", "margins", "curvature", "examples"}


def test_the_sweep_of_the_readme_is_valid() -> None:
    from advcore.pipelines.settings import schema
    from advcore.pipelines.sweep.settings import Sweep

    sweep = schema.structure(Sweep, yaml.safe_load(block("yaml", 1)))
    assert len(sweep.points()) == 12


def test_the_recipe_of_the_readme_is_valid() -> None:
    from advcore.pipelines.settings import schema
    from advcore.pipelines.training.driver import Training

    training = schema.structure(Training, yaml.safe_load(block("yaml", 2)))
    assert training.validation is not None


if __name__ == "__main__":
    start, end = "## The tree\n", "\n## Units"
    before, rest = README.split(start)
    _, after = rest.split(end)
    (ROOT / "README.md").write_text(f"{before}{start}```\n{tree()}\n```\n{end}{after}")
