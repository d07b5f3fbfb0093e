"""Make a converter between plain mappings and frozen dataclasses, which it is not told of here.

A field whose type is a Protocol (an attack, a probe, ...) is a seam: its mapping names the class by
`kind`, a key of a visible dict, or `package.module:Class` for a dataclass of one's own. Nothing is
coerced, except an int or a number in words (`8/255`, `1e-3`) where a float belongs. Every error is
one line that begins with its place. No class of the mathematics is imported, for torch takes
seconds.
"""

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

from cattrs import Converter
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_mapping,
    is_mutable_sequence,
    is_sequence,
    list_structure_factory,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from advcore.pipelines.settings.kinds import by_kind, by_kind_among, is_part_of, with_kind
from advcore.pipelines.settings.messages import (
    describe_value,
    either,
    error_messages,
    field_names,
    joined,
    suggestion,
)
from advcore.workers.errors import InputError

T = TypeVar("T")

Seams = Mapping[Any, Mapping[str, type]]
"""The dataclasses that a file can name by `kind`, by the Protocol that a field is typed with."""

SHOWN_ERRORS = 5
"""Largest number of errors that are shown."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUOTIENT = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})\s*)?")


class SeamConverter(Converter):
    """A cattrs converter that knows the dicts of classes it was made for."""

    seams: Seams = types.MappingProxyType({})

    def seam_of(self, value: Any) -> Any:
        """Return the base class whose dict holds the value's class; else that class itself."""
        return next(
            (seam for seam, known in self.seams.items() if type(value) in known.values()),
            type(value),
        )


def build_value(converter: SeamConverter, cls: type[T], data: Any, at: str) -> T:
    """Build the value of type `cls` (a dataclass, `tuple[int, ...]`, ...) that `data` describes.

    `at` is the root of the places in messages. Raises InputError, one line for all that is wrong.
    """
    try:
        return converter.structure(data, cls)
    except Exception as error:  # whatever a class raises about its settings is shown with its place
        found = list(dict.fromkeys(error_messages(error, at)))
        more = f"; and {len(found) - SHOWN_ERRORS} more" if len(found) > SHOWN_ERRORS else ""
        raise InputError("; ".join(found[:SHOWN_ERRORS]) + more) from error


def make_converter(seams: Seams) -> SeamConverter:
    """Make a converter for dataclasses and these dicts of classes.

    A hook registered later takes precedence over earlier ones.
    """
    converter = SeamConverter(detailed_validation=True)
    converter.seams = seams
    for kind, take in {int: _int, float: _float, bool: _bool, str: _str, Path: _path}.items():
        converter.register_structure_hook(kind, take)
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook_factory(
        _has_later_fields, lambda cls: _later_fields_left_out(cls, converter)
    )
    register = converter.register_structure_hook_func
    converter.register_structure_hook_factory(
        _is_list, lambda cls: _after_check(_is_list_data, "a list", _list_maker(cls, converter))
    )
    converter.register_structure_hook_factory(
        is_mapping,
        lambda cls: _after_check(
            _is_mapping_data, "a mapping", converter.gen_structure_mapping(cls)
        ),
    )
    converter.register_structure_hook_factory(
        _is_dataclass, lambda cls: _dataclass_maker(cls, converter)
    )
    register(lambda cls: get_origin(cls) is Literal, _literal)
    register(_is_choice, partial(_first_that_fits, converter))
    for seam, known in seams.items():
        register(partial(_same, seam), partial(by_kind, converter, known))
        converter.register_unstructure_hook_func(
            partial(_same, seam), partial(with_kind, converter, known)
        )
        register(partial(is_part_of, known), partial(by_kind_among, converter, known))
        converter.register_unstructure_hook_func(
            partial(is_part_of, known), partial(with_kind, converter, known)
        )
    return converter


def _int(data: Any, _: Any) -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        raise ValueError(f"expected a whole number, got {describe_value(data)}")
    return data


def _float(data: Any, _: Any) -> float:
    if isinstance(data, str) and (match := _QUOTIENT.fullmatch(data)):
        top, bottom = float(match[1]), float(match[2] or 1)
        data = top / bottom if bottom else data
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise ValueError(f"expected a number, got {describe_value(data)}")
    if math.isnan(data):
        raise ValueError(
            "expected a number, got NaN: write one, or leave the key out if it has a default"
        )
    return float(data)


def _bool(data: Any, _: Any) -> bool:
    if not isinstance(data, bool):
        raise ValueError(f"expected true or false, got {describe_value(data)}")
    return data


def _str(data: Any, _: Any) -> str:
    if not isinstance(data, str):
        raise ValueError(
            f"expected a text, got {describe_value(data)}; write it in quotes if it is one"
        )
    return data


def _path(data: Any, _: Any) -> Path:
    return Path(_str(data, str))


def _literal(data: Any, cls: Any) -> Any:
    allowed = get_args(cls)
    if not any(type(data) is type(value) and data == value for value in allowed):
        raise ValueError(
            f"expected one of {joined(allowed)}, got "
            f"{describe_value(data)}{suggestion(data, allowed)}"
        )
    return data


def _first_that_fits(converter: SeamConverter, data: Any, cls: Any) -> Any:
    """Build the first member of a union that fits, in its own order.

    A tensor is never a match: no file can hold one.
    """
    reasons = []
    for member in get_args(cls):
        if getattr(member, "__module__", "") == "torch":
            continue
        if member is type(None):
            if data is None:
                return None
            continue
        try:
            return converter.structure(data, member)
        except Exception as error:  # the next member may fit; all reasons are shown when none does
            reasons += list(error_messages(error, ""))
    raise ValueError(either([reason.removeprefix(": ") for reason in reasons], data))


def _dataclass_maker(cls: Any, converter: SeamConverter) -> Callable[[Any, Any], Any]:
    make = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )
    return _after_check(
        _is_mapping_data, f"a mapping (known keys: {joined(field_names(cls))})", make
    )


def _has_later_fields(cls: Any) -> bool:
    return _is_dataclass(cls) and any(own.metadata.get("later") for own in fields(cls))


def _later_fields_left_out(cls: Any, converter: SeamConverter) -> Callable[[Any], dict[str, Any]]:
    """Make the hook of a dataclass with fields that came later, `metadata={"later": True}`.

    They are left out at their default, so that the hashes of what was there before stay.
    """
    later = [own.name for own in fields(cls) if own.metadata.get("later")]
    omitted = {name: override(omit_if_default=True) for name in later}
    return make_dict_unstructure_fn(cls, converter, **omitted)  # type: ignore[arg-type]


def _list_maker(cls: Any, converter: SeamConverter) -> Callable[[Any, Any], Any]:
    """Make the hook for `list[X]`, `Sequence[X]`, `tuple[X, ...]`, `tuple[X, Y]`."""
    if get_origin(cls) is not tuple and cls is not tuple:
        return list_structure_factory(cls, converter)
    if cls is tuple or Ellipsis in get_args(cls):
        return homogenous_tuple_structure_factory(cls, converter)
    length = len(get_args(cls))
    make = converter.gen_structure_hetero_tuple(cls)
    return _after_check(lambda data: len(data) == length, f"a list of {length} values", make)


def _after_check(
    fits: Callable[[Any], bool], wanted: str, make: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    """Call `make` only with data that fits."""

    def checked(data: Any, cls: Any) -> Any:
        if not fits(data):
            raise ValueError(f"expected {wanted}, got {describe_value(data)}")
        return make(data, cls)

    return checked


def _same(one: Any, other: Any) -> bool:
    return one is other


def _is_dataclass(cls: Any) -> TypeGuard[type]:
    return isinstance(cls, type) and is_dataclass(cls)


def _is_list(cls: Any) -> bool:
    return is_sequence(cls) or is_mutable_sequence(cls) or get_origin(cls) is tuple


def _is_choice(cls: Any) -> bool:
    return (
        get_origin(cls) in (Union, types.UnionType)
        and sum(member is not type(None) for member in get_args(cls)) > 1
    )


def _is_list_data(data: Any) -> bool:
    return isinstance(data, list | tuple)


def _is_mapping_data(data: Any) -> bool:
    return isinstance(data, Mapping)
