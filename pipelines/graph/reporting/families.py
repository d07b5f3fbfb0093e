"""The graph of a study by families, as results.json tells it and a page draws it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from advcore.counts import counted
from advcore.learnt import learnt_in
from advcore.pipelines.graph.layout import Layout

DATA, MODEL, FIT, PROBE, TABLE = "data set", "model", "fit", "probe", "table"
"""The roles of a study's families."""


@dataclass(frozen=True)
class _Families:
    """The number of members of each family by role and name, and which comes of which."""

    layout: Layout
    members: dict[tuple[str, str], int] = field(default_factory=dict)
    edges: dict[tuple[tuple[str, str], tuple[str, str]], None] = field(default_factory=dict)

    def add(self, role: str, label: str, sources: Iterable[tuple[str, str]]) -> None:
        """Count a member, and join its family to those of its sources."""
        own = role, _family(label)
        self.members[own] = self.members.get(own, 0) + 1
        for kind, source in sources:
            start = kind, _family(source)
            if start != own:
                self.edges[start, own] = None


def lineage_in_words(layout: Layout) -> dict[str, Any]:
    """Return `nodes` by name, each with role, name and what it is, and `edges` as pairs of names.

    Members of a family are one node; an edge leads from what is used to what comes of it.
    """
    families = _Families(layout)
    _add_data(families)
    _add_networks(families)
    for label, fit in layout.fits.items():
        families.add(
            FIT,
            label,
            [(MODEL, fit.network), (DATA, fit.data), *_fits(learnt_in(fit.settings))],
        )
    for own in layout.planned:
        families.add(
            PROBE,
            own.probe,
            [(MODEL, own.network), (DATA, own.data), *_fits(learnt_in(own.settings))],
        )
    for table in layout.tables:
        probes = dict.fromkeys(probe for _, members in table.rows for probe, _ in members)
        families.add(TABLE, table.name, [(PROBE, probe) for probe in probes])
    known = families.members
    return {
        "nodes": {
            f"{role} {name}": {"role": role, "name": name, "about": _about(role, count)}
            for (role, name), count in known.items()
        },
        "edges": [
            [" ".join(start), " ".join(end)]
            for start, end in families.edges
            if start in known and end in known
        ],
    }


def _add_data(families: _Families) -> None:
    layout = families.layout
    for label in layout.data:
        own = layout.derived.get(label)
        sources = [] if own is None else [(DATA, source) for source in own.sources]
        makers = () if own is None else own.makers
        families.add(
            DATA,
            label,
            [*sources, *((FIT if name in layout.fits else MODEL, name) for name in makers)],
        )


def _add_networks(families: _Families) -> None:
    layout = families.layout
    for label in layout.networks:
        base, _ = layout.epochs.get(label, (label, 0))
        sources = [] if base == label else [(MODEL, base)]
        if label in layout.trainings:
            learnt = layout.name_of(layout.trainings[label].data)
            sources += [] if learnt is None else [(DATA, learnt)]
        if label in layout.starts:
            sources.append((MODEL, layout.starts[label]))
        families.add(MODEL, label, sources)


def _fits(learnt: Iterable[Any]) -> list[tuple[str, str]]:
    return [(FIT, own.name) for own in learnt]


def _family(label: str) -> str:
    return label.split(" ")[0]


def _about(role: str, count: int) -> str:
    """Return the role and the number of members, where there are several."""
    if count == 1:
        return role
    return counted(count, "measurement") if role == PROBE else counted(count, role)
