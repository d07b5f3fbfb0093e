"""The layout of a graph: its members as networks, trainings, data sets and measurements."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from advcore.pipelines.claims import Claim
from advcore.pipelines.claims.each import each_of
from advcore.pipelines.claims.labels import check_labels, check_where, numbers_beside
from advcore.pipelines.figures import FigureKind
from advcore.pipelines.graph.collected_entries import Entries
from advcore.pipelines.graph.documented_columns import columns_of
from advcore.pipelines.graph.entries import without_sections
from advcore.pipelines.graph.layout import Layout, Planned, PlannedFigure, layout_of
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.notation.axes import Label
from advcore.pipelines.graph.notation.members import (
    Families,
    Family,
    Member,
    at_coordinates,
    labelled,
)
from advcore.pipelines.graph.settings import AnyStudy, GraphStudy, Study
from advcore.pipelines.graph.table_plans import planned_tables
from advcore.pipelines.settings import schema
from advcore.probes import Probe
from advcore.workers.errors import InputError


def graph_layout(study: GraphStudy, load: Loader) -> Layout:
    """Return the layout of a graph; recipes are read, and what is learnt is loaded for it.

    Data sets that come of others without a network are made here; `load` has stand-ins for the
    rest. Raises InputError, with the place in the document, for whatever is no valid entry, and for
    kinds that are not there.
    """
    families = study.families
    tables = planned_tables(study, families)
    found = Entries(study, load)
    for (section, _), family in families.items():
        for own in family.members.values():
            found.add(section, own)
    layout = found.layout(planned_of(study), _claims(study, families), tables)
    told = {own.probe: columns_of(own.settings) for own in layout.planned}
    return replace(layout, figures=_figures(study, families, told))


def planned_of(study: AnyStudy) -> tuple[Planned, ...]:
    """Return what a study measures; one of the old form has its trained models."""
    if isinstance(study, Study):
        return layout_of(study).planned
    families = study.families
    planned = tuple(_planned(own, families) for own in members_of(families, "probes"))
    seen: set[tuple[str, str]] = set()
    for own in planned:
        if (own.label, own.probe) in seen:
            raise InputError(
                f"probes.{own.probe}: two of its members are called {own.label!r}: give the axes "
                "in which they differ names of their own (rename, or each ... as)"
            )
        seen.add((own.label, own.probe))
    return planned


def members_of(families: Families, section: str) -> Iterator[Member]:
    """Yield the members of all families of a section."""
    for family in families.values():
        if family.section == section:
            yield from family.members.values()


def _planned(member: Member, families: Families) -> Planned:
    """Return what a member of a probe's family measures."""
    at = f"probes.{member.family}"
    settings = dict(member.settings)
    for key in ("model", "data"):
        if settings[key] is None:
            raise InputError(f"{at}.{key}: expected a name, got nothing; leave the key out for all")
    network, data = (_member(settings.pop(key), families) for key in ("model", "data"))
    with at_coordinates(member):
        value = schema.structure(Probe, settings, at)  # type: ignore[type-abstract]
    probe: Probe = without_sections(value, member)
    own = {
        axis: label
        for axis, label in member.at.items()
        if network.at.get(axis) != label and (axis, label) != ("model", network.family)
    }
    return Planned(
        member.family,
        labelled(network.label, own),
        network.family,
        member.at,
        network.label,
        data.label,
        probe,
    )


def _member(member_id: str, families: Families) -> Member:
    section, _, label = member_id.partition(".")
    return families[section, label.split(" ")[0]].members[member_id]


def _claims(study: GraphStudy, families: Families) -> dict[str, Claim]:
    """Return the claims, each once for every label of the axes of its `each`."""
    claims: dict[str, Claim] = {}
    columns = _sample_columns(study, families)
    for name, entry in study.claims.items():
        at = f"claims.{name}"
        axes = _axes_of(study, entry, families, at)
        for own_name, own in each_of(name, entry, axes, columns).items():
            told = own_name.removeprefix(name).strip()
            says = f"{own.get('says')} ({told})" if told else own.get("says")
            claim: Claim = schema.structure(Claim, {**own, "says": says}, at)  # type: ignore[type-abstract]
            check_labels(f"claims.{own_name}", claim, axes)
            _check_beside(study, f"claims.{own_name}", claim, families)
            claims[own_name] = claim
    return claims


def _figures(
    study: GraphStudy, families: Families, told: Mapping[str, str]
) -> tuple[PlannedFigure, ...]:
    """Return the figures, each with a series for every label of the axes of its `each`.

    Where `each` lists labels, they may be values of a column of the probe, too. `told` is what
    probes say of their columns.
    """
    columns = _sample_columns(study, families)
    found = []
    for name, entry in study.figures.items():
        at = f"figures.{name}"
        axes = _axes_of(study, entry, families, at)
        each = entry.get("each")
        listed = [own for own in each if own not in axes] if isinstance(each, Mapping) else []
        series: dict[str, FigureKind] = {}
        for own_name, own in each_of(name, entry, axes, [*columns, *listed], "figures").items():
            drawn: FigureKind = schema.structure(FigureKind, own, at)  # type: ignore[type-abstract]
            check_labels(at, drawn, axes)
            _check_beside(study, at, drawn, families)
            for place, own_rows in drawn.beside.items():
                _check_rows(study, f"{at}.{place}", own_rows.probe, own_rows.where, families)
            _check_columns(
                at, [*listed, *drawn.axes], [*axes, *columns], told.get(drawn.of.probe or "", "")
            )
            series[own_name.removeprefix(name).strip()] = drawn
        found.append(PlannedFigure(name, series))
    return tuple(found)


def _check_beside(
    study: GraphStudy, at: str, value: Claim | FigureKind, families: Families
) -> None:
    """Raise InputError where rows beside the numbers are of a probe, or labels, not there."""
    for place, probe, where in numbers_beside(value):
        _check_rows(study, f"{at}.{place}", probe, where, families)


def _check_rows(
    study: GraphStudy, at: str, probe: str | None, where: Mapping[str, Any], families: Families
) -> None:
    """Raise InputError where rows are of a probe, or labels, that are not there."""
    family = _claimed(study, {"probe": probe}, families, at)
    check_where(f"{at}.where", where, _labels(family))


def _check_columns(at: str, names: Iterable[str], axes: Collection[str], told: str) -> None:
    """Raise InputError for what is neither an axis nor a column that the probe tells of."""
    for name in names:
        if name not in axes and told and f"`{name}`" not in told:
            known = ", ".join(axes) or "none"
            raise InputError(
                f"{at}: {name!r} is neither an axis of the probe nor one of its columns; axes: "
                f"{known}; columns: {told}"
            )


def _axes_of(
    study: GraphStudy, entry: Mapping[str, Any], families: Families, at: str
) -> dict[str, list[Label | None]]:
    """Return the labels of each axis of the probe or table whose numbers an entry is about."""
    of = entry.get("of")
    return _labels(_claimed(study, of if isinstance(of, Mapping) else entry, families, at))


def _sample_columns(study: GraphStudy, families: Families) -> list[str]:
    """Return the names of further columns of samples; InputError where one is an axis's, too."""
    found = [
        name
        for member in members_of(families, "data_sets")
        for name in member.settings.get("columns") or ()
    ]
    for name in found:
        if name in study.axes:
            raise InputError(
                f"data_sets: a column of samples has the name of the axis {name!r}: give the axis "
                "another one"
            )
    return list(dict.fromkeys(found))


def _claimed(
    study: GraphStudy, numbers: Mapping[str, object], families: Families, at: str
) -> Family:
    """Return the family of the probe or the table whose numbers a claim is about."""
    section = "tables" if numbers.get("table") is not None else "probes"
    known = study.tables if section == "tables" else study.probes
    name = numbers.get(section.removesuffix("s"))
    if not isinstance(name, str) or name not in known:
        raise InputError(
            f"{at}: it names the {section.removesuffix('s')} {name!r}; known: {', '.join(known)}"
        )
    return families[section, name]


def _labels(family: Family) -> dict[str, list[Label | None]]:
    """Return the labels of each axis of a family, in order; None where a member lacks it."""
    members = family.members.values()
    return {axis: list(dict.fromkeys(own.at.get(axis) for own in members)) for axis in family.axes}
