"""The contents of a page, read from a study's folder of results."""

import base64
import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcore.pipelines.reports.page.intervals import IntervalDrawing, draw_interval
from advcore.pipelines.reports.page.lineage import LineageDrawing, draw_lineage
from advcore.pipelines.reports.tables import WIDEST, format_number

ROWS = 300
"""The most rows of a table that a page shows; the files hold all."""

FOLDERS = {"study": "Figures", "data_sets": "Data sets that were made", "fits": "Fits"}
"""Headings of the sections that are named after no probe."""


@dataclass(frozen=True)
class Picture:
    """A figure: its file's name, its words, and its content as a `data:` address."""

    file: str
    alt: str
    source: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and the number that it is sorted by, if it is one.

    `words` are sentences, which take more lines.
    """

    text: str
    number: float | None = None
    words: bool = False


@dataclass(frozen=True)
class Table:
    """A table that can be sorted: its words, its head, its rows, and how many are left out."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left_out: int = 0

    @property
    def numbers(self) -> list[bool]:
        """True for each column that holds numbers."""
        return [any(own[i].number is not None for own in self.rows) for i in range(len(self.head))]


@dataclass(frozen=True)
class ClaimRow:
    """A claim: what it says, what is expected, what was measured, the verdict.

    `drawing` and `result` are None where it was not measured, for which `failed` gives the reason.
    """

    name: str
    says: str
    expected: str
    result: Mapping[str, str] | None
    drawing: IntervalDrawing | None
    failed: str = ""

    @property
    def verdict(self) -> str:
        """The verdict: yes, no, undecided, or `-`."""
        return self.result["verdict"] if self.result else "-"


@dataclass(frozen=True)
class Section:
    """Figures, tables and meanings of one probe or table, fits, or data sets that were made."""

    name: str
    title: str
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    meanings: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Page:
    """The whole contents of a page.

    Attributes:
        name: name of the study.
        small_of: the study whose small version it is, and what differs; None for a whole one.
        missing: what the numbers lack, one line each.
        claims: the claims.
        warnings: name, place and sentence of each warning.
        sections: figures and tables, in the order of the report.
        lineage: the graph drawn; None for results of before there was one.
        facts: seeds, samples, versions and the like, by name.
        study: the study file with every default filled in.
    """

    name: str
    small_of: Mapping[str, Any] | None
    missing: Sequence[str]
    claims: Sequence[ClaimRow]
    warnings: Sequence[tuple[str, str, str]]
    sections: Sequence[Section]
    lineage: LineageDrawing | None
    facts: Mapping[str, str]
    study: str

    @property
    def verdicts(self) -> Mapping[str, int]:
        """The number of claims with each verdict, of those that expect something."""
        counts = Counter(own.verdict for own in self.claims)
        return {name: counts[name] for name in ("yes", "no", "undecided") if counts[name]}


def page_of(folder: Path, drawings: Mapping[str, str] | None = None) -> Page:
    """Return the page of the results in `folder`.

    `drawings` are figures as SVG by file; of others the file itself is shown.
    """
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    pictures = [
        Picture(file, alt, source)
        for file, alt in results.get("figures", {}).items()
        if (source := as_address(folder / file, (drawings or {}).get(file)))
    ]
    return Page(
        results["study"],
        results.get("small_of"),
        results["missing"],
        [claim_row(name, own) for name, own in results["claims"].items()],
        [
            (name, place, sentence)
            for name, places in results["warnings"].items()
            for place, sentence in places.items()
        ],
        _sections(folder, results, pictures),
        draw_lineage(results["lineage"]) if "lineage" in results else None,
        _facts(results),
        (folder / "study.yaml").read_text(encoding="utf-8"),
    )


def as_address(file: Path, svg: str | None = None) -> str:
    """Return a figure as a `data:` address; empty where there is none that a page can show."""
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    if svg is not None:
        content, kind = svg.encode(), kinds[".svg"]
    elif file.suffix in kinds and file.is_file():
        content, kind = file.read_bytes(), kinds[file.suffix]
    else:
        return ""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def claim_row(name: str, own: Mapping[str, Any]) -> ClaimRow:
    """Return the row of a claim of results.json.

    Raises KeyError, TypeError or ValueError for what is none.
    """
    says, expected = _text(own["says"]), _text(own["expected"])
    if "not_measured" in own:
        return ClaimRow(name, says, expected, None, None, _text(own["not_measured"]))
    numbers = {part: format_number(float(own[part])) for part in ("value", "low", "high")}
    words = {part: _text(own[part] or "-") for part in ("verdict", "resampled")}
    return ClaimRow(name, says, expected, {**numbers, **words}, draw_interval(dict(own)))


def _text(value: Any) -> str:
    """Return a text of results.json. Raises TypeError for what is none."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r}; run the study again")
    return value


def _sections(
    folder: Path, results: Mapping[str, Any], pictures: Sequence[Picture]
) -> list[Section]:
    """Return the study's own figures, probes, tables, fits, data sets, as far as they are there."""
    drawn: dict[str, list[Picture]] = {}
    for picture in pictures:
        drawn.setdefault(Path(picture.file).parent.name, []).append(picture)
    probes = results["scalars"]
    made = [path.stem for path in sorted((folder / "tables").glob("*.csv"))]
    made = [name for name in made if name != "claims"]
    sections = [Section("study", FOLDERS["study"], drawn.get("study", ()))]
    for probe, by_model in probes.items():
        meanings = results["meanings"].get(probe, {})
        if len(by_model) > WIDEST:
            tables, explained = [_by_model(probe, by_model)], _meanings(meanings)
        else:
            tables, explained = [_by_number(probe, by_model, meanings)], []
        tables = [own for own in tables if len(own.head) > 1 and own.rows]
        sections.append(Section(probe, probe, drawn.get(probe, ()), tables, explained))
    for name in made:
        sections.append(
            Section(name, name, drawn.get(name, ()), [_read_csv(folder / "tables" / f"{name}.csv")])
        )
    fits = {label: own["numbers"] for label, own in results.get("fits", {}).items()}
    for name, by_label in (("data_sets", results.get("data_sets", {})), ("fits", fits)):
        numbers = [_by_model(name, by_label)] if any(by_label.values()) else []
        sections.append(Section(name, FOLDERS[name], drawn.get(name, ()), numbers))
    return [own for own in sections if own.pictures or own.tables]


def _by_number(
    probe: str,
    by_model: Mapping[str, Mapping[str, Any]],
    meanings: Mapping[str, Mapping[str, str]],
) -> Table:
    """Return a table with a row for each number, a column for each model, and its meaning."""
    names = dict.fromkeys(name for own in by_model.values() for name in own)
    rows = [
        [
            Cell(name),
            *(_cell(own.get(name, math.nan)) for own in by_model.values()),
            Cell(_meaning(name, meanings), words=True),
        ]
        for name in names
    ]
    return _table(f"Numbers of {probe}", ["number", *by_model, "meaning"], rows)


def _meaning(name: str, by_model: Mapping[str, Mapping[str, str]]) -> str:
    """Return a number's sentence, with the models where it is not one for all."""
    said: dict[str, list[str]] = {}
    for model, own in by_model.items():
        if name in own:
            said.setdefault(own[name], []).append(model)
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{', '.join(models)}: {sentence}" for sentence, models in said.items())


def _by_model(name: str, by_model: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table with a row for each model and a column for each number."""
    names = list(dict.fromkeys(number for own in by_model.values() for number in own))
    rows = [
        [Cell(model), *(_cell(own.get(number, math.nan)) for number in names)]
        for model, own in by_model.items()
    ]
    return _table(f"Numbers of {name}", ["name", *names], rows)


def _read_csv(file: Path) -> Table:
    with file.open(encoding="utf-8", newline="") as opened:
        head, *rows = csv.reader(opened)
    return _table(file.stem, head, [[_cell(text) for text in row] for row in rows])


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    return Table(caption, head, rows[:ROWS], max(0, len(rows) - ROWS))


def _cell(value: Any) -> Cell:
    """Return the cell of a number or of a text, which may be a number's."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return Cell(str(value))
    if math.isfinite(number):
        return Cell(format_number(number), number)
    return Cell(format_number(number), math.copysign(math.inf, number))


def _meanings(by_model: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """Return sentences with the names that they explain, each once."""
    named: dict[str, list[str]] = {}
    for own in by_model.values():
        for name, sentence in own.items():
            names = named.setdefault(sentence, [])
            if name not in names:
                names.append(name)
    return [(", ".join(names), sentence) for sentence, names in named.items()]


def _facts(results: Mapping[str, Any]) -> dict[str, str]:
    """Return what is needed to judge the numbers and to measure them again."""
    ids, versions = results["ids"], dict(results["versions"])
    samples = ids["samples"]
    return {
        "seed": str(ids["seed"]),
        "samples": _listed(samples) if isinstance(samples, Mapping) else str(samples),
        "networks": str(len(ids["models"])),
        "identity of the study": ids["study"],
        "device": versions.pop("advcore.device", ""),
        "advcore's commit": versions.pop("mlflow.source.git.commit", ""),
        "changes that are not committed": versions.pop("advcore.uncommitted_changes", ""),
        **{name.removeprefix("version."): own for name, own in versions.items()},
    }


def _listed(values: Mapping[str, Any]) -> str:
    """Return names and values, those of a family that are alike in one."""
    families: dict[tuple[str, Any], int] = {}
    for label, value in values.items():
        key = label.split(" ")[0], value
        families[key] = families.get(key, 0) + 1
    return _joined(
        f"{name}{f' ({count} of them)' if count > 1 else ''}: {value}"
        for (name, value), count in families.items()
    )


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
