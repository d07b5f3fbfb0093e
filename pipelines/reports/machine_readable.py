"""A study's numbers for other programs: results.json, tables as CSV and LaTeX.

JSON knows no infinities and no NaN: such a number is the word "inf", "-inf" or "nan", which
Python's `float` reads back.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from advcore.pipelines.claims import Claim, Measured
from advcore.pipelines.claims.measured import expected
from advcore.probes import Summary

SCHEMA = 1
"""The version of results.json's structure; it rises where a reader of an older one would fail."""

Summaries = Mapping[str, Mapping[str, Summary]]
"""Summaries by probe, then by model."""


def results_json(
    name: str,
    ids: Mapping[str, Any],
    summaries: Summaries,
    claims: Mapping[str, Claim],
    measured: Mapping[str, Measured | str],
    warnings: Mapping[str, Mapping[str, str]],
    missing: Sequence[str],
    versions: Mapping[str, str],
    products: Mapping[str, Any] | None = None,
) -> str:
    """Return what results.json holds.

    It has scalars, curves and meanings by probe, model and name; claims; warnings by name and
    place; `missing`, what the numbers lack; versions; ids; `products` by name, fits say.
    """
    return json.dumps(
        {
            "schema": SCHEMA,
            "study": name,
            "complete": not missing,
            "missing": list(missing),
            "scalars": _by_model(summaries, _scalars),
            "curves": _by_model(summaries, _curves),
            "meanings": _by_model(summaries, _meanings),
            "claims": {own: claim_document(claim, measured[own]) for own, claim in claims.items()},
            "warnings": {own: dict(places) for own, places in warnings.items()},
            "versions": dict(versions),
            "ids": dict(ids),
            **(products or {}),
        },
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )


def json_number(value: float) -> float | str:
    """Return the number, or its word where JSON has none for it."""
    return value if math.isfinite(value) else str(float(value))


def scalars_rows(summaries: Mapping[str, Summary]) -> list[list[Any]]:
    """Return a probe's scalars as rows under a head: the name, then one column a model."""
    names = list(dict.fromkeys(name for own in summaries.values() for name in own.scalars))
    return [
        ["name", *summaries],
        *([name, *(own.scalars.get(name, "") for own in summaries.values())] for name in names),
    ]


def claims_rows(
    claims: Mapping[str, Claim], measured: Mapping[str, Measured | str]
) -> list[list[Any]]:
    """Return the claims as rows under a head; those without a number say why in `value`."""
    rows: list[list[Any]] = [
        ["claim", "says", "expected", "value", "low", "high", "verdict", "resampled"]
    ]
    for name, claim in claims.items():
        own = measured[name]
        numbers = (
            [own, "", "", "", ""]
            if isinstance(own, str)
            else [own.value, own.low, own.high, own.verdict or "", own.unit]
        )
        rows.append([name, claim.says, expected(claim), *numbers])
    return rows


def as_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV with all digits.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
         for cell in row]
        for row in rows
    )  # fmt: skip
    return text.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<=": r"$\leq$",
    ">=": r"$\geq$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def as_latex(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows, the first of them the head, as a LaTeX `tabular`.

    It has the rules of booktabs, and numbers with four digits.
    """
    lines = [f"{' & '.join(map(_latex_cell, row))} \\\\" for row in rows]
    words = [
        any(isinstance(cell, str) for cell in column) for column in zip(*rows[1:], strict=True)
    ]
    return "\n".join(
        [
            f"\\begin{{tabular}}{{{''.join('l' if own else 'r' for own in words)}}}",
            "\\toprule",
            lines[0],
            "\\midrule",
            *lines[1:],
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )


def _latex_cell(cell: Any) -> str:
    if isinstance(cell, str):
        return re.sub(
            r"[<>]=|[\\&%$#_{}~^<>]", lambda found: _LATEX[found[0]], " ".join(cell.split())
        )
    if math.isnan(cell):
        return "--"
    return f"${'-' if cell < 0 else ''}\\infty$" if math.isinf(cell) else f"{cell:.4g}"


def _by_model(summaries: Summaries, part: Any) -> dict[str, dict[str, Any]]:
    return {
        probe: {model: part(own) for model, own in by_model.items()}
        for probe, by_model in summaries.items()
    }


def _scalars(summary: Summary) -> dict[str, float | str]:
    return {name: json_number(value) for name, value in summary.scalars.items()}


def _curves(summary: Summary) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "x": [json_number(value) for value in curve.x],
            "y": [json_number(value) for value in curve.y],
            **({"columns": curve.columns} if curve.columns else {}),
        }
        for name, curve in summary.curves.items()
    }


def _meanings(summary: Summary) -> dict[str, str]:
    names = [*summary.scalars, *summary.curves]
    return {name: summary.meaning(name) for name in names if summary.meaning(name)}


def claim_document(claim: Claim, own: Measured | str) -> dict[str, Any]:
    """Return what results.json holds of a claim, measured or not."""
    if isinstance(own, str):
        return {"says": claim.says, "expected": expected(claim), "not_measured": own}
    return {
        "says": claim.says,
        "value": json_number(own.value),
        "low": json_number(own.low),
        "high": json_number(own.high),
        "expected": expected(claim),
        "verdict": own.verdict,
        "resampled": own.unit,
        "warnings": list(own.warnings),
    }
