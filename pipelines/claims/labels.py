"""The check of the labels in claims and figures against a study's axes, before any measuring."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from advcore.pipelines.claims.grid import SEED, Numbers
from advcore.pipelines.claims.masking import MaskingWarnings
from advcore.pipelines.claims.rows import matches
from advcore.workers.errors import InputError

Label = str | int | float | None
"""A label of an axis; None where a member lacks it."""


def check_values(
    at: str,
    claim: Any,
    axes: Mapping[str, Collection[str]],
    known: Mapping[str, Mapping[str, Collection[str | float]]],
) -> None:
    """Raise InputError where a claim or a figure chooses what no row of its probe can have.

    `known` holds, by probe, all values of the columns that its settings fix, `axes` the names of
    its axes. Columns that are axes are left to `check_labels`, others to `measure`.
    """
    for place, where, probe in rows_chosen(at, claim):
        columns = known.get(probe or "", {})
        for column, wanted in where.items():
            if column in columns and column not in axes.get(probe or "", ()):
                _check(f"{place}.{column}", wanted, columns[column], f"no row of probe {probe}")


def check_labels(at: str, claim: Any, axes: Mapping[str, Collection[Label]]) -> None:
    """Raise InputError where a claim, or a figure, chooses labels that no member of an axis has.

    `axes` holds the labels by axis, None among them where a member lacks it. Columns that are no
    axis are left to `measure`, which sees the rows.
    """
    for place, where, _ in rows_chosen(at, claim):
        check_where(place, where, axes)
    for key, numbers in vars(claim).items():
        if isinstance(numbers, Numbers) and numbers.replicate not in (SEED, *axes):
            known = ", ".join(axes) or "none"
            raise InputError(
                f"{at}.{key}.replicate: there is no axis {numbers.replicate!r}; known: {known}"
            )


def check_where(at: str, where: Mapping[str, Any], axes: Mapping[str, Collection[Label]]) -> None:
    """Raise InputError where labels are chosen that no member of an axis has."""
    for axis, wanted in where.items():
        if axis in axes:
            _check(f"{at}.{axis}", wanted, axes[axis])


def numbers_beside(claim: Any) -> Iterator[tuple[str, str | None, Mapping[str, Any]]]:
    """Yield what stands beside a claim's or a figure's own numbers: its place, probe and `where`.

    These are the rows of another probe that say which samples count.
    """
    for key, part in vars(claim).items():
        if isinstance(part, Numbers) and part.among is not None:
            for place, own in part.among.placed():
                yield f"{key}.{place}", own.probe, own.where


def rows_chosen(at: str, claim: Any) -> Iterator[tuple[str, Mapping[str, Any], str | None]]:
    """Yield all that chooses rows, with its place, and the probe whose rows they are."""
    of = vars(claim).get("of")
    probe = of.probe if isinstance(of, Numbers) else None
    for key, part in vars(claim).items():
        if isinstance(part, Numbers):
            yield f"{at}.{key}.where", part.where, part.probe
        elif key == "to" and isinstance(part, Mapping):
            yield f"{at}.to", part, probe
    if isinstance(claim, MaskingWarnings):
        yield f"{at}.where", claim.where, claim.probe


def _check(at: str, wanted: Any, labels: Collection[Label], none: str = "no member") -> None:
    named = [label for label in labels if label is not None]
    column = np.asarray(
        named if all(isinstance(own, int | float) for own in named) else [*map(str, named)]
    )
    if column.dtype.kind == "f":
        column = column.astype(np.float32)  # as precise as any column is
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if value is None and None in labels:
            continue
        if value is None or not matches(column, value).any():
            shown = ", ".join("null" if own is None else str(own) for own in labels if own != "")
            close = get_close_matches(str(value).lower(), [str(own) for own in named if own], 1)
            near = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(f"{at}: {none} has {value!r}; there are {shown}{near}")
