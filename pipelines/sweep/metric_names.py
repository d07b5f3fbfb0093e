"""Names of a trial's numbers, of its epochs and its probes, known before the first trial."""

from collections.abc import Iterable, Mapping

from advcore.pipelines.settings.messages import suggestion
from advcore.probes import Summary

HELD_OUT = "validation/"
"""Beginning of the names of numbers that are measured on samples held out of the training ones."""

EPOCHS = ("overfitting/", "watch/")
"""Beginnings of the names of an epoch's numbers that are known only as the training goes."""


def plain_name(name: str) -> str:
    """Return a number's name with its position on a curve in one notation.

    `1.0` and `1e0` are `1`.
    """
    position = _position(name)
    return name if position is None else f"{name.rpartition('/')[0]}/{position:g}"


def summary_numbers(summary: Summary) -> dict[str, float]:
    """Return a summary as single numbers: its scalars, and curve points by `CURVE/X`."""
    curves = {
        f"{name}/{x:g}": y
        for name, curve in summary.curves.items()
        for x, y in zip(curve.x, curve.y, strict=True)
    }
    return {name: float(value) for name, value in {**summary.scalars, **curves}.items()}


def curves_of(
    numbers: Mapping[str, float],
) -> tuple[dict[str, float], dict[str, tuple[list[float], list[float]]]]:
    """Split numbers into single ones and curves with x and y: the inverse of `summary_numbers`."""
    groups: dict[str, list[str]] = {}
    for name in numbers:
        groups.setdefault(
            name.rpartition("/")[0] if _position(name) is not None else name, []
        ).append(name)
    curves = {curve: names for curve, names in groups.items() if len(names) > 1}
    alone = {names[0]: numbers[names[0]] for curve, names in groups.items() if curve not in curves}
    points = {
        curve: (
            [float(name.rpartition("/")[2]) for name in names],
            [numbers[name] for name in names],
        )
        for curve, names in curves.items()
    }
    return alone, points


def _position(name: str) -> float | None:
    """Return the position on a curve that ends a name, if there is one."""
    curve, _, end = name.rpartition("/")
    try:
        return float(end) if curve else None
    except ValueError:
        return None


def unknown(name: str, known: Iterable[str]) -> str:
    """Return why a name is not a known one, in words; empty where it is known."""
    names = list(known)
    if name in names or name.startswith(EPOCHS):
        return ""
    first = name.partition("/")[0]
    own = [other for other in names if other.partition("/")[0] == first] or names
    shown = ", ".join(own[:12]) + (f" and {len(own) - 12} more" if len(own) > 12 else "")
    return f"{name!r} will be no number of any trial{suggestion(name, names) or ';'} known: {shown}"
