"""Types of fields in the words of YAML: `number or null`, `list of integers`, `one of a, b`."""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from torch import Tensor

from advcore.learnt import Learnt
from advcore.table_schema import TableSchema

PLAIN: dict[Any, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Any: "any value",
    Learnt: "name of a fit",
    TableSchema: "name of a table's data set, or its columns",
}
"""Words for the types that YAML has itself, and for names."""

NameType = Callable[[type], str]
"""Function from a class to the words for it."""


def describe_type(given: Any, name: NameType) -> str:
    """Return a type in the words of YAML; `name` gives those for classes.

    What no file can hold, a tensor, is left out.
    """
    if given in PLAIN:
        return PLAIN[given]
    origin, own = get_origin(given), get_args(given)
    if origin is Literal:
        return _literal(own)
    if origin in (Union, types.UnionType):
        rest = [part for part in own if part not in (Tensor, types.NoneType)]
        if {bool, int, float, str} <= set(rest):
            return "plain value"
        words = " or ".join(_alternative(part, name) for part in rest)
        separator = "; or" if any(get_origin(part) is Literal for part in rest) else " or"
        return f"{words}{separator} null" if types.NoneType in own else words
    if origin in (list, tuple, Sequence):
        return _list(own, name)
    if origin in (dict, Mapping):
        return f"mapping of names to {_plural(own[1], name)}"
    return name(given) if isinstance(given, type) else str(given)


def _literal(values: Sequence[Any]) -> str:
    shown = ", ".join(f"`{value}`" for value in values)
    return f"one of {shown}" if len(values) > 1 else shown


def _alternative(given: Any, name: NameType) -> str:
    words = describe_type(given, name)
    return f"({words})" if " or " in words and given is not bool else words


def _list(own: Sequence[Any], name: NameType) -> str:
    if len(own) == 2 and own[1] is Ellipsis:
        return f"list of {_plural(own[0], name)}"
    if len(set(own)) == 1:
        return f"list of {len(own)} {_plural(own[0], name)}"
    return f"list: {', '.join(describe_type(part, name) for part in own)}"


def _plural(given: Any, name: NameType) -> str:
    if given in (int, float, str):
        return f"{PLAIN[given]}s"
    if get_origin(given) is Literal:
        return f"these: {', '.join(f'`{value}`' for value in get_args(given))}"
    if get_origin(given) in (tuple, list):
        return describe_type(given, name).replace("list", "lists", 1)
    words = describe_type(given, name)
    return f"{words}s" if words == "plain value" else words
