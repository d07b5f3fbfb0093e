"""The claims of a study that runs, as far as all rows that they need are there.

Everything is read, nothing is written: what a dry run knows of a study, and the rows in its store.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from advcore.counts import counted
from advcore.pipelines.claims import Claim, Measured, Tables
from advcore.pipelines.claims.kinds import CLAIMS
from advcore.pipelines.claims.labels import numbers_beside, rows_chosen
from advcore.pipelines.claims.rows import matches
from advcore.pipelines.graph.layout import Layout, Planned, PlannedTable
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.notation.members import Coordinates
from advcore.pipelines.graph.plan import prepare_layout
from advcore.pipelines.graph.reporting.claimable import Claimable, read_claimable
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.running.product_checks import check_products
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.running.trained_models import untrained
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.reports.machine_readable import claim_document
from advcore.probes import Columns, Comparison
from advcore.workers.stores.store import store_of, store_to_read

Document = dict[str, Any]
"""A claim as results.json holds it; one that waits has what it waits for as `not_measured`."""


def claims_so_far(study: AnyStudy) -> dict[str, Document]:
    """Return each claim by name: its number where all rows that it needs are there.

    A claim never leaves out a part: one that needs rows of a member of which a shard is missing
    waits. Raises InputError for a study that cannot be read here.
    """
    location = store_of(study.run.out, study.run.store)
    store, load = store_to_read(location), Loader()
    own, layout = untrained(study, load)
    layout = check_products(own, layout, load)
    products = Products(own, layout, load, location, lambda: store)
    products.settle_with_networks()
    prepared = prepare_layout(own, _measurable(products), load)
    missing = set(store.missing(task.key for task in prepared.all_tasks()))
    whole = {
        names: measurement
        for names, measurement in prepared.measurements.items()
        if not any(task.key in missing for task in measurement.tasks)
    }
    waiting = _Waiting(layout, set(whole))
    tables = tuple(table for table in layout.tables if not waiting.of_table(table))
    prepared = replace(prepared, measurements=whole, layout=replace(prepared.layout, tables=tables))
    read = read_claimable(prepared, store, (), Problems())
    return {
        name: claim_document(claim, _result(claim, read, waiting))
        for name, claim in layout.claims.items()
    }


def _measurable(products: Products) -> Layout:
    """Return the layout of what can be measured by now; comparisons need all networks."""
    layout = products.reported()
    if not products.unfinished:
        return layout
    alone = tuple(own for own in layout.planned if not isinstance(own.settings, Comparison))
    return replace(layout, planned=alone)


@dataclass(frozen=True)
class _Waiting:
    """The members of probes of which rows are missing: all of `layout` but those of `there`."""

    layout: Layout
    there: set[tuple[str, str]]

    def of_probe(self, probe: str) -> list[Planned]:
        """Return the members of a probe that are missing."""
        return [
            own
            for own in self.layout.planned
            if own.probe == probe and (own.label, probe) not in self.there
        ]

    def of_table(self, table: PlannedTable) -> list[str]:
        """Return the labels of the members of a table that are missing."""
        needed = [member for _, members in table.rows for member in members]
        missing = {
            (probe, *own.at.items()): own.label
            for probe in dict.fromkeys(probe for probe, _ in needed)
            for own in self.of_probe(probe)
        }
        names = [(probe, *at.items()) for probe, at in needed]
        return [missing[name] for name in names if name in missing]


class _Whole(Mapping[str, Mapping[str, Columns]]):
    """Tables, of which a claim can read those alone that lack nothing it needs.

    `lacking` holds the members that are missing in those that it tried to read.
    """

    def __init__(self, tables: Tables, claim: Claim, waiting: _Waiting) -> None:
        self.lacking: dict[str, list[str]] = {}
        self._tables = tables
        self._waiting = waiting
        self._made = {own.name: own for own in waiting.layout.tables}
        self._chosen = _chosen(claim)

    def __getitem__(self, name: str) -> Mapping[str, Columns]:
        lacking = self._lacks(name)
        if lacking:
            self.lacking[name] = lacking
            raise LookupError(f"rows of {name} are missing")
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def _lacks(self, name: str) -> list[str]:
        """Return the labels of the members that are missing in what the claim reads there."""
        if name in self._made:
            return self._waiting.of_table(self._made[name])
        wheres = self._chosen.get(name, [{}])
        return [
            own.label
            for own in self._waiting.of_probe(name)
            if any(_may_match(own.at, where) for where in wheres)
        ]


def _chosen(claim: Claim) -> dict[str, list[Mapping[str, Any]]]:
    """Return the labels by which a claim chooses rows of each probe; a user's own takes all."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    if type(claim) in CLAIMS.values():
        for _, where, probe in rows_chosen("", claim):
            found.setdefault(probe or "", []).append(where)
        for _, probe, where in numbers_beside(claim):
            found.setdefault(probe or "", []).append(where)
    return found


def _result(claim: Claim, read: Claimable, waiting: _Waiting) -> Measured | str:
    """Return a claim's result, or what it waits for."""
    tables = _Whole(read.tables, claim, waiting)
    result = read.evaluate(claim, tables)
    if not tables.lacking:
        return result
    parts = [
        f"{counted(len(members), 'member')} of {name} ({members[0]}"
        f"{', ...' if len(members) > 1 else ''})"
        for name, members in tables.lacking.items()
    ]
    return f"waits for {', '.join(parts)}"


def _may_match(at: Coordinates, where: Mapping[str, Any]) -> bool:
    """Return whether a member can have rows that are chosen by labels of its axes."""
    return all(
        matches(np.asarray(["" if at[axis] is None else at[axis]]), wanted).all()
        for axis, wanted in where.items()
        if axis in at
    )
