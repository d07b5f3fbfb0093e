"""The article as data: all that it has is there, once, and names what ships."""

import re
from pathlib import Path

import pytest

from advcore.pipelines.article.contents import Entry, read_contents
from advcore.pipelines.settings.documents import load_yaml
from advcore.pipelines.settings.shipped import find, shipped_files
from advcore.workers.errors import InputError

CONTENTS = read_contents()

ENTRIES: tuple[Entry, ...] = tuple(
    entry for section in CONTENTS.sections for entry in section.entries
)

SECTIONS = [
    *(f"II-{letter}" for letter in "ABCDE"),
    *(f"III-{letter}.{number}" for letter in "AB" for number in (1, 2, 3)),
    *(f"IV-{letter}" for letter in "ABCD"),
    "V",
]


def names_that_match(pattern: str) -> list[str]:
    return [entry.name for entry in ENTRIES if re.fullmatch(pattern, entry.name)]


def test_everything_of_the_article_is_there_in_its_order() -> None:
    assert names_that_match(r"eq\d+") == [f"eq{number}" for number in range(1, 24)]
    assert names_that_match(r"fig\d+") == [f"fig{number}" for number in (1, *range(3, 15))]
    assert names_that_match(r"footnote\d+") == ["footnote2", "footnote10", "footnote11"]
    assert names_that_match(r"[IV]+(-.*)?") == SECTIONS


def test_each_study_that_ships_measures_something_of_it() -> None:
    assert {study for entry in ENTRIES for study in entry.studies} == set(shipped_files("studies"))


def test_claims_that_are_named_are_claims_of_their_study() -> None:
    named: dict[str, set[str]] = {}
    for entry in ENTRIES:
        for study, claims in entry.studies.items():
            named.setdefault(study, set()).update(claims)
    for study, names in named.items():
        known = load_yaml(find(study, "studies"))["claims"] if names else {}
        assert names <= set(known), study


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: a, title: A, says: It is so.}", "expected a to have studies or a reason"),
        ("{name: a, title: A, says: ' ', why_not: b}", "expected name, title and says"),
        ("{name: a, title: A, says: b, studies: {fig88: []}}", "got 'fig88'; did you mean 'fig8'"),
        ("{name: a, title: A, says: b, studies: {fig8: rises}}", "expected a list, got the text"),
        ("{name: a, title: A, says: b, wynot: c}", "wynot"),
        ("{name: a, title: A, says: b, why_not: c}, {name: a, title: B, says: b, why_not: c}",
         "got a more often"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    path = tmp_path / "contents.yaml"
    path.write_text(f"sections:\n- title: One\n  entries: [{entry}]\n")
    with pytest.raises(InputError, match=re.escape(message)):
        read_contents(str(path))
