"""Values chosen by their `kind`: a name in a dict of classes, or `package.module:Class`."""

import importlib
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Union, get_args, get_origin

from cattrs import Converter

from advcore.pipelines.settings.messages import (
    describe_value,
    field_names,
    joined,
    one_line,
    suggestion,
)
from advcore.workers.errors import USERS_ERRORS

Known = Mapping[str, type]
"""A seam's dataclasses, by kind."""


def by_kind(converter: Converter, known: Known, data: Any, seam: Any) -> Any:
    """Build the class named by `kind` from the other fields of the mapping."""
    if not isinstance(data, Mapping) or "kind" not in data:
        came = "none" if isinstance(data, Mapping) else describe_value(data)
        raise ValueError(
            f"expected a mapping with the key 'kind', got {came}; known kinds: {joined(known)}"
        )
    kind = data["kind"]
    if not isinstance(kind, str):
        raise ValueError(
            f"expected a text as kind, got {describe_value(kind)}; known kinds: {joined(known)}"
        )
    own = ", or package.module:Class" if isinstance(seam, type) else ""
    if ":" in kind:
        cls = _imported(kind, seam)
    elif kind in known:
        cls = known[kind]
    else:
        raise ValueError(
            f"unknown kind {kind!r}{suggestion(kind, known) or ';'} known "
            f"kinds: {joined(known)}{own}"
        )
    return converter.structure({key: value for key, value in data.items() if key != "kind"}, cls)


def by_kind_among(converter: Converter, known: Known, data: Any, union: Any) -> Any:
    """Build a field that takes only some of the known classes, such as `PGD | FGSM`."""
    if data is None and type(None) in get_args(union):
        return None
    if isinstance(data, Mapping) and ":" in str(data.get("kind")):
        raise ValueError(
            f"kind {data['kind']!r} cannot be taken here; use one of "
            f"{joined(_members(known, union))}"
        )
    return by_kind(converter, _members(known, union), data, union)


def with_kind(converter: Converter, known: Known, value: Any) -> dict[str, Any] | None:
    """Return a value as a mapping with its `kind`."""
    if value is None:
        return None
    cls = type(value)
    kind = next(
        (name for name, member in known.items() if member is cls),
        f"{cls.__module__}:{cls.__qualname__}",
    )
    return {"kind": kind, **converter.unstructure(value)}


def _imported(kind: str, seam: Any) -> type:
    """Import a user's own dataclass from `package.module:Class`."""
    module, _, name = kind.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name, None)
    except USERS_ERRORS as error:
        raise ValueError(
            f"kind {kind!r}: module {module!r} cannot be imported ({one_line(error)}); is it on "
            "PYTHONPATH?"
        ) from error
    if not (isinstance(cls, type) and is_dataclass(cls)):
        raise ValueError(
            f"kind {kind!r}: expected a frozen dataclass {name!r} in {module!r}, got "
            f"{describe_value(cls)}; define it there"
        )
    if "kind" in field_names(cls):
        raise ValueError(
            f"kind {kind!r}: a field named 'kind' cannot be told from the class's own; rename it"
        )
    missing = [name for name in _members_of(seam) if not _has(cls, name)]
    if missing:
        raise ValueError(
            f"kind {kind!r} is no {seam.__name__}: it lacks {joined(missing)}; define them"
        )
    return cls


def _members_of(seam: Any) -> list[str]:
    """Return the names of the methods and properties that a Protocol asks for.

    Inherited ones are among them.
    """
    asked = [cls for cls in reversed(seam.__mro__) if getattr(cls, "_is_protocol", False)]
    members = {name: value for cls in asked for name, value in vars(cls).items()}
    return [
        name
        for name, value in members.items()
        if (callable(value) or isinstance(value, property))
        and (name == "__call__" or name[0] != "_")
    ]


def _has(cls: type, name: str) -> bool:
    """True if the values of a class have the member: a field, a property, a method."""
    if name == "__call__":
        return name in dir(cls)  # every class can be called: that makes a value
    return hasattr(cls, name) or name in field_names(cls)


def _members(known: Known, union: Any) -> dict[str, type]:
    """Return the classes of a union by their kind."""
    return {name: cls for name, cls in known.items() if cls in get_args(union)}


def is_part_of(known: Known, cls: Any) -> bool:
    """True if a type is a union of known classes, with or without None."""
    members = set(get_args(cls)) - {type(None)}
    return (
        get_origin(cls) in (Union, types.UnionType)
        and len(members) > 1
        and members <= set(known.values())
    )
