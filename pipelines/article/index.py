"""The page of the whole article: what it says in its order, and what was measured here."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcore.pipelines.article.contents import Contents, Entry
from advcore.pipelines.article.differing import other_settings
from advcore.pipelines.graph.reporting.report import PAGE, RESULTS
from advcore.pipelines.reports.machine_readable import SCHEMA
from advcore.pipelines.reports.page import ClaimRow, Picture, as_address, claim_row, render
from advcore.workers.files import atomic_write

VERDICTS = ("yes", "no", "undecided")
"""The verdicts that are counted, of claims that expect something."""


@dataclass(frozen=True)
class Brief:
    """The results of a study in brief.

    Attributes:
        study: name of the study.
        page: address of its page, relative to the index; empty where there is none.
        claims: rows of all its claims.
        picture: its first figure; None where none can be shown.
        missing: what its numbers lack, one line each.
        small: says that it is a small version.
        other: settings that are not those of the study as it ships, in one line; empty for none.
    """

    study: str
    page: str = ""
    claims: Sequence[ClaimRow] = ()
    picture: Picture | None = None
    missing: Sequence[str] = ()
    small: bool = False
    other: str = ""


@dataclass(frozen=True)
class Part:
    """A study's part of an entry: its brief, the claims that the entry is about.

    `first` says that the page shows the study here for the first time, so with its figure.
    """

    brief: Brief
    claims: Sequence[ClaimRow]
    first: bool


@dataclass(frozen=True)
class IndexEntry:
    """An entry of the article with the parts of its studies."""

    entry: Entry
    parts: Sequence[Part]

    @property
    def waiting(self) -> Sequence[str]:
        """The studies that have no results yet."""
        return [part.brief.study for part in self.parts if not part.brief.page]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """The number of claims with each verdict, of those that expect something."""
        return counted_verdicts(row for part in self.parts for row in part.claims)


@dataclass(frozen=True)
class Index:
    """The contents of the page.

    Attributes:
        title: its title.
        command: the command that makes it.
        sections: title and entries of each section.
        lacking: what is not complete or not run, and why, by study.
    """

    title: str
    command: str
    sections: Sequence[tuple[str, Sequence[IndexEntry]]]
    lacking: Mapping[str, str]

    @property
    def small(self) -> bool:
        """True where results of small versions are shown."""
        return any(brief.small for brief in self.briefs)

    @property
    def briefs(self) -> Sequence[Brief]:
        """The studies that were measured, each once."""
        parts = [part for _, entries in self.sections for own in entries for part in own.parts]
        return [part.brief for part in parts if part.first and part.brief.page]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """The number of claims with each verdict, each once."""
        return counted_verdicts(row for brief in self.briefs for row in brief.claims)


def counted_verdicts(claims: Iterable[ClaimRow]) -> dict[str, int]:
    """Return the number of claims with each verdict."""
    counts = Counter(row.verdict for row in claims)
    return {name: counts[name] for name in VERDICTS if counts[name]}


def index_of(
    contents: Contents,
    folders: Mapping[str, str],
    out: Path,
    lacking: Mapping[str, str],
    title: str,
    command: str,
) -> Index:
    """Return the contents of the page; `folders` are the names of results in `out`, by study."""
    briefs = {
        study: brief_of(study, out, folder, contents.figures.get(study, ""))
        for study, folder in folders.items()
    }
    shown: set[str] = set()

    def parts(entry: Entry) -> Iterator[Part]:
        for study, names in entry.studies.items():
            brief = briefs.get(study, Brief(study))
            claims = [row for row in brief.claims if not names or row.name.split(" ")[0] in names]
            yield Part(brief, claims, study not in shown)
            shown.add(study)

    return Index(
        title,
        command,
        [
            (section.title, [IndexEntry(own, tuple(parts(own))) for own in section.entries])
            for section in contents.sections
        ],
        lacking,
    )


def brief_of(study: str, out: Path, folder: str, figure: str = "") -> Brief:
    """Return the results of a study in brief; an empty one where there are none to read.

    `figure` is the file of the figure that shows it, below `figures`, if one is chosen.
    """
    try:
        results = json.loads((out / folder / RESULTS).read_text(encoding="utf-8"))
        if results.get("schema", SCHEMA) != SCHEMA:
            return Brief(study)
        claims = [claim_row(name, own) for name, own in results["claims"].items()]
        picture = _picture(results, out / folder, f"figures/{figure}")
        small = "small_of" in results
        other = other_settings(study, out / folder)
        return Brief(study, f"../{folder}/{PAGE}", claims, picture, _missing(results), small, other)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
    ):  # none, or of another version
        return Brief(study)


def _missing(results: Mapping[str, Any]) -> Sequence[str]:
    """Return what the numbers lack, one line each. Raises TypeError where these are no texts."""
    missing = results["missing"]
    if not isinstance(missing, list) or not all(isinstance(line, str) for line in missing):
        raise TypeError(f"expected lines of text as missing, got {missing!r}; run the study again")
    if not missing and not results.get("complete", True):
        return ["its results say so, and not what they lack"]
    return missing


def _picture(results: Mapping[str, Any], folder: Path, chosen: str) -> Picture | None:
    """Return the figure that is chosen, else the first of the study's own, else the first."""
    figures: Mapping[str, str] = results.get("figures", {})
    own = [file for file in figures if Path(file).parent.name == "study"]
    for file in (chosen, *own, *figures):
        if file in figures and (source := as_address(folder / file)):
            return Picture(file, str(figures[file]), source)
    return None


def write_index(index: Index, folder: Path) -> Path:
    """Write the page as `index.html` into a folder, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "index.html"
    with atomic_write(file) as unfinished:
        unfinished.write_text(render("article.html.j2", index=index), encoding="utf-8")
    return file
