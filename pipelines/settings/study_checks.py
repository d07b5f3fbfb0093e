"""Check the values of a study that was made in Python, as a study file's are when it is read."""

import os
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import nn

from advcore.pipelines.settings.messages import describe_value, joined, suggestion
from advcore.pipelines.settings.own_classes import check_class
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec

MOST_SHOWN = 5
"""Largest number of errors in one message."""

PLAIN: Mapping[type, tuple[str, tuple[type, ...]]] = {
    bool: ("True or False", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("a text", (str,)),
    type(None): ("None", (type(None),)),
}
"""The words for a plain type in messages, and the types that are taken for it."""


def check_study(study: Any, cls: type) -> None:
    """Raise InputError unless `study` is a `cls` whose values have the types of their fields.

    The message is one line for all that is wrong, each with its place: "study.models.m: expected a
    ModelSpec, got the text 'lenet'; write ModelSpec('lenet')".
    """
    if not isinstance(study, cls):
        name = cls.__name__
        file = repr(os.fspath(study)) if isinstance(study, str | os.PathLike) else "FILE"
        raise InputError(f"expected a {name}, got {_came(study)}; write run({name}.read({file}))")
    found = list(_of_fields(study, cls.__name__.lower()))
    if found:
        more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        raise InputError("; ".join(found[:MOST_SHOWN]) + more)


def _of_fields(value: Any, at: str) -> Iterator[str]:
    """Yield what is wrong with the fields of a dataclass's value."""
    kinds = _field_types(type(value))
    for field in fields(value):
        if field.init:
            held = getattr(value, field.name, None)
            yield from _wrong(held, kinds.get(field.name, Any), f"{at}.{field.name}")


def _field_types(cls: type) -> Mapping[str, Any]:
    """Return the types of a class's fields; none where they are named but not imported."""
    try:
        return get_type_hints(cls)
    except NameError:
        return {}


def _wrong(value: Any, kind: Any, at: str) -> Iterator[str]:
    """Yield what is wrong with a value that should be of type `kind`.

    A type that no settings are made of (a tensor, a callable) is not looked at.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        reasons = [list(_wrong(value, part, at)) for part in parts]
        if all(reasons):
            inside = [own for own in reasons if not own[0].startswith(f"{at}: expected")]
            yield from inside[0] if inside else [_expected(_type_in_words(kind), value, at)]
    elif origin is Literal:
        if not any(type(value) is type(own) and value == own for own in parts):
            yield _expected(_type_in_words(kind), value, at) + suggestion(value, parts)
    elif _is(origin or kind, Mapping):
        yield from _of_mapping(value, parts, at)
    elif _is(origin or kind, Sequence) and kind is not str:
        yield from _of_sequence(value, parts, at)
    elif kind in PLAIN:
        taken = PLAIN[kind][1]
        if not isinstance(value, taken) or (isinstance(value, bool) and kind is not bool):
            yield _expected(_type_in_words(kind), value, at)
    elif isinstance(kind, type) and kind is not Any:
        yield from _of_class(value, kind, at)


def _of_mapping(value: Any, parts: Sequence[Any], at: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield _expected("a dict", value, at)
        return
    for name, own in value.items():
        if not isinstance(name, str):
            yield _expected("a text as key", name, at)
        elif parts:
            yield from _wrong(own, parts[1], f"{at}.{name}")


def _of_sequence(value: Any, parts: Sequence[Any], at: str) -> Iterator[str]:
    """Yield what is wrong with a list or tuple, of one type `X, ...` or of a type a place."""
    if not isinstance(value, list | tuple):
        hint = "" if isinstance(value, Mapping | type) else f"; write ({value!r:.60},)"
        yield _expected("a tuple", value, at) + (hint if "\n" not in hint else "")
        return
    fixed = parts and Ellipsis not in parts and len(parts) == len(value)
    for place, own in enumerate(value):
        if parts:
            yield from _wrong(own, parts[place if fixed else 0], f"{at}[{place}]")


def _of_class(value: Any, kind: type, at: str) -> Iterator[str]:
    """Yield what is wrong with a value of a class: a Protocol's members, or another class."""
    seam = getattr(kind, "_is_protocol", False)
    if isinstance(value, (type, Mapping, *_BUILT_IN) if seam else type) or not (
        seam or isinstance(value, kind)
    ):
        yield _expected(_type_in_words(kind), value, at) + _hint(value, kind)
        return
    if seam:
        try:
            check_class(type(value), kind, f"{at}: {type(value).__name__}")
        except ValueError as error:
            yield str(error)
            return
    if is_dataclass(value):
        yield from _of_fields(value, at)


_BUILT_IN = (str, int, float, bool, list, tuple, type(None))


def _hint(value: Any, kind: type) -> str:
    """Return what to write in place of a value, as "; write ModelSpec('lenet')"."""
    name = kind.__name__
    if isinstance(value, type):
        return f"; write {value.__name__}(...)"
    if isinstance(value, nn.Module) and kind is ModelSpec:
        return (
            "; save its weights and write ModelSpec('package.module:factory', "
            "checkpoint='weights.pt')"
        )
    if not is_dataclass(kind):
        return "; `advcore list` shows those that come along"
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return f"; write {name}({', '.join(f'{key}={own!r}' for key, own in value.items())})"
    return f"; write {name}({value!r})" if isinstance(value, str) else f"; write {name}(...)"


def _expected(wanted: str, value: Any, at: str) -> str:
    return f"{at}: expected {wanted}, got {_came(value)}"


def _type_in_words(kind: Any) -> str:
    """Return a type in words, with its article."""
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_type_in_words, get_args(kind)))
    if get_origin(kind) is Literal:
        return f"one of {joined(get_args(kind))}"
    if kind in PLAIN:
        return PLAIN[kind][0]
    origin = get_origin(kind) or kind
    if not isinstance(origin, type):
        return str(kind)
    if _is(origin, Mapping) or _is(origin, Sequence):
        return "a dict" if _is(origin, Mapping) else "a tuple"
    return f"{'an' if origin.__name__[0] in 'AEIOU' else 'a'} {origin.__name__}"


def _came(value: Any) -> str:
    """Return a value in words: one line, whatever its own text."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if type(value) in _BUILT_IN or isinstance(value, Mapping):
        return describe_value(value)
    return f"a value of the class {type(value).__name__}"


def _is(kind: Any, other: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, other)
