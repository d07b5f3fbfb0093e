"""The reference is made from the dataclasses, and the pages in docs/ are those that it makes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor

from advcore.attacks import PGD
from advcore.pipelines.claims import Level
from advcore.pipelines.cli import main
from advcore.pipelines.reference import all_names, as_text, entries, find_entries, pages
from advcore.pipelines.yaml_types import describe_type

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
    assert (own["steps"].type, own["steps"].default) == ("integer", "40")
    assert own["eps"].default == "null"
    assert "pixel units" in own["eps"].meaning
    assert "steps: integer, default 40" in as_text("pgd", "attacks", PGD)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Literal["fast", "tight"] | None, "one of `fast`, `tight`; or null"),
        (float | Tensor | None, "number or null"),
        (int | Literal["auto"], "integer or `auto`"),
        (tuple[str, str] | None, "list of 2 texts or null"),
        (tuple[tuple[float, float], ...], "list of lists of 2 numbers"),
        (dict[str, float], "mapping of names to numbers"),
        (tuple[bool | int | float | str | None, ...], "list of plain values"),
        (PGD, "PGD"),
    ],
)
def test_a_type_is_in_the_words_of_yaml(given: Any, words: str) -> None:
    assert describe_type(given, lambda own: own.__name__) == words


def test_each_type_of_a_field_is_described_in_the_reference() -> None:
    files = {entry.name: entry for entry in entries(Level)}
    assert files["of"].type == "[numbers](files.md#numbers)"
    assert "## numbers" in pages()["files.md"]
    assert "of: numbers, required" in as_text("level", "claims", Level)


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


def test_a_model_of_torchvision_is_named_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "resnet18"]) == 0
    assert capsys.readouterr().out.startswith("resnet18 is torchvision's: `architecture: resnet18`")


def test_what_nothing_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "pdg"]) == 2
    told = "advcore: unknown name 'pdg'; did you mean 'pgd'? (advcore list shows all)\n"
    assert capsys.readouterr().err == told
    assert "pgd" in all_names()


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("advcore 0.")


def test_the_help_names_the_version_and_no_default_of_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in ("run", "train", "sweep", "ui", "doctor", "list"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        told = capsys.readouterr().out
        assert "(default: None)" not in told
        assert "--no-verbose" not in told
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "advcore --version" in capsys.readouterr().out


def test_an_unknown_flag_points_to_the_help_of_its_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "x.yaml", "--fooo"])
    assert "advcore run --help" in capsys.readouterr().err


def test_the_older_flags_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "pgd", "--no-verbose"]) == 0
