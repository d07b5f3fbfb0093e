"""The expansion of a study: from its entries to families, whose members have no axes left."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from advcore.pipelines.graph.notation.axes import Axis, filled, mentioned, points, read_axes
from advcore.pipelines.graph.notation.joining import Combination, declared, join, reduced
from advcore.pipelines.graph.notation.members import Families, Family, Member
from advcore.pipelines.graph.notation.references import (
    SECTIONS,
    Reference,
    find_references,
    resolve,
)
from advcore.workers.errors import InputError

EPOCH = "epoch"
"""The axis of the epochs of a training, and the field of one of them."""

Entries = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The entries of a study by section and name."""


def expand(document: Mapping[str, Any], most: int | None = None) -> Families:
    """Return the families of a study's document.

    Raises InputError, with the place in the document, for unknown names, circles, references that
    no member fits, axes that nothing mentions, and more than `most` members.
    """
    entries = {section: document.get(section) or {} for section in SECTIONS}
    _check_entries(entries)
    entries["models"], epochs = _epochs_as_axis(entries["models"], document.get("axes") or {})
    axes = read_axes({**(document.get("axes") or {}), **epochs})
    families: dict[tuple[str, str], Family] = {}
    mentions = {
        (section, name): mentioned(entry, axes, f"{section}.{name}")
        for section, held in entries.items()
        for name, entry in held.items()
    }
    for name in axes:
        if not any(name in own for own in mentions.values()):
            raise InputError(f"axes.{name}: no entry mentions ${name}: leave the axis out")
    count = 0
    for section, name in _order(entries, axes, mentions):
        own = [axes[axis] for axis in mentions[section, name]]
        family = _family(section, name, entries[section][name], own, axes, families)
        families[section, name] = family
        count += len(family.members)
        if most is not None and count > most:
            raise InputError(
                f"{section}.{name}: the study has more than {most} members ("
                f"{len(family.members)} in this entry): leave out values of an axis, or raise "
                "run.most"
            )
    return families


def _epochs_as_axis(
    models: Mapping[str, Any], axes: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the models with `epoch: $epoch` in place of `epochs: [...]`, and that axis."""
    changed, found = dict(models), dict[str, Any]()
    for name, entry in models.items():
        if "epochs" not in entry:
            continue
        at, values = f"models.{name}.epochs", entry["epochs"]
        if not isinstance(values, list):
            raise InputError(f"{at}: expected a list of numbers of epochs, got {values!r}")
        _check_epochs(entry.get("of"), values, models, f"models.{name}")
        if EPOCH in axes or found.get(EPOCH, values) != values:
            raise InputError(
                f"{at}: there is an axis {EPOCH!r} with other values: write {EPOCH}: $NAME with an "
                "axis of your own in axes"
            )
        found[EPOCH] = values
        rest = {key: own for key, own in entry.items() if key != "epochs"}
        changed[name] = {**rest, EPOCH: f"${EPOCH}"}
    return changed, found


def _check_epochs(of: Any, values: list[Any], models: Mapping[str, Any], at: str) -> None:
    """Raise InputError for epochs of what is no training, and for one that is there twice."""
    base = of.get("of") if isinstance(of, Mapping) else of
    entry = models.get(base) if isinstance(base, str) else None
    if entry is not None and ("epochs" in entry or EPOCH in entry):
        raise InputError(
            f"{at}.of: {base} are epochs of a training and no training: name that training"
        )
    for value in values:
        if values.count(value) > 1:
            raise InputError(f"{at}.epochs: {value!r} is there twice")


def _check_entries(entries: Mapping[str, Any]) -> None:
    for section, held in entries.items():
        if not isinstance(held, Mapping):
            raise InputError(f"{section}: expected a mapping of names to entries, got {held!r}")
        for name, entry in held.items():
            if not isinstance(entry, Mapping):
                raise InputError(f"{section}.{name}: expected a mapping of settings, got {entry!r}")


def _order(
    entries: Entries,
    axes: Mapping[str, Axis],
    mentions: Mapping[tuple[str, str], Sequence[str]],
) -> list[tuple[str, str]]:
    """Return all entries, each after those that it names. Raises InputError for a circle."""
    sorter: TopologicalSorter[tuple[str, str]] = TopologicalSorter()
    for (section, name), own in mentions.items():
        at, entry = f"{section}.{name}", entries[section][name]
        named = [
            resolve(choice, reference.sections, entries, f"{at}.{'.'.join(reference.path)}")
            for point in points([axes[axis] for axis in own])
            for reference in find_references(section, filled(entry, axes, point, at), at)
            for choice in reference.choices
        ]
        sorter.add((section, name), *dict.fromkeys(named))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        circle = " <- ".join(f"{section}.{name}" for section, name in error.args[1])
        raise InputError(f"{circle}: these entries need each other; break the circle") from None


def _family(
    section: str,
    name: str,
    entry: Mapping[str, Any],
    own: Sequence[Axis],
    axes: Mapping[str, Axis],
    families: Families,
) -> Family:
    """Return the members of one entry, whose `own` axes it mentions by $."""
    at = f"{section}.{name}"
    members: dict[str, Member] = {}
    names = dict.fromkeys(axis.name for axis in own)
    for point in points(own):
        settings = filled(entry, axes, point, at)
        combinations = [Combination(point)]
        for reference in find_references(section, settings, at):
            place = f"{at}.{'.'.join(reference.path)}"
            combinations = join(combinations, reference, families, axes, place)
        names |= dict.fromkeys(axis for found in combinations for axis in found.at)
        for reference in find_references(section, settings, at):
            _check_follows(reference, names, axes, at)
        if section == "tables":
            combinations = reduced(combinations, _removed(settings, names, at))
        for found in combinations:
            ordered = {axis: found.at[axis] for axis in names if axis in found.at}
            filled_in = _with(settings, found.chosen)
            member = Member(section, name, ordered, filled_in, found.inputs)
            members[member.id] = member
    removed = _removed(entry, names, at) if section == "tables" else []
    kept = tuple(axis for axis in names if axis not in removed)
    return Family(section, name, kept, members)


def _check_follows(
    reference: Reference, names: Mapping[str, None], axes: Mapping[str, Axis], at: str
) -> None:
    """Raise InputError where one name stands beside an axis that is called after its field."""
    field, place = reference.path[-1], f"{at}.{'.'.join(reference.path)}"
    if reference.axis is None and field in names:
        if field in axes:
            raise declared(field, place)
        raise InputError(
            f"{place}: an axis {field!r} comes with another reference, and "
            "this name would not follow it: rename that axis there"
        )


def _removed(settings: Mapping[str, Any], names: Mapping[str, None], at: str) -> list[str]:
    """Return the axes that a table's `reduce` removes."""
    given = settings.get("reduce") or []
    removed = given if isinstance(given, list) else [given]
    for axis in removed:
        if not isinstance(axis, str) or axis not in names:
            raise InputError(
                f"{at}.reduce: no axis {axis!r}; there are {', '.join(names) or 'none'}"
            )
    return removed


def _with(settings: Mapping[str, Any], chosen: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return settings with the ids of members at their paths."""
    result = dict(settings)
    for path, ids in chosen.items():
        result = _put(result, path, ids)
    return result


def _put(settings: Any, path: tuple[str, ...], ids: Any) -> Any:
    """Return a mapping, or a list, with ids at a path inside."""
    if not path:
        return ids
    key, *rest = path
    if isinstance(settings, list):
        at = int(key)
        return [*settings[:at], _put(settings[at], tuple(rest), ids), *settings[at + 1 :]]
    return {**settings, key: _put(settings[key], tuple(rest), ids)}
