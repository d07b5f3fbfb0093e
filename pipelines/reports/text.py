"""The text of report.md: how to reproduce it, the claims, a section for each probe."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from advcore.pipelines.claims import Claim, Measured
from advcore.pipelines.reports import tables
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.sentences import first_sentence_in
from advcore.probes import Curve, Probe, Summary

VERDICTS = (
    "Verdict: *yes* where the whole interval lies within what is expected, *no* where it "
    "lies wholly outside, *undecided* "
    "otherwise, *-* where nothing is expected. Claims that a bound holds are judged by the samples "
    "that were measured alone, since one violation refutes it: their interval is for other "
    "samples. Intervals are over what was resampled."
)

Summaries = Mapping[str, Summary]
"""Summaries by model."""


def document(
    name: str,
    head: str,
    claims: Mapping[str, Claim],
    measured: Mapping[str, Measured | str],
    sections: Sequence[str],
    missing: Sequence[str],
    about: str = "",
) -> str:
    """Return the whole text; `missing` says what the numbers lack, one line each.

    `about` is a sentence below the name.
    """
    parts = [
        f"# {name}",
        *([in_markdown(about)] if about else []),
        *(f"**Not complete**: {in_markdown(line)}" for line in missing),
        "## How to reproduce",
        head,
    ]
    if claims:
        parts += [
            "## Claims",
            tables.claims_table(claims, measured, in_markdown),
            VERDICTS,
        ]
    return "\n\n".join([*parts, *sections]) + "\n"


def section(
    name: str,
    probe: Probe,
    settings: str,
    summaries: Summaries,
    figures: Sequence[Path],
    curves_file: str,
    told: set[tuple[str, str]],
) -> str:
    """Return the section of one probe: what it measures, warnings, numbers, figures, curves.

    Warnings in `told` are mentioned by name only.
    """
    names = list(
        dict.fromkeys(
            own for summary in summaries.values() for own in (*summary.scalars, *summary.curves)
        )
    )
    parts = [
        f"## {name}",
        " ".join(
            filter(
                None,
                [in_markdown(first_sentence(probe)), f"Settings: `{settings.replace('`', ' ')}`."],
            )
        ),
        tables.warnings(summaries, in_markdown, told),
        tables.scalars(summaries, in_markdown),
        explanations(names, summaries),
        *(f"![{name}, {figure.stem}](figures/{name}/{figure.name})" for figure in figures),
        whole_curves(summaries),
        f"The curves as [CSV]({curves_file})."
        if any(summary.curves for summary in summaries.values())
        else "",
    ]
    return "\n\n".join(part for part in parts if part)


def first_sentence(settings: object) -> str:
    """Return the first sentence of the docstring of the settings' class, or its first paragraph."""
    words = first_sentence_in((type(settings).__doc__ or "").replace("`", "'"))
    if words.startswith(f"{type(settings).__name__}("):  # a dataclass without a docstring
        return ""
    return f"{words}." if words else ""


def explanations(names: Sequence[str], summaries: Summaries) -> str:
    """Return one line for each explanation of numbers, with their names.

    Models are named where it is not for all of them.
    """
    by_sentence: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in names:
        said: dict[str, list[str]] = {}
        for model, summary in summaries.items():
            said.setdefault(summary.meaning(name), []).append(model)
        for sentence, models in said.items():
            if sentence:
                by_sentence.setdefault(
                    (sentence, tuple(models) if len(said) > 1 else ()), []
                ).append(in_markdown(name))
    return "\n".join(
        f"- {', '.join(own)}{_of(models)}: {in_markdown(sentence)}."
        for (sentence, models), own in by_sentence.items()
    )


def _of(models: Sequence[str]) -> str:
    return f" ({', '.join(models)})" if models else ""


def whole_curves(summaries: Summaries) -> str:
    """Return every curve at all of its points.

    There is one table for curves over the same x, and one for each that fills a plane.
    """
    groups: dict[tuple[float, ...], dict[str, Curve]] = {}
    planes = []
    for model, summary in summaries.items():
        for name, curve in summary.curves.items():
            label = in_markdown(f"{model}: {name}")
            if curve.columns:
                planes.append(plane_table(label, curve))
            else:
                groups.setdefault(tuple(curve.x), {})[label] = curve
    return "\n\n".join([*(_table(x, curves) for x, curves in groups.items()), *planes])


def plane_table(label: str, curve: Curve) -> str:
    """Return the table of a curve whose values fill a plane row by row."""
    rows = [
        curve.y[start : start + curve.columns] for start in range(0, len(curve.y), curve.columns)
    ]
    lines = [[str(place), *map(tables.format_number, row)] for place, row in enumerate(rows)]
    return tables.markdown([f"{label}: row, column", *map(str, range(curve.columns))], lines)


def _table(x: Sequence[float], curves: Mapping[str, Curve]) -> str:
    """Return a table with a row for each curve, or a column where there are many points."""
    if len(x) <= tables.POINTS:
        rows = [[label, *map(tables.format_number, curve.y)] for label, curve in curves.items()]
        return tables.markdown(["at", *map(tables.format_number, x)], rows)
    rows = [
        [
            tables.format_number(x[i]),
            *(tables.format_number(curve.y[i]) for curve in curves.values()),
        ]
        for i in range(len(x))
    ]
    return tables.markdown(["at", *curves], rows)


def curves_rows(summaries: Summaries) -> list[list[object]]:
    """Return all curves of a probe as rows under a head: model, curve, x, y."""
    return [
        ["model", "curve", "x", "y"],
        *(
            [model, name, x, y]
            for model, summary in summaries.items()
            for name, curve in summary.curves.items()
            for x, y in zip(curve.x, curve.y, strict=True)
        ),
    ]
