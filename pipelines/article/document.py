"""The article's contents and what was found, as pages of the documentation.

`python -m advcore.pipelines.article.document docs` writes `article.md`, and the table of studies in
`benchmarks.md`.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from advcore.pipelines.article.contents import Entry, Section, read_contents
from advcore.pipelines.article.findings import Finding, read_findings

BEGIN, END = "<!-- studies: `make reference` writes this table -->", "<!-- end of studies -->"
"""The lines in benchmarks.md between which the table of studies stands."""

HEAD = """# The article, measured here

What Ortiz-Jimenez, Modas, Moosavi-Dezfooli and Frossard say in *Optimism in the Face of Adversity*
(2020), in its order and in words of ours, which study measures it, and what that came out as: yes,
no or undecided, as [claims](claims.md) have it, with 95 % intervals. The studies are small, most of
them LeNets on thousands of pictures, so that "no" and "undecided" speak of these networks and data.
The name of a study leads to its section in [what was measured](benchmarks.md), where
[all studies](benchmarks.md#claims-study-by-study) stand in one table; each is told once, at the row
that is most about it. `advcore run NAME` measures it anew;
[the gallery](gallery.md) has a figure of each."""


def article_page() -> str:
    """Return docs/article.md."""
    sections, findings = read_contents().sections, read_findings()
    owners = telling_entries(sections)
    parts = [HEAD]
    for section in sections:
        lines = [
            f"## {section.title}",
            "",
            "| | the article says | study | what it came out as |",
            "|---|---|---|---|",
            *(line for entry in section.entries for line in _lines(entry, owners, findings)),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def studies_table() -> str:
    """Return the table of all studies, a row each."""
    lines = ["| study | data | over | claims |", "|---|---|---|---|"]
    lines += [
        f"| {study_link(name, own, '')} | {own.data} | {own.over} | {own.verdicts} |"
        for name, own in sorted(read_findings().items(), key=lambda pair: _by_number(pair[0]))
    ]
    return "\n".join(lines)


def with_table(benchmarks: str) -> str:
    """Return the text of benchmarks.md with the table of studies between its two lines."""
    before, _, rest = benchmarks.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"expected the lines {BEGIN!r} and {END!r} in benchmarks.md; add them")
    return f"{before}{BEGIN}\n\n{studies_table()}\n\n{END}{after}"


def write_documents(folder: Path) -> None:
    """Write both into a folder of documentation."""
    (folder / "article.md").write_text(article_page(), encoding="utf-8")
    benchmarks = folder / "benchmarks.md"
    benchmarks.write_text(with_table(benchmarks.read_text(encoding="utf-8")), encoding="utf-8")


def slug(heading: str) -> str:
    """Return the anchor of a heading, as Markdown's table of contents makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def _by_number(name: str) -> tuple[str, int]:
    """Return what puts fig10 behind fig3."""
    word = name.rstrip("0123456789")
    return word, int(name[len(word) :] or 0)


def telling_entries(sections: Sequence[Section]) -> Mapping[str, str]:
    """Return the entry at which each study is told: the first for all claims, else the first."""
    entries = [entry for section in sections for entry in section.entries]
    owners: dict[str, str] = {}
    for whole in (True, False):
        for entry in entries:
            for study, claims in entry.studies.items():
                if not (whole and claims):
                    owners.setdefault(study, entry.name)
    return owners


def _lines(
    entry: Entry, owners: Mapping[str, str], findings: Mapping[str, Finding]
) -> Iterator[str]:
    """Yield the rows of an entry: one a study, and one of what is not measured."""
    first = f'<a id="{entry.name}"></a>{entry.title} | {entry.says}'
    for study in entry.studies:
        own, owner = findings[study], owners[study]
        told = f"see [{study}](#{owner})"
        if owner == entry.name:
            told = f"{own.found} ({own.data}; {own.over})"
        yield f"| {first} | {study_link(study, own, 'benchmarks.md')} | {told} |"
        first = " | "
    if entry.why_not is not None:
        yield f"| {first} | not measured | {entry.why_not} |"


def study_link(study: str, own: Finding, page: str) -> str:
    """Return a study's name with a link to its section."""
    return f"`{study}`" if own.section is None else f"[`{study}`]({page}#{slug(own.section)})"


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))
