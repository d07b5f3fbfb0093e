"""Summaries as text: pure functions from numbers to Markdown tables."""

import math
from collections.abc import Mapping, Sequence

from advcore.probes import Curve, Summary
from pipelines.claims import Claim, Measured, expected

POINTS = 9
"""A curve is shown at so many of its points at most."""


def number(value: float) -> str:
    """Four significant digits; `-` for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:.4g}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in a terminal; the first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "|" + "|".join(("-" * (width + 2)) if i == 0 else ("-" * (width + 1) + ":") for i, width in enumerate(widths)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def scalars(summaries: Mapping[str, Summary]) -> str:
    """One row a scalar, one column a model."""
    names = list(dict.fromkeys(name for summary in summaries.values() for name in summary.scalars))
    rows = [[name, *(number(summary.scalars.get(name, math.nan)) for summary in summaries.values())] for name in names]
    return markdown(["", *summaries], rows)


def curves(summaries: Mapping[str, Summary]) -> str:
    """Every curve of every model, at some of its points; curves over the same x share a table."""
    groups: dict[tuple[float, ...], list[tuple[str, Curve]]] = {}
    for model, summary in summaries.items():
        for name, curve in summary.curves.items():
            groups.setdefault(tuple(curve.x), []).append((f"{model}: {name}", curve))
    parts = []
    for x, members in groups.items():
        chosen = _spread(len(x))
        rows = [[name, *(number(curve.y[i]) for i in chosen)] for name, curve in members]
        parts.append(markdown(["at", *(number(x[i]) for i in chosen)], rows))
    return "\n\n".join(parts)


def warnings(summaries: Mapping[str, Summary]) -> str:
    """One line a warning of each model."""
    return "\n".join(
        f"- **warning**, {model}, {name}: {sentence}"
        for model, summary in summaries.items()
        for name, sentence in summary.warnings.items()
    )


def claimed(claims: Mapping[str, Claim], measured: Mapping[str, Measured | str]) -> str:
    """One row a claim: what is said, the number expected, the number measured with its interval, the verdict, what was resampled;
    and below one line a warning."""
    rows, warned = [], []
    for name, claim in claims.items():
        result = measured[name]
        if isinstance(result, str):
            rows.append([claim.says, expected(claim), result, "-", "-", "-"])
        else:
            interval = f"{number(result.low)} to {number(result.high)}"
            rows.append([claim.says, expected(claim), number(result.value), interval, result.verdict or "-", result.unit or "-"])
            warned += [f"- **warning**, claim {name}, {warning}" for warning in result.warnings]
    table = markdown(["claim", "expected", "measured", "95 % interval", "as expected", "resampled"], rows)
    return "\n\n".join([table, *(["\n".join(warned)] if warned else [])])


def report(
    name: str,
    summaries: Mapping[str, Mapping[str, Summary]],
    claims: Mapping[str, Claim] | None = None,
    measured: Mapping[str, Measured | str] | None = None,
) -> str:
    """The whole study as Markdown: what was claimed, then a section per probe; `summaries[probe][model]`."""
    parts = [f"# {name}"]
    if claims and measured:
        parts += ["## The article's claims, and what was measured", claimed(claims, measured)]
    for probe, by_model in summaries.items():
        parts.append(f"## {probe}")
        parts += [part for part in (warnings(by_model), scalars(by_model), curves(by_model)) if part]
    return "\n\n".join(parts) + "\n"


def _spread(length: int) -> list[int]:
    """At most POINTS positions, evenly spread, both ends among them."""
    if length <= POINTS:
        return list(range(length))
    return [round(i * (length - 1) / (POINTS - 1)) for i in range(POINTS)]
