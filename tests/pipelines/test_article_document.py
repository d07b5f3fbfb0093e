"""The pages of the article in docs/ are those that its data make."""

import re
from pathlib import Path

import pytest

from advcore.pipelines.article.document import article_page, slug, with_table
from advcore.pipelines.article.findings import read_findings
from advcore.workers.errors import InputError

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_are_those_of_the_data() -> None:
    assert (DOCS / "article.md").read_text() == article_page(), "run `make reference`"
    benchmarks = (DOCS / "benchmarks.md").read_text()
    assert benchmarks == with_table(benchmarks), "run `make reference`"


def test_each_finding_has_its_section() -> None:
    headings = re.findall("(?m)^## (.*)", (DOCS / "benchmarks.md").read_text())
    assert {own.section for own in read_findings().values()} - {None} <= set(headings)


def test_each_study_is_told_once() -> None:
    page = article_page()
    for study, own in read_findings().items():
        assert page.count(f"| {own.found} (") == 1, study
    assert all(
        f'<a id="{name}"></a>' in page for name in re.findall(r"see \[\w+\]\(#(.*?)\)", page)
    )


def test_anchors_are_those_of_the_table_of_contents() -> None:
    assert slug("The claims of Fig. 5") == "the-claims-of-fig-5"
    assert slug("Robustness, clean accuracy, and how many pictures they take") == (
        "robustness-clean-accuracy-and-how-many-pictures-they-take"
    )


def test_findings_are_of_all_studies_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "findings.yaml"
    path.write_text("findings:\n  fig88: {data: a, over: b, verdicts: c, found: d}\n")
    with pytest.raises(InputError, match=r"one too many or too few: anisotropy, .*, fig88, "):
        read_findings(str(path))


def test_a_page_without_its_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the lines '<!-- studies"):
        with_table("# What was measured")
