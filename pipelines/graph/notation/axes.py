"""Axes: the named lists of values over which the entries of a study repeat."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from advcore.pipelines.settings.documents import Scalar
from advcore.workers.errors import InputError

Label = str | int | float
"""The value of an axis as tables and legends show it: a number or a text, as the name of a case."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_IN_WORDS = re.compile(rf"({_NUMBER})(?:\s*/\s*({_NUMBER}))?")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
TAKEN = ("sample", "network")
"""Names of columns that every table has, or may have."""
_MENTION = re.compile(r"\$([A-Za-z_]\w*)((?:\.\w+)*)")


@dataclass(frozen=True)
class Axis:
    """A named axis.

    Attributes:
        name: name in `$NAME`, and of the column in tables.
        values: what `$NAME` stands for, by label, in order.
    """

    name: str
    values: Mapping[Label, Any]


def read_axes(section: Any) -> dict[str, Axis]:
    """Return the axes of a study's section `axes`: lists, whole numbers n (0 to n - 1), or cases.

    Raises InputError for anything else.
    """
    if not isinstance(section, Mapping):
        raise InputError(f"axes: expected a mapping of names to values, got {section!r}")
    return {name: _axis(name, given) for name, given in section.items()}


def _axis(name: Any, given: Any) -> Axis:
    at = f"axes.{name}"
    check_axis_name(name, at)
    if isinstance(given, bool) or given is None or isinstance(given, float | str):
        raise InputError(
            f"{at}: expected a list of values, a whole number n for 0 to n - 1, or named cases; "
            f"got {given!r}"
        )
    if isinstance(given, int):
        if given < 1:
            raise InputError(f"{at}: expected at least 1 value, got {given}")
        return Axis(name, {value: value for value in range(given)})
    if any(_mentions(part) for _, part in _parts(given, at)):
        raise InputError(f"{at}: the values of an axis cannot mention another one by $")
    if isinstance(given, Mapping):
        for label in given:
            named = isinstance(label, str | int | float) and not isinstance(label, bool)
            if not named or label != label:
                raise InputError(
                    f"{at}: the name of a case must be a text or a number, got {label!r}: put it "
                    "in quotes"
                )
        values: dict[Label, Any] = dict(given)
    else:
        labels = [_label(at, value) for value in given]
        repeated = {label for label in labels if labels.count(label) > 1}
        if repeated:
            raise InputError(f"{at}: {repeated.pop()!r} is there twice")
        values = {label: label for label in labels}
    if not values:
        raise InputError(f"{at}: expected at least 1 value, got none")
    return Axis(name, values)


def check_axis_name(name: Any, at: str) -> None:
    """Raise InputError for what cannot be the name of an axis."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{at}: expected a name of letters, digits and _, got {name!r}")
    if name in TAKEN:
        raise InputError(f"{at}: {name!r} is a column of every table: choose another name")


def _label(at: str, value: Any) -> Label:
    """Return a value of a list as its label, a number in words as the number."""
    if isinstance(value, bool) or value is None:
        raise InputError(f"{at}: {value!r} is no value of an axis: write a number or a text")
    if isinstance(value, Mapping | list | tuple):
        raise InputError(
            f"{at}: lists and mappings need names: write {at.rpartition('.')[2]}: "
            "{first: ..., second: ...}"
        )
    label: Label = as_number(value)
    if label != label:
        raise InputError(f"{at}: NaN is no value of an axis: write a number or a text")
    return label


def as_number(value: Any) -> Any:
    """Return a number in words (1e-3, 8/255) as the number, anything else as it is.

    Digits alone are a text: YAML takes them for a number unless they stand in quotes.
    """
    if not isinstance(value, str) or value.strip().isdigit():
        return value
    if words := _IN_WORDS.fullmatch(value.strip()):
        below = float(words[2] or 1)
        return float(words[1]) / below if below else value
    return value


def filled(value: Any, axes: Mapping[str, Axis], point: Mapping[str, Label], at: str) -> Any:
    """Return `value` with each `$NAME` and `$NAME.key` replaced by what it stands for at `point`.

    A text that begins with `$$` loses one of them. Raises InputError for a mention of no axis.
    """
    if isinstance(value, Mapping):
        return {key: filled(part, axes, point, f"{at}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [filled(part, axes, point, f"{at}[{i}]") for i, part in enumerate(value)]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if value.startswith("$$"):
        return value[1:]
    name, keys = _mention(value, axes, at)
    found = axes[name].values[point[name]]
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            raise InputError(f"{at}: {value} is not in the case {point[name]!r} of axes.{name}")
        found = found[key]
    return found


def mentioned(value: Any, axes: Mapping[str, Axis], at: str) -> list[str]:
    """Return the names of the axes that `value` mentions, each once, in order."""
    found = [_mention(text, axes, place)[0] for place, text in mentions(value, at)]
    return list(dict.fromkeys(found))


def mentions(value: Any, at: str) -> list[tuple[str, str]]:
    """Return the place of each `$NAME` and `$NAME.key` in `value`, and the text."""
    return [(place, text) for place, text in _parts(value, at) if _mentions(text)]


def points(axes: Sequence[Axis]) -> Iterator[dict[str, Label]]:
    """Yield every combination of the axes' labels, the last axis fastest."""
    names = [axis.name for axis in axes]
    for labels in product(*(axis.values for axis in axes)):
        yield dict(zip(names, labels, strict=True))


def _mention(text: str, axes: Mapping[str, Axis], at: str) -> tuple[str, list[str]]:
    found = _MENTION.fullmatch(text)
    if found is None or found[1] not in axes:
        raise InputError(
            f"{at}: {text!r} mentions no axis (axes: {', '.join(axes) or 'none'}); a text that "
            f"begins with $ is written ${text}"
        )
    return found[1], [key for key in found[2].split(".") if key]


def _mentions(value: Scalar) -> bool:
    return isinstance(value, str) and value.startswith("$") and not value.startswith("$$")


def _parts(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value with their places, not the keys of its mappings."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _parts(part, f"{at}.{key}")
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _parts(part, f"{at}[{i}]")
    else:
        yield at, value
