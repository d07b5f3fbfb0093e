"""A seam's value by its `kind`: a key of a visible dict, or `package.module:Class` for a dataclass
of one's own."""

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
    """A seam's value: the class by its kind, the rest of the mapping its fields."""
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
    """A field that takes some of a seam's classes only, such as `PGD | FGSM`."""
    if data is None and type(None) in get_args(union):
        return None
    if isinstance(data, Mapping) and ":" in str(data.get("kind")):
        raise ValueError(
            f"kind {data['kind']!r} cannot be taken here; use one of "
            f"{joined(_members(known, union))}"
        )
    return by_kind(converter, _members(known, union), data, union)


def with_kind(converter: Converter, known: Known, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    cls = type(value)
    kind = next(
        (name for name, member in known.items() if member is cls),
        f"{cls.__module__}:{cls.__qualname__}",
    )
    return {"kind": kind, **converter.unstructure(value)}


def _imported(kind: str, seam: Any) -> type:
    """A user's own dataclass, from `package.module:Class`."""
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
    wanted = [
        method
        for method, value in vars(seam).items()
        if callable(value) and (method == "__call__" or method[0] != "_")
    ]
    missing = [
        method
        for method in wanted
        if not hasattr(cls, method) or (method == "__call__" and "__call__" not in dir(cls))
    ]
    if missing:
        raise ValueError(
            f"kind {kind!r} is no {seam.__name__}: it lacks {joined(missing)}; define them"
        )
    return cls


def _members(known: Known, union: Any) -> dict[str, type]:
    """The classes of a seam that stand in a union, by kind."""
    return {name: cls for name, cls in known.items() if cls in get_args(union)}


def is_part_of(known: Known, cls: Any) -> bool:
    """Whether it is a union of a seam's classes, and None perhaps."""
    members = set(get_args(cls)) - {type(None)}
    return (
        get_origin(cls) in (Union, types.UnionType)
        and len(members) > 1
        and members <= set(known.values())
    )
