"""The tables that claims look into: rows read from the store, and what is made of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from advcore.pipelines.claims import Claim, Measured, Tables
from advcore.pipelines.claims.results import evaluate_claim
from advcore.pipelines.claims.shares import Shares
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.reporting.reduced_tables import MadeTable, made_tables
from advcore.pipelines.graph.reporting.sample_columns import with_sample_columns
from advcore.pipelines.graph.reporting.tables import claimed_tables
from advcore.pipelines.tables.known_shares import columns_of_shares
from advcore.probes import Columns
from advcore.workers.errors import USERS_ERRORS
from advcore.workers.stores.rows import Damaged
from advcore.workers.stores.store import Store
from advcore.workers.units import read_rows


@dataclass(frozen=True)
class Claimable:
    """The tables of a study as far as they are there.

    Attributes:
        measured: rows of each probe by label, with further columns of samples.
        made: tables that are made of them.
        tables: both, as claims and figures look into them.
        shares: names of columns that hold shares, by probe or table.
    """

    measured: Tables
    made: Mapping[str, MadeTable]
    tables: Tables
    shares: Shares

    def evaluate(self, claim: Claim, tables: Tables | None = None) -> Measured | str:
        """Return a claim's result, or why it has none, by these tables or by `tables`."""
        return evaluate_claim(claim, self.tables if tables is None else tables, self.shares)


def read_claimable(
    prepared: Prepared, store: Store, without: Collection[str], problems: Problems
) -> Claimable:
    """Read the rows of a study, without shards of some keys; what fails is a problem.

    Raises Damaged for rows that cannot be read.
    """
    rows = _rows(prepared, store, without, problems)
    measured = with_sample_columns(prepared, rows, problems)
    made = made_tables(prepared, measured, problems)
    tables = {
        **claimed_tables(prepared, measured, problems),
        **{name: {"": own.columns} for name, own in made.items()},
    }
    settings = {probe: own.planned.settings for (_, probe), own in prepared.measurements.items()}
    made_of = {
        own.name: (own.settings, {probe for _, members in own.rows for probe, _ in members})
        for own in prepared.layout.tables
    }
    return Claimable(measured, made, tables, columns_of_shares(settings, measured, made_of))


def _rows(prepared: Prepared, store: Store, without: Collection[str], problems: Problems) -> Tables:
    """Return the rows of each probe and model in the samples' order, without some shards."""
    result: dict[str, dict[str, Columns]] = {}
    for (model, probe), tasks in prepared.tasks.items():
        keys = [task.key for task in tasks if task.key not in without]
        try:
            if keys:
                result.setdefault(probe, {})[model] = read_rows(
                    store, prepared.measurements[model, probe].planned.settings, keys
                )
        except Damaged:
            raise
        except USERS_ERRORS as error:  # rows of a user's own probe that do not go together
            problems.note(f"probe {probe}", error)
    return result
