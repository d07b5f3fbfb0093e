"""Check that a class has what a Protocol asks for."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

_MODULE = re.compile(r"(\w+\.)+")
"""The modules in a written type."""


def members(seam: type) -> Mapping[str, Any]:
    """The methods and properties that a Protocol asks for, by name, inherited ones among them."""
    asked = [cls for cls in reversed(seam.__mro__) if getattr(cls, "_is_protocol", False)]
    return {
        name: value
        for cls in asked
        for name, value in vars(cls).items()
        if (callable(value) or isinstance(value, property))
        and (name == "__call__" or name[0] != "_")
    }


def lacking(cls: type, seam: type) -> list[str]:
    """The names of a Protocol's members that the values of a class do not have."""
    return [name for name in members(seam) if not has_member(cls, name)]


def has_member(cls: type, name: str) -> bool:
    """True if the values of a class have the member: a field, a property, a method."""
    if name == "__call__":
        return name in dir(cls)  # every class can be called: that makes a value
    own = fields(cls) if is_dataclass(cls) else ()
    return hasattr(cls, name) or name in (field.name for field in own)


def as_written(seam: type, names: list[str]) -> str:
    """Write the members of a Protocol out, as `norm: str, def climb(self, classifier, ...)`.

    A property may be a field.
    """
    return ", ".join(_signature(name, members(seam)[name]) for name in names)


def _signature(name: str, member: Any) -> str:
    if isinstance(member, property):
        kind = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
        return f"{name}: {_MODULE.sub('', inspect.formatannotation(kind))}"
    return f"def {name}({', '.join(inspect.signature(member).parameters)})"
