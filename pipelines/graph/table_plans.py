"""The tables of a study that are made of the rows of its probes."""

from advcore.pipelines.graph.layout import PlannedTable
from advcore.pipelines.graph.notation.axes import filled, mentions
from advcore.pipelines.graph.notation.members import Coordinates, Families
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.pipelines.tables import TableKind
from advcore.workers.errors import InputError

_NOTATION = ("of", "reduce")
"""The keys of an entry that say which members there are, not what is made of them."""


def planned_tables(study: GraphStudy, families: Families) -> tuple[PlannedTable, ...]:
    """Return the tables, in the study's order.

    Raises InputError, with the place in the document, for kinds that are not there, settings that
    cannot be or that mention an axis by $, and names that a probe has.
    """
    return tuple(_planned(study, name, families) for name in study.tables)


def _planned(study: GraphStudy, name: str, families: Families) -> PlannedTable:
    at, family = f"tables.{name}", families["tables", name]
    if name in study.probes:
        raise InputError(f"{at}: a probe has this name; give the table another one")
    own = {key: value for key, value in study.tables[name].items() if key not in _NOTATION}
    for place, text in mentions(own, at):
        raise InputError(
            f"{place}: {text} is another value for each member, and a table has the same settings "
            "for all of them; write the value, and a table of its own for another one"
        )
    own = filled(own, {}, {}, at)
    settings: TableKind = schema.structure(TableKind, own, at)  # type: ignore[type-abstract]
    rows = tuple(
        (member.at, tuple(_probe_member(key, families, at) for key in member.inputs))
        for member in family.members.values()
    )
    return PlannedTable(name, family.axes, rows, settings)


def _probe_member(member_id: str, families: Families, at: str) -> tuple[str, Coordinates]:
    """Return the probe and the coordinates of one of its members."""
    section, _, label = member_id.partition(".")
    if section != "probes":
        raise InputError(f"{at}.of: expected the name of a probe; {label!r} is a table")
    family = families[section, label.split(" ")[0]]
    return family.name, family.members[member_id].at
