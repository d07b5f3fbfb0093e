"""The samples that a claim counts, by what other rows hold of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advcore.pipelines.claims.rows import SHOWN, Rows, Tables, check_columns, choose_rows, lacking

SEED = "seed"


@dataclass(frozen=True)
class Condition:
    """A range in which other rows hold a number of a sample.

    Attributes:
        probe: probe whose rows they are.
        column: column of numbers, one a row.
        where: values that the rows must have, as in claims; a sample without such a row is left
            out.
        at_least: smallest number that counts; -inf for no bound.
        at_most: largest number that counts; inf for no bound.
        any_row: true if one row in the range suffices, of several that `where` lists.
    """

    probe: str
    column: str
    where: dict[str, Any] = field(default_factory=dict)
    at_least: float = -np.inf
    at_most: float = np.inf
    any_row: bool = field(default=False, metadata={"later": True})

    def __post_init__(self) -> None:
        if not self.at_least <= self.at_most:
            raise ValueError(
                f"no number is at least {self.at_least:g} and at most {self.at_most:g}: give "
                "at_least <= at_most"
            )

    def kept(self, rows: Rows, where: Mapping[str, Any], over: str | None, tables: Tables) -> Rows:
        """Return those of `rows` whose samples hold; `where` and `over` are the numbers' own.

        Raises LookupError where none holds, and where the other rows cannot be joined to them.
        """
        other = rows_beside(tables, self.probe, self.column, self.where, where)
        values = other(self.column)
        if values.dtype.kind not in "biuf" or values.ndim > 1:
            raise LookupError(f"column {self.column!r} of {other.place} must hold one number a row")
        named = [axis for axis in (SEED, over, *where) if axis is not None]
        own, others = _joined(rows, other, self._axes(other, named))
        held = (values >= self.at_least) & (values <= self.at_most)
        refuted = others[:0] if self.any_row else others[~held]
        counted = np.setdiff1d(others[held], refuted)
        chosen = rows.chosen.copy()
        chosen[chosen] = np.isin(own, counted)
        if not chosen.any():
            raise LookupError(
                f"no sample of {rows.place} is among the {len(counted)} of {other.place} with "
                f"{self.column} in [{self.at_least:g}, {self.at_most:g}]"
            )
        return Rows(rows.table, chosen, rows.place)

    def _axes(self, other: Rows, named: Sequence[str]) -> list[str]:
        """Return the axes by which the other rows are told apart, but those that `where` chooses.

        They are those `named` by the numbers, and those in which rows of one sample vary.
        """
        known = {"sample", "network", self.column, *self.where}
        varying = other.varying(np.unique(other("sample"), return_inverse=True)[1], known)
        axes = dict.fromkeys([*named, *varying])
        return [axis for axis in axes if other.has(axis) and axis not in self.where]


@dataclass(frozen=True)
class Among(Condition):
    """The samples of which other rows hold a number in a range: what a judge says of them, say.

    The `where` of the numbers holds for these rows too, as far as they have its columns and this
    `where` says nothing else of them. Rows are joined label with label, seed with seed, by each
    axis that both have and this `where` does not choose; where the other rows have several labels
    of an axis that the numbers lack, or lack a label of theirs, the claim is not measured. Of
    several rows of a sample that `where` lists, by several judges say, all must be in the range,
    or with `any_row` one of them.

    Attributes:
        probe: probe whose rows they are.
        column: column of numbers, one a row.
        where: values that the rows must have, as in claims; a sample without such a row is left
            out.
        at_least: smallest number that counts; -inf for no bound.
        at_most: largest number that counts; inf for no bound.
        any_row: true if one row in the range suffices, of several that `where` lists.
        also: further conditions, all of which must hold too.
    """

    also: tuple[Condition, ...] = ()

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """Yield every condition with its place in a file, its own first."""
        yield "among", self
        yield from ((f"among.also.{i}", own) for i, own in enumerate(self.also))

    def narrowed(
        self, rows: Rows, where: Mapping[str, Any], over: str | None, tables: Tables
    ) -> Rows:
        """Return the rows of the samples that count; `where` and `over` are the numbers' own.

        Raises LookupError where none counts, and where the other rows cannot be joined to them.
        """
        for _, condition in self.placed():
            rows = condition.kept(rows, where, over, tables)
        return rows


def rows_beside(
    tables: Tables, probe: str, column: str, where: Mapping[str, Any], beside: Mapping[str, Any]
) -> Rows:
    """Return rows of a probe by `where`, and by that of other numbers as far as it has the columns.

    Raises LookupError where there are none, or where they lack the column.
    """
    known = next(iter(tables.get(probe, {}).values()), {})
    taken = {axis: label for axis, label in beside.items() if axis in known}
    rows = choose_rows(tables, "probe", probe, None, {**taken, **where})
    check_columns(rows.table, rows.place, [column])
    return rows


def _joined(rows: Rows, other: Rows, axes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of the sample and the labels in each row, for both the same ones.

    Raises LookupError where the other rows have labels that cannot be joined to those of `rows`.
    """
    count = len(rows("sample"))
    codes = [_codes(rows("sample"), other("sample"))]
    for axis in axes:
        labels = np.unique(other(axis))
        if lacking(labels).all():
            continue
        own = rows(axis) if rows.has(axis) else np.full(count, "")
        code = _codes(own, other(axis)) if rows.has(axis) else np.arange(count + len(other(axis)))
        absent = ~np.isin(code[:count], code[count:])
        if len(labels) == 1:
            absent &= ~lacking(own)  # one label is that of rows without any, too
        if absent.any():
            missing = own[absent][:1]
            told = "none" if lacking(missing)[0] else str(missing[0])
            raise LookupError(
                f"{other.place} has {axis} {', '.join(map(str, labels[:SHOWN]))}, {rows.place} "
                f"{told}: choose by among.where, {{{axis}: ...}}"
            )
        if len(labels) > 1:
            codes.append(code)
    whole = np.unique(np.stack(codes), axis=1, return_inverse=True)[1].reshape(-1)
    return whole[:count], whole[count:]


def _codes(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return numbers of the labels of both columns, the same for the same label."""
    if "f" in (own.dtype.kind, other.dtype.kind) and "U" not in (own.dtype.kind, other.dtype.kind):
        own, other = own.astype(np.float32), other.astype(np.float32)  # as precise as both are
    return np.unique(np.concatenate([own, other]), return_inverse=True)[1]
