"""Mappings as files hold them, drawn from the dataclasses' fields: so a new attack, probe or
setting is among them by itself.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from torch import Tensor

from advcore.learnt import Learnt
from advcore.pipelines.claims import Numbers
from advcore.pipelines.settings.schema import SEAMS

NAMES = ("a", "two", "Mixed_3.case-x")
WORDS = ("l2", "LinfPGD", "perceptron", "plain", *NAMES)
INTEGERS = st.integers(1, 8)
NUMBERS = st.one_of(
    st.sampled_from((0, 0.1, 0.25, "1/4", "8/255", "1e-3", 1, 2.5)),
    st.floats(1e-6, 1e6),
    st.floats(0, 1),
)

JUNK = st.one_of(
    st.sampled_from(
        (
            None,
            True,
            0,
            -1,
            2**31,
            2**63,
            -(2**64),
            10**30,
            10**400,
            0.0,
            -0.0,
            1e308,
            float("inf"),
            float("nan"),
        )
    ),
    st.sampled_from(
        (
            "",
            " ",
            ".",
            "..",
            "../x",
            "/",
            "\0",
            "a\nb",
            "‮x",
            "\ud83d\ude00",
            "x" * 3000,
            "1/0",
            "1e999/1",
            "nan",
            "no:no",
        )
    ),
    st.sampled_from(
        (
            [],
            {},
            [[]],
            {"": None},
            {"kind": None},
            {"kind": "os:system"},
            {"kind": "pgd", "x": 1},
            [1] * 40,
            {3: 4},
        )
    ),
    st.text(max_size=8),
    st.recursive(
        st.integers() | st.text(max_size=3), lambda part: st.lists(part, max_size=3), max_leaves=5
    ),
)
"""What belongs nowhere, or hardly anywhere."""


@cache
def by_kind(kind: str, cls: type, levels: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """The mapping of a seam's value."""
    return mapping_of(cls, levels).map(lambda settings: {"kind": kind, **settings})


@cache
def mapping_of(cls: type, levels: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """The mapping of a dataclass: what must be there, and some of the rest.

    Not all are valid: a class may refuse one.
    """
    required, optional = {}, {}
    hints = _hints(cls)
    for entry in fields(cls):
        if entry.init:
            if _is_required(entry):
                required[entry.name] = _of(hints[entry.name], levels)
            elif levels or not _is_nested(hints[entry.name]):
                known = entry.default
                values = _of(hints[entry.name], levels)
                optional[entry.name] = (
                    values | st.just(known) if isinstance(known, int | float | str) else values
                )
    drawn = st.fixed_dictionaries(required, optional=optional)
    return drawn.map(_with_a_place) if cls is Numbers else drawn


def _with_a_place(numbers: dict[str, Any]) -> dict[str, Any]:
    """Numbers of a claim with what is left out by itself and needed together: probe and column."""
    rest = {name: value for name, value in numbers.items() if name != "table"}
    return rest | {
        "probe": numbers.get("probe") or "plain",
        "column": numbers.get("column") or "two",
    }


def spoilt(mapping: Any, draw: Any) -> Any:
    """The mapping with junk in one place, a key too many, or one too few."""
    places = list(_places(mapping))
    place = draw(st.sampled_from(places))
    how = draw(st.sampled_from(("value", "value", "value", "more", "less")))
    junk = draw(JUNK)
    inner = _at(mapping, place)
    if how == "more" and isinstance(inner, dict):
        return _put(mapping, place, {**inner, draw(st.text(max_size=6)): junk})
    if how == "less" and isinstance(inner, dict) and inner:
        return _put(mapping, place, dict(list(inner.items())[1:]))
    return _put(mapping, place, junk)


def _of(hint: Any, levels: int) -> st.SearchStrategy[Any]:
    """Values of a field's type, as a file holds them."""
    origin, members = get_origin(hint), get_args(hint)
    simple = {
        int: INTEGERS,
        float: NUMBERS,
        bool: st.booleans(),
        str: st.sampled_from(WORDS),
        types.NoneType: st.none(),
    }
    if hint in simple:
        return simple[hint]
    if hint is Learnt:  # a fit is written as its name
        return st.sampled_from(WORDS)
    if hint is Any:
        return INTEGERS | st.sampled_from(WORDS)
    if origin is Literal:
        return st.sampled_from(members)
    if seam := _seam(hint):
        return st.one_of(
            [
                by_kind(kind, cls, max(levels - 1, 0))
                for kind, cls in seam.items()
                if levels or not _is_deep(cls)
            ]
        )
    if origin in (Union, types.UnionType):
        known = [member for member in members if member is not Tensor]
        classes = {
            kind: cls for seam in SEAMS.values() for kind, cls in seam.items() if cls in known
        }
        own = [by_kind(kind, cls, max(levels - 1, 0)) for kind, cls in classes.items()]
        return st.one_of(
            own + [_of(member, levels) for member in known if member not in classes.values()]
        )
    if origin is tuple and Ellipsis not in members:
        return st.tuples(*(_of(member, levels) for member in members)).map(list)
    if origin in (tuple, list) or origin is Sequence:
        return st.lists(_of(members[0], levels), min_size=1, max_size=3)
    if origin in (dict, Mapping):
        return st.dictionaries(st.sampled_from(NAMES), _of(members[1], levels), max_size=2)
    if is_dataclass(hint):
        return mapping_of(hint, levels)
    raise TypeError(f"fields of type {hint}: say here what a file holds for one")


def _seam(hint: Any) -> dict[str, type]:
    return next((dict(known) for seam, known in SEAMS.items() if seam is hint), {})


def _is_nested(hint: Any) -> bool:
    """Whether a value holds a seam's value."""
    return bool(_seam(hint)) or any(_is_nested(member) for member in get_args(hint))


def _is_deep(cls: type) -> bool:
    """Whether a value must hold a seam's value."""
    return any(_is_required(entry) and _is_nested(_hints(cls)[entry.name]) for entry in fields(cls))


def _is_required(entry: "Field[Any]") -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Any:
    yield place
    for key, part in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from _places(part, (*place, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    changed = value.copy()
    changed[place[0]] = _put(value[place[0]], place[1:], new)
    return changed
