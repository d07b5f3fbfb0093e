"""Joins: the combinations of members that agree in the axes of equal name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from advcore.pipelines.graph.notation.axes import Axis, Label, as_number
from advcore.pipelines.graph.notation.members import Coordinates, Families, Family, labelled
from advcore.pipelines.graph.notation.references import Choice, Reference, resolve
from advcore.workers.errors import InputError

Ids = str | list[str]
"""The id of a member, or those of several that stand together, as the parts of a union do."""


@dataclass(frozen=True)
class Combination:
    """Members that an entry names, one for each of its references, with their joint coordinates.

    Attributes:
        at: coordinates.
        chosen: ids of members, by the path of the field that names them.
    """

    at: Coordinates
    chosen: Mapping[tuple[str, ...], Ids] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids, each once, in order."""
        lists = [ids if isinstance(ids, list) else [ids] for ids in self.chosen.values()]
        return tuple(dict.fromkeys(own for ids in lists for own in ids))


def join(
    combinations: Sequence[Combination],
    reference: Reference,
    families: Families,
    axes: Mapping[str, Axis],
    at: str,
) -> list[Combination]:
    """Return the combinations with what a further reference names.

    Two agree where axes of equal name have equal labels; a member that lacks an axis agrees with
    each of its labels. Raises InputError where none agrees, and for an axis that is there already.
    """
    _check_axis(reference, combinations, axes, at)
    options = list(_options(reference, families, at))
    there = {axis for combination in combinations for axis in combination.at}
    shared = tuple(
        axis for axis in dict.fromkeys(axis for own in options for axis in own.at) if axis in there
    )
    groups: dict[tuple[Label | None, ...], list[Combination]] = {}
    for option in options:
        groups.setdefault(tuple(option.at.get(axis) for axis in shared), []).append(option)
    joined = [
        Combination({**before.at, **own.at}, {**before.chosen, **own.chosen})
        for before in combinations
        for own in _matching(groups, tuple(before.at.get(axis) for axis in shared))
    ]
    if not joined:
        raise InputError(
            f"{at}: no member has the same {', '.join(shared)} as what else this entry names: "
            "choose by where, or rename an axis"
        )
    return joined


def reduced(combinations: Sequence[Combination], removed: Sequence[str]) -> list[Combination]:
    """Join the combinations that differ in the removed axes alone: lists of ids in each field."""
    groups: dict[tuple[tuple[str, Label], ...], dict[tuple[str, ...], dict[str, None]]] = {}
    for own in combinations:
        kept = tuple((axis, label) for axis, label in own.at.items() if axis not in removed)
        fields = groups.setdefault(kept, {})
        for path, ids in own.chosen.items():
            fields.setdefault(path, {}).update(
                dict.fromkeys(ids if isinstance(ids, list) else [ids])
            )
    return [
        Combination(dict(kept), {path: list(ids) for path, ids in fields.items()})
        for kept, fields in groups.items()
    ]


def _check_axis(
    reference: Reference, combinations: Sequence[Combination], axes: Mapping[str, Axis], at: str
) -> None:
    """Raise InputError where the axis over a reference's names is there already."""
    axis = reference.axis or reference.path[-1]
    inherited = any(axis in combination.at for combination in combinations)
    if axis in axes and (inherited or reference.axis is not None):
        raise declared(axis, at)
    if inherited and reference.axis is None:
        raise InputError(
            f"{at}: an axis {axis!r} is inherited from another reference, and this name would not "
            "follow it: rename that axis there"
        )
    if inherited:
        raise InputError(
            f"{at}: an axis {axis!r} is inherited from another reference: give this one another "
            "name by {each: [...], as: NAME}, or rename the other"
        )


def declared(axis: str, at: str) -> InputError:
    """Return the refusal of an axis in `axes` that is called as a field whose names make one."""
    return InputError(
        f"{at}: the axis {axis!r} is declared in axes, and an axis of this field's names has the "
        "same name: rename it in axes"
    )


def _options(reference: Reference, families: Families, at: str) -> Iterator[Combination]:
    """Yield what a reference may stand for, as combinations of its own field alone."""
    known: dict[str, dict[str, Family]] = {}
    for (section, name), family in families.items():
        known.setdefault(section, {})[name] = family
    entries = [resolve(choice, reference.sections, known, at) for choice in reference.choices]
    named = [
        (choice, _chosen(choice, families[entry], at))
        for choice, entry in zip(reference.choices, entries, strict=True)
    ]
    if reference.together:
        parts: list[tuple[Coordinates, list[str]]] = [({}, [])]
        for _, members in named:
            parts = [
                ({**there, **coordinates}, [*ids, member])
                for there, ids in parts
                for coordinates, member in members
                if _agree(there, coordinates)
            ]
        yield from (Combination(there, {reference.path: ids}) for there, ids in parts)
        return
    names = [choice.name for choice in reference.choices]
    for choice, members in named:
        label = labelled(choice.name, choice.where) if names.count(choice.name) > 1 else choice.name
        for coordinates, member in members:
            if reference.axis is not None and reference.axis in coordinates:
                raise InputError(
                    f"{at}: {choice.name} has an axis {reference.axis!r} of its own: give this "
                    "list another name by {each: [...], as: NAME}"
                )
            own = {} if reference.axis is None else {reference.axis: label}
            yield Combination({**own, **coordinates}, {reference.path: member})


def _chosen(choice: Choice, family: Family, at: str) -> list[tuple[dict[str, Label], str]]:
    """Return the members of a family that a choice takes, with coordinates after `rename`."""
    _check_choice(choice, family, at)
    pinned = {axis for axis, value in choice.where.items() if not isinstance(value, list)}
    wanted = {axis: _values(own, _labels(axis, family)) for axis, own in choice.where.items()}
    return [
        (
            {
                choice.rename.get(axis, axis): label
                for axis, label in member.at.items()
                if axis not in pinned
            },
            member.id,
        )
        for member in family.members.values()
        if all(member.at.get(axis) in own for axis, own in wanted.items())
    ]


def _check_choice(choice: Choice, family: Family, at: str) -> None:
    """Raise InputError for axes and labels that a family lacks, and for names that are taken."""
    for axis in (*choice.where, *choice.rename):
        if axis not in family.axes:
            raise InputError(
                f"{at}: {choice.name} has no axis {axis!r}; it has "
                f"{', '.join(family.axes) or 'none'}"
            )
    for axis, name in choice.rename.items():
        if list(choice.rename.values()).count(name) > 1:
            raise InputError(f"{at}.rename: two axes of {choice.name} would be called {name!r}")
        if name in family.axes:
            raise InputError(
                f"{at}: {choice.name} has an axis {name!r} already: rename {axis} otherwise"
            )
    for axis, wanted in choice.where.items():
        labels = _labels(axis, family)
        if wanted == []:
            raise InputError(f"{at}.where.{axis}: expected at least one label, got none")
        for value in _values(wanted, labels):
            if not any(_equal(value, label) for label in labels):
                shown = ", ".join("null" if label is None else str(label) for label in labels)
                raise InputError(f"{at}: {choice.name} has no {axis} {value!r}; it has {shown}")


def _labels(axis: str, family: Family) -> list[Label | None]:
    """Return the labels of an axis, None among them where a member lacks it."""
    return list(dict.fromkeys(member.at.get(axis) for member in family.members.values()))


def _values(wanted: Any, labels: Sequence[Label | None]) -> list[Any]:
    """Return the labels that a value of `where` means: one or a list, numbers in words too."""
    values = wanted if isinstance(wanted, list) else [wanted]
    return [
        value if any(_equal(value, label) for label in labels) else as_number(value)
        for value in values
    ]


def _equal(value: Any, label: Label | None) -> bool:
    return isinstance(value, bool) == isinstance(label, bool) and bool(value == label)


def _matching(
    groups: Mapping[tuple[Label | None, ...], Sequence[Combination]],
    wanted: tuple[Label | None, ...],
) -> Iterator[Combination]:
    """Yield the options that agree with the labels `wanted`; None stands for a lacking axis."""
    if None not in wanted and all(None not in key for key in groups):
        yield from groups.get(wanted, ())
        return
    for key, options in groups.items():
        if all(None in pair or pair[0] == pair[1] for pair in zip(key, wanted, strict=True)):
            yield from options


def _agree(one: Coordinates, other: Coordinates) -> bool:
    return all(one[axis] == label for axis, label in other.items() if axis in one)
