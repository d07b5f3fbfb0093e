"""The first words of docstrings, of settings' texts and of the pages' headings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from advcore.pipelines.reference import all_names, entries, find_entries

ROOT = Path(__file__).parents[1]
INVERTED = {
    *("In", "Of", "By", "That", "So", "Those", "As", "At", "To", "From", "For", "With", "On"),
    *("If", "Once", "Whether", "What", "Who", "Whose", "Which", "Where", "When", "Why", "How"),
    *("Only", "Over", "All", "None", "Any", "Linearised"),
}
"""Words that begin neither with a subject nor with a verb in the imperative."""
TURNED = {"Of", "By", "That", "So", "Those", "As", "Whether", "Whose"}
"""Words that begin no heading; questions such as "What it measures" and "On Ray" may."""
CUT = re.compile(r"\b(eqs?|Figs?|al|cf|vs|e\.g|i\.e)\.$|[^.]\.\.$")
"""How a summary ends that was taken for a sentence at an abbreviation."""
SOURCES = sorted(
    path for room in ("advcore", "workers", "pipelines") for path in (ROOT / room).rglob("*.py")
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def first_word(text: str) -> str:
    return text.split(maxsplit=1)[0].strip("`.,:;") if text.strip() else ""


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring, and of each text below a constant."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            match statement:
                case ast.Expr(ast.Constant(str() as text)):
                    yield statement.lineno, text


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_begin_with_a_subject_or_a_verb(path: Path) -> None:
    texts = list(documented(ast.parse(path.read_text(encoding="utf-8"))))
    assert [(line, text) for line, text in texts if first_word(text).capitalize() in INVERTED] == []
    assert [(line, text) for line, text in texts if CUT.search(text.split("\n\n")[0])] == []


@pytest.mark.parametrize("name", all_names())
def test_settings_begin_with_a_noun_or_a_verb(name: str) -> None:
    texts = [own.meaning for value in find_entries(name).values() for own in entries(value)]
    assert [text for text in texts if first_word(text).capitalize() in INVERTED] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_headings_have_the_usual_order_of_words(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    headings = [line.lstrip("# ") for line in lines if line.startswith("#")]
    assert [text for text in headings if first_word(text) in TURNED] == []
