"""Values chosen by their `kind`: a name in a dict of classes, or `package.module:Class`."""

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from cattrs import Converter

from advcore.pipelines.settings.messages import (
    describe_value,
    joined,
    suggestion,
)

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
        from advcore.pipelines.settings.own_classes import own_class  # it brings torch

        cls = own_class(kind, seam)
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
