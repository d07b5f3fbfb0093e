"""Summaries as text: pure functions from numbers to Markdown tables."""

import math
from collections.abc import Callable, Mapping, Sequence

from advcore.pipelines.claims import Claim, Measured, expected
from advcore.pipelines.reports.escaping import visible
from advcore.probes import Curve, Summary

POINTS = 9
"""A curve is shown on the terminal at so many of its points at most, and at its largest."""

WIDEST = 6
"""Largest number of models that have a column each."""

Text = Callable[[str], str]
"""Function that makes texts of strangers safe for the place where they are shown."""


def format_number(value: float) -> str:
    """Return four significant digits; `-` for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:.4g}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a Markdown table whose columns are aligned in a terminal.

    The first `left` columns are aligned to the left, the others to the right.
    """
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = (
        "|"
        + "|".join(
            ("-" * (width + 2)) if i < left else ("-" * (width + 1) + ":")
            for i, width in enumerate(widths)
        )
        + "|"
    )
    return "\n".join([line(header), rule, *map(line, rows)])


def scalars(summaries: Mapping[str, Summary], text: Text = visible) -> str:
    """Return a table with one row a scalar, one column a model; empty where there is none.

    Where the models are more than `WIDEST`, each has a row.
    """
    names = list(dict.fromkeys(name for summary in summaries.values() for name in summary.scalars))
    rows = [
        [
            text(name),
            *(format_number(summary.scalars.get(name, math.nan)) for summary in summaries.values()),
        ]
        for name in names
    ]
    if len(summaries) > WIDEST:
        turned = [[model, *(row[i] for row in rows)] for i, model in enumerate(summaries, 1)]
        return markdown(["", *(row[0] for row in rows)], turned) if rows else ""
    return markdown(["", *summaries], rows) if rows else ""


def curves(summaries: Mapping[str, Summary]) -> str:
    """Return every curve of every model at some of its points, its largest among them.

    Curves over the same x share a table.
    """
    groups: dict[tuple[float, ...], list[tuple[str, Curve]]] = {}
    for model, summary in summaries.items():
        for name, curve in summary.curves.items():
            groups.setdefault(tuple(curve.x), []).append((visible(f"{model}: {name}"), curve))
    parts = []
    for x, members in groups.items():
        chosen = _spread(len(x), [curve.y for _, curve in members])
        rows = [[name, *(format_number(curve.y[i]) for i in chosen)] for name, curve in members]
        parts.append(markdown(["at", *(format_number(x[i]) for i in chosen)], rows))
    return "\n\n".join(parts)


def warnings(
    summaries: Mapping[str, Summary], text: Text = visible, told: set[tuple[str, str]] | None = None
) -> str:
    """Return one line a warning of each model.

    A sentence in `told` is not repeated; the others are added to it.
    """
    lines, before = [], set() if told is None else told
    for model, summary in summaries.items():
        for name, sentence in summary.warnings.items():
            again = (model, sentence) in before
            before.add((model, sentence))
            lines.append(
                f"- **warning**, {model}, {text(name)}: {'as above' if again else text(sentence)}"
            )
    return "\n".join(lines)


def claims_table(
    claims: Mapping[str, Claim], measured: Mapping[str, Measured | str], text: Text = visible
) -> str:
    """Return a table with one row a claim, then one line a warning.

    Columns: what is said, the number expected, the number measured with its interval, the verdict,
    what was resampled.
    """
    rows, warned = [], []
    for name, claim in claims.items():
        result = measured[name]
        if isinstance(result, str):
            rows.append([text(claim.says), expected(claim), text(result), "-", "-", "-"])
        else:
            interval = f"{format_number(result.low)} to {format_number(result.high)}"
            rows.append(
                [
                    text(claim.says),
                    expected(claim),
                    format_number(result.value),
                    interval,
                    result.verdict or "-",
                    result.unit or "-",
                ]
            )
            warned += [
                f"- **warning**, claim {name}, {text(warning)}" for warning in result.warnings
            ]
    table = markdown(
        ["claim", "expected", "measured", "95 % interval", "verdict", "resampled"], rows
    )
    return "\n\n".join([table, *(["\n".join(warned)] if warned else [])])


def report(
    name: str,
    summaries: Mapping[str, Mapping[str, Summary]],
    claims: Mapping[str, Claim] | None = None,
    measured: Mapping[str, Measured | str] | None = None,
) -> str:
    """Return the study in short, for the terminal: claims, then a section per probe.

    `summaries[probe][model]` are the numbers.
    """
    parts = [f"# {name}"]
    if claims and measured:
        parts += ["## Claims", claims_table(claims, measured)]
    told: set[tuple[str, str]] = set()
    for probe, by_model in summaries.items():
        parts.append(f"## {probe}")
        parts += [
            part
            for part in (warnings(by_model, told=told), scalars(by_model), curves(by_model))
            if part
        ]
    return "\n\n".join(parts) + "\n"


def _spread(length: int, values: Sequence[Sequence[float]]) -> list[int]:
    """Return at most POINTS positions: evenly spread, both ends, each maximum of `values`."""
    if length <= POINTS:
        return list(range(length))
    extremes = {max(range(length), key=own.__getitem__) for own in values}
    return sorted({round(i * (length - 1) / (POINTS - 1)) for i in range(POINTS)} | extremes)
