"""Error messages for settings: one line each, which begins with the setting's dotted name."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.errors import StructureHandlerNotFoundError as NoHandler

_NOTES = (AttributeValidationNote, IterableValidationNote)


def error_messages(error: Exception, at: str) -> Iterator[str]:
    """Return `place: what is wrong` for each innermost error."""
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            note = next(
                (note for note in getattr(inner, "__notes__", ()) if isinstance(note, _NOTES)), None
            )
            name = getattr(note, "name", getattr(note, "index", None))
            if (
                isinstance(inner, KeyError)
                and isinstance(note, AttributeValidationNote)
                and inner.args == (name,)
            ):
                yield f"{at}: missing key {name!r}"
            else:
                yield from error_messages(
                    inner,
                    at
                    if note is None
                    else f"{at}[{name}]"
                    if isinstance(name, int)
                    else f"{at}.{name}",
                )
    elif isinstance(error, ForbiddenExtraKeysError):
        known = field_names(error.cl)
        for key in sorted(map(str, error.extra_fields)):
            yield (
                f"{at}: unknown key {key!r}{suggestion(key, known) or ';'} known: "
                f"{joined(known) or 'none'}"
            )
    elif isinstance(error, NoHandler):
        yield (
            f"{at}: a field of type {error.type_} cannot be written in a file; leave it to the code"
        )
    else:
        yield f"{at}: {one_line(error)}"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line."""
    words = " ".join(str(error).split())
    return words if isinstance(error, ValueError) and words else f"{type(error).__name__}: {words}"


def either(reasons: Sequence[str], data: Any) -> str:
    """Return why a value is none of several types, of which each has its reason.

    Where it has the form of some, these are what it was meant for.
    """
    expected = re.compile(rf"expected (.*), got {re.escape(describe_value(data))}(.*)", re.DOTALL)
    forms = [expected.fullmatch(reason) for reason in reasons]
    meant = [reason for reason, form in zip(reasons, forms, strict=True) if form is None]
    if meant:
        return " or ".join(meant)
    wanted = " or ".join(dict.fromkeys(form[1] for form in forms if form))
    advice = "".join(dict.fromkeys(form[2] for form in forms if form))
    return f"expected {wanted}, got {describe_value(data)}{advice}"


def field_names(cls: Any) -> list[str]:
    """Return the names of a dataclass's fields that can be set."""
    return [field.name for field in fields(cls) if field.init]


def joined(values: Iterable[Any]) -> str:
    """Return the values separated by commas."""
    return ", ".join(map(str, values))


def suggestion(value: Any, known: Iterable[Any]) -> str:
    """Return "; did you mean ...?" if a known name is close to the value, else an empty text."""
    close = get_close_matches(str(value).lower(), [str(name) for name in known], 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def describe_value(data: Any) -> str:
    """Return a value as a reader of YAML would name it."""
    if data is None or isinstance(data, bool):
        return {None: "nothing", True: "true", False: "false"}[data]
    if isinstance(data, Mapping | list | tuple):
        return "a mapping" if isinstance(data, Mapping) else f"a list of {len(data)}"
    word = (
        "the text"
        if isinstance(data, str)
        else "the number"
        if isinstance(data, int | float)
        else f"the {type(data).__name__}"
    )
    return f"{word} {str(data)[:40]!r}" if isinstance(data, str) else f"{word} {str(data)[:40]}"
