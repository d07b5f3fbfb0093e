"""One claim for each label of an axis: the mapping of a claim, before it is read."""

from collections.abc import Collection, Mapping
from itertools import product
from typing import Any

from advcore.workers.errors import InputError

_NUMBERS = ("of", "against")
"""Keys of a claim under which numbers stand, each with a `where`."""


def each_of(
    name: str,
    claim: Mapping[str, Any],
    axes: Mapping[str, Collection[str | int | float | None]],
    columns: Collection[str] = (),
    section: str = "claims",
) -> dict[str, Mapping[str, Any]]:
    """Return a claim's mapping for each label of the axes in its `each`, by `NAME axis=label`.

    The label is put into the `where` of its numbers; a claim without `each` is returned as it is.
    `each` names an axis, a list of them, or some labels of each: `{model: [robust, cure]}`. `axes`
    holds the labels of each axis; None, for members that lack it, makes no claim unless it is
    listed. `section` is the section in which the claim, or the figure, stands. `columns` are
    further columns of samples, whose values are known once they are read: `each` must list them.
    Raises InputError for an axis that is not there, or that the numbers choose already.
    """
    if "each" not in claim:
        return {name: claim}
    at = f"{section}.{name}.each"
    given = claim["each"]
    names = list(given) if isinstance(given, list | Mapping) else [given]
    if not names or not all(isinstance(axis, str) for axis in names):
        raise InputError(
            f"{at}: expected the name of an axis, a list of them, or a mapping of axes to lists of "
            f"labels; got {given!r}"
        )
    for axis in names:
        if axis in columns and isinstance(given, Mapping):
            continue
        if axis in columns:
            raise InputError(
                f"{at}: {axis} is a column of samples, whose values are not known yet: list those "
                f"that are meant, each: {{{axis}: [...]}}"
            )
        if axis not in axes:
            known = ", ".join((*axes, *columns)) or "none"
            raise InputError(f"{at}: there is no axis {axis!r}; known: {known}")
        if names.count(axis) > 1:
            raise InputError(f"{at}: the axis {axis!r} is there twice")
    wanted = {
        axis: _some(given[axis], f"{at}.{axis}")
        if isinstance(given, Mapping)
        else [label for label in axes[axis] if label is not None]
        for axis in names
    }
    rest = {key: value for key, value in claim.items() if key != "each"}
    return {
        " ".join([name, *map(_worded, names, labels)]): (
            _pinned(rest, dict(zip(names, labels, strict=True)), at)
        )
        for labels in product(*(wanted[axis] for axis in names))
    }


def _worded(axis: str, label: Any) -> str:
    return f"no {axis}" if label is None else f"{axis}={label}"


def _some(labels: Any, at: str) -> list[Any]:
    """Return the labels of an axis that `each` lists; which ones there are is checked later."""
    if not isinstance(labels, list) or not labels or len(set(map(str, labels))) < len(labels):
        raise InputError(f"{at}: expected a list of labels, each once; got {labels!r}")
    return labels


def _pinned(claim: Mapping[str, Any], point: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return the claim with the labels of `point` in the `where` of its numbers.

    A claim without numbers of a column, `masking_warnings`, has its own `where`.
    """
    held = [key for key in _NUMBERS if isinstance(claim.get(key), Mapping)]
    if not held:
        return {**claim, "where": _where(claim, point, at)}
    return {
        **claim,
        **{key: {**claim[key], "where": _where(claim[key], point, at)} for key in held},
    }


def _where(numbers: Mapping[str, Any], point: Mapping[str, Any], at: str) -> dict[str, Any]:
    where = numbers.get("where") or {}
    if not isinstance(where, Mapping):
        raise InputError(f"{at}: expected where to be a mapping of columns, got {where!r}")
    for axis in point:
        if axis in where or axis == numbers.get("over"):
            raise InputError(f"{at}: the claim has {axis} in where or over: leave it out of one")
    return {**where, **point}
