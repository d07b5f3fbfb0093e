"""Names of a trial's numbers: those of its epochs, those of its probes, and which there will be before the first trial."""

from collections.abc import Iterable

from advcore.probes import Summary
from pipelines.wording import near

HELD_OUT = "validation/"
"""How the names begin of numbers that are measured on samples held out of the training ones."""

EPOCHS = ("overfitting/", "watch/")
"""How the names of an epoch's numbers begin that are known only as the training goes."""


def plain_name(name: str) -> str:
    """Return a number's name with the position on its curve as every other one is written: `1.0` and `1e0` are `1`."""
    curve, slash, position = name.rpartition("/")
    try:
        return f"{curve}{slash}{float(position):g}"
    except ValueError:
        return name


def numbers_of(summary: Summary) -> dict[str, float]:
    """Return a summary as single numbers: its scalars, and the points of its curves by `CURVE/X`."""
    curves = {f"{name}/{x:g}": y for name, curve in summary.curves.items() for x, y in zip(curve.x, curve.y, strict=True)}
    return {name: float(value) for name, value in {**summary.scalars, **curves}.items()}


def unknown(name: str, known: Iterable[str]) -> str:
    """Return what is wrong with a name that is not among the known ones, in words; empty where it is."""
    names = list(known)
    if name in names or name.startswith(EPOCHS):
        return ""
    first = name.partition("/")[0]
    own = [other for other in names if other.partition("/")[0] == first] or names
    shown = ", ".join(own[:12]) + (f" and {len(own) - 12} more" if len(own) > 12 else "")
    return f"{name!r} will be no number of any trial{near(name, names) or ';'} known: {shown}"
