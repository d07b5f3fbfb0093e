"""The columns of probes and tables that hold shares or probabilities."""

from collections.abc import Collection, Mapping

import torch

from advcore.pipelines.claims.rows import Tables
from advcore.pipelines.claims.shares import Shares
from advcore.pipelines.tables.kinds import MakesShares, TableKind
from advcore.probes import HoldsShares, Probe


def columns_of_shares(
    probes: Mapping[str, Probe],
    measured: Tables,
    tables: Mapping[str, tuple[TableKind, Collection[str]]],
) -> Shares:
    """Return the names of these columns, by probe and by table.

    Columns of yes and no are among them. `measured` are the rows of each probe; `tables` are the
    kind of each, and the probes whose rows it is made of.
    """
    known: dict[str, set[str]] = {}
    for name, probe in probes.items():
        known[name] = set(probe.shares) if isinstance(probe, HoldsShares) else set()
        for rows in measured.get(name, {}).values():
            known[name] |= {
                column
                for column, held in rows.items()
                if isinstance(held, torch.Tensor) and held.dtype == torch.bool
            }
    for name, (kind, of) in tables.items():
        if isinstance(kind, MakesShares):
            common = [known.get(probe, set()) for probe in of]
            known[name] = set(kind.shares(set.intersection(*common) if common else ()))
    return known
