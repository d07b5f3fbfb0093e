"""References: the fields of an entry that name other entries, and how they choose members."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from advcore.pipelines.graph.notation.axes import check_axis_name
from advcore.pipelines.settings.messages import suggestion
from advcore.workers.errors import InputError

SECTIONS = ("data_sets", "models", "fits", "probes", "tables")
"""The sections of a study that hold entries, each a namespace of its own."""

_FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "data_sets": {"of": ("data_sets",), "model": ("models",), "fit": ("fits",), "mean": ("fits",)},
    "models": {
        "data": ("data_sets",),
        "start": ("models",),
        "of": ("models",),
        "fit": ("fits",),
    },
    "fits": {"data": ("data_sets",), "model": ("models",), "fit": ("fits",)},
    "probes": {
        "model": ("models",),
        "data": ("data_sets",),
        "fit": ("fits",),
        "vectors": ("fits",),
        "subspace": ("fits",),
        "originals": ("fits",),
    },
    "tables": {"of": ("probes", "tables"), "clean": ("probes", "tables"), "against": ("probes",)},
}
"""The fields that are references: by section and field, the sections that they may name."""

_ANYWHERE = ("fit",)
"""Reference fields that may also stand deeper in an entry: in the subspaces of a probe, or in the
threat model of a training."""


def fields_of_fits(section: str) -> tuple[str, ...]:
    """Return the fields of a section's entries that name fits."""
    return tuple(name for name, sections in _FIELDS[section].items() if sections == ("fits",))


@dataclass(frozen=True)
class Choice:
    """One name with what is chosen of its family.

    Attributes:
        name: name of the entry.
        where: values of axes to choose; one value also removes the axis, a list keeps it.
        rename: new names of axes, by their own.
    """

    name: str
    where: Mapping[str, Any] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A field that names entries.

    Attributes:
        path: keys to the field inside its entry, of lists the position.
        sections: sections that it may name.
        choices: what it names.
        axis: name of the axis over `choices`; None where one name stands.
        together: whether all of `choices` belong to one member, as the parts of a union do.
    """

    path: tuple[str, ...]
    sections: tuple[str, ...]
    choices: tuple[Choice, ...]
    axis: str | None = None
    together: bool = False


def find_references(section: str, entry: Mapping[str, Any], at: str) -> list[Reference]:
    """Return the references of an entry, in the order of its fields.

    Raises InputError for what is no name, `{of, where, rename}` or `{each, as}`.
    """
    return list(_found(section, entry, (), at))


def _found(
    section: str, entry: Mapping[str, Any], path: tuple[str, ...], at: str
) -> Iterator[Reference]:
    known = _FIELDS[section]
    for key, value in entry.items():
        place = f"{at}.{key}"
        if key in known and (not path or key in _ANYWHERE) and value is not None:
            yield _reference(section, entry, (*path, key), known[key], value, place)
        elif isinstance(value, Mapping):
            yield from _found(section, value, (*path, key), place)
        elif isinstance(value, list):
            parts = {str(i): part for i, part in enumerate(value) if isinstance(part, Mapping)}
            for i, part in parts.items():
                yield from _found(section, part, (*path, key, i), f"{place}.{i}")


def _reference(
    section: str,
    entry: Mapping[str, Any],
    path: tuple[str, ...],
    sections: tuple[str, ...],
    value: Any,
    at: str,
) -> Reference:
    key = path[-1]
    if isinstance(value, list):
        choices = _choices(value, at)
        if section == "data_sets" and entry.get("kind") == "union":
            return Reference(path, sections, choices, None, together=True)
        if section != "probes":
            raise InputError(
                f"{at}: a list is an axis; outside probes write {{each: [...], as: NAME}} with the "
                "name of that axis"
            )
        return Reference(path, sections, choices, key)
    if isinstance(value, Mapping) and "each" in value:
        unknown = set(value) - {"each", "as"}
        if unknown or not isinstance(value["each"], list):
            raise InputError(f"{at}: expected {{each: [...], as: NAME}}, got {value!r}")
        axis = value.get("as", key)
        check_axis_name(axis, f"{at}.as")
        return Reference(path, sections, _choices(value["each"], f"{at}.each"), axis)
    return Reference(path, sections, (_choice(value, at),))


def _choices(values: list[Any], at: str) -> tuple[Choice, ...]:
    if not values:
        raise InputError(f"{at}: expected at least one name, got none")
    return tuple(_choice(value, f"{at}[{i}]") for i, value in enumerate(values))


def _choice(value: Any, at: str) -> Choice:
    if isinstance(value, str):
        return Choice(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("of"), str):
        raise InputError(f"{at}: expected a name, or {{of: NAME, where: ..., rename: ...}}")
    unknown = sorted(map(str, set(value) - {"of", "where", "rename"}))
    if unknown:
        raise InputError(f"{at}: unknown key {unknown[0]!r}; known keys: of, where, rename")
    where, rename = value.get("where", {}), value.get("rename", {})
    for key, part in (("where", where), ("rename", rename)):
        if not isinstance(part, Mapping):
            raise InputError(f"{at}.{key}: expected a mapping of axes, got {part!r}")
    for axis, name in rename.items():
        check_axis_name(name, f"{at}.rename.{axis}")
    return Choice(value["of"], where, rename)


def resolve(
    choice: Choice, sections: tuple[str, ...], known: Mapping[str, Mapping[str, Any]], at: str
) -> tuple[str, str]:
    """Return the section and the name of the entry that a choice names; InputError for none."""
    for section in sections:
        if choice.name in known.get(section, {}):
            return section, choice.name
    names = [name for section in sections for name in known.get(section, {})]
    raise InputError(
        f"{at}: {choice.name!r} is not in {' or '.join(sections)}; known: "
        f"{', '.join(names) or 'none'}{suggestion(choice.name, names)}"
    )
