"""Checks of summaries and charts, which a user's own probe may get wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, SupportsFloat

from advcore.pipelines.settings.names import check_name
from advcore.probes import Chart, Columns, Curve, Gallery, Lines, Maps, Probe, Summary, Table

OURS = ("shards", "shards_failed", "seconds")
"""The metrics that a study logs beside the numbers of each probe."""


def summarised(probe: Probe, table: Columns) -> Summary:
    """Return the summary of a table.

    Raises what the probe raises, and ValueError where a summary holds no numbers.
    """
    return checked(probe.summarise(Table(table)))


def drawings(name: str, probe: Probe, tables: Mapping[str, Columns]) -> list[Chart]:
    """Return the charts of the probe `name`.

    Raises what it raises, and ValueError for what is no chart or has no valid name.
    """
    charts = probe.charts({model: Table(table) for model, table in tables.items()})
    if not isinstance(charts, list | tuple):
        raise ValueError(f"charts must give a list of charts; got {_described(charts)}")
    for chart in charts:
        if not isinstance(chart, Lines | Gallery | Maps):
            raise ValueError(f"a chart must be Lines, Gallery or Maps; got {_described(chart)}")
        check_name(chart.name)
    names = [chart.name for chart in charts]
    if len(set(names)) < len(names):
        raise ValueError(f"charts of one probe must differ in their names; got {', '.join(names)}")
    return list(charts)


def checked(summary: Any) -> Summary:
    """Return the summary with plain numbers. Raises ValueError where it holds anything else."""
    if not isinstance(summary, Summary):
        raise ValueError(f"summarise must give a Summary; got {_described(summary)}")
    for name in OURS:
        if name in summary.scalars or name in summary.curves:
            raise ValueError(
                f"the name {name!r} of a scalar or curve is taken by a metric of each study "
                f"({', '.join(OURS)}); choose another name"
            )
    scalars = {
        _text(name, "a scalar's name"): _number(value, f"the scalar {name}")
        for name, value in summary.scalars.items()
    }
    curves = {
        _text(name, "a curve's name"): _curve(name, curve) for name, curve in summary.curves.items()
    }
    for part in ("warnings", "meanings"):
        for name, sentence in getattr(summary, part).items():
            _text(name, f"a name in {part}")
            _text(sentence, f"{name} in {part}")
    return replace(summary, scalars=scalars, curves=curves)


def _curve(name: str, curve: Any) -> Curve:
    if not isinstance(curve, Curve) or len(curve.x) != len(curve.y):
        came = (
            f"{len(curve.x)} x and {len(curve.y)} y"
            if isinstance(curve, Curve)
            else _described(curve)
        )
        raise ValueError(f"the curve {name} must be a Curve with one x for each y; got {came}")
    x, y = (
        [_number(value, f"a value of the curve {name}") for value in values]
        for values in (curve.x, curve.y)
    )
    return replace(curve, x=x, y=y)


def _number(value: Any, what: str) -> float:
    try:
        if isinstance(value, str) or not isinstance(value, SupportsFloat):
            raise TypeError
        return value if isinstance(value, int) else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{what} must be a number; got {_described(value)}") from None


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be a text; got {_described(value)}")
    return value


def _described(value: Any) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    return (
        type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
    )
