"""The reference is made from the dataclasses, and the pages in docs/ are those that it makes."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from advcore.attacks import PGD
from advcore.pipelines.cli import main
from advcore.pipelines.reference import all_names, as_text, entries, find_entries, pages

DOCS = Path(__file__).parents[2] / "docs/reference"


def test_the_pages_are_those_of_the_code() -> None:
    made = pages()
    assert {path.name for path in DOCS.glob("*.md")} == made.keys()
    for name, text in made.items():
        assert (DOCS / name).read_text() == text, f"{name} is old: run `make reference`"


@pytest.mark.parametrize("name", all_names())
def test_every_setting_says_what_it_is(name: str) -> None:
    for value in find_entries(name).values():
        assert [own.name for own in entries(value) if not own.meaning] == []


def test_an_entry_has_the_types_and_defaults_of_its_fields() -> None:
    own = {entry.name: entry for entry in entries(PGD)}
    assert (own["steps"].type, own["steps"].default) == ("int", "40")
    assert own["eps"].default == "none"
    assert "pixel units" in own["eps"].meaning
    assert "steps: int, default 40" in as_text("pgd", "attacks", PGD)


def test_fields_that_share_a_line_share_its_text() -> None:
    @dataclass
    class Pair:
        """Two of them.

        Attributes:
            low, high: the ends, which
                go on here.
            other: another.
        """

        low: float
        high: float = 1.0
        other: str = ""

    assert [(own.name, own.default, own.meaning) for own in entries(Pair)] == [
        ("low", "required", "the ends, which go on here."),
        ("high", "1.0", "the ends, which go on here."),
        ("other", "''", "another."),
    ]


@pytest.mark.parametrize("name", ["pgd", "margins", "mnist5k", "run", "demo", "lenet"])
def test_one_name_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", name]) == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("name", ["data-sets", "data sets", "data_sets"])
def test_a_section_is_listed_alone(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "data sets:"
    assert all(line.startswith("  ") for line in lines[1:])


def test_a_data_set_is_found_without_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "imagefolder"]) == 0
    assert "imagefolder:PATH: a folder of pictures" in capsys.readouterr().out


def test_what_nothing_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "pdg"]) == 2
    told = "advcore: unknown name 'pdg'; did you mean 'pgd'? (advcore list shows all)\n"
    assert capsys.readouterr().err == told
    assert "pgd" in all_names()


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("advcore 0.")
