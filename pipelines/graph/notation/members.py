"""Members and families: what the entries of a study expand to."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from advcore.pipelines.graph.notation.axes import Label
from advcore.workers.errors import InputError

Coordinates = Mapping[str, Label]
"""A label by the name of its axis; an axis that a member lacks is not there."""

SEED = "seed"
"""The axis of replication."""


@dataclass(frozen=True)
class Member:
    """One member of a family: an entry with every axis filled in.

    Attributes:
        section, family: where its entry stands.
        at: its coordinates.
        settings: its entry, with the ids of members in place of what referred to them.
        inputs: ids of the members that it needs, each once.
    """

    section: str
    family: str
    at: Coordinates
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]

    @property
    def label(self) -> str:
        """The member in words: `student learnt_from=D_R seed=0`."""
        return labelled(self.family, self.at)

    @property
    def id(self) -> str:
        """The member's name in the graph: its section and its label."""
        return f"{self.section}.{self.label}"


@dataclass(frozen=True)
class Family:
    """An entry of a study with all its members.

    Attributes:
        section, name: where its entry stands.
        axes: names of its axes, in order.
        members: members by id.
    """

    section: str
    name: str
    axes: tuple[str, ...]
    members: Mapping[str, Member]


@contextmanager
def at_coordinates(member: Member) -> Iterator[None]:
    """Put the coordinates of a member behind the message of an InputError, kind kept."""
    try:
        yield
    except InputError as error:
        where = ", ".join(f"{axis}={label}" for axis, label in member.at.items())
        raise type(error)(f"{error} (at {where})" if where else str(error)) from error


Families = Mapping[tuple[str, str], Family]
"""Families by section and name, each after those that it needs."""


def labelled(name: str, at: Mapping[str, Any]) -> str:
    """Return a name with coordinates, as tables show it."""
    return " ".join([name, *(f"{axis}={label}" for axis, label in at.items())])


def without_axes(label: str, at: Coordinates, axes: Iterable[str]) -> str:
    """Return a member's label, at these coordinates, without some axes."""
    for axis in axes:
        label = label.replace(f" {axis}={at.get(axis)}", "", 1)
    return label


def without_seed(label: str, at: Coordinates) -> str:
    """Return a member's label, at these coordinates, without the axis of seeds."""
    return without_axes(label, at, [SEED])


Named = TypeVar("Named")


def by_family(members: Mapping[str, Named]) -> dict[str, list[Named]]:
    """Return members by the name of their entry, given by label; no name has a space."""
    families: dict[str, list[Named]] = {}
    for label, member in members.items():
        families.setdefault(label.partition(" ")[0], []).append(member)
    return families
