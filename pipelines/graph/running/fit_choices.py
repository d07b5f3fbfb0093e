"""The message about a fit that does not do where it is named, with the fits that would."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from advcore.fits import FITS, FitSamples, declared_by
from advcore.learnt import Learnt, with_learnt
from advcore.workers.errors import USERS_ERRORS, InputError

Check = Callable[[Any], None]
"""A check of settings, whose fits are declared; it raises what it refuses."""


def check_with_fits(
    at: str, settings: Any, check: Check, others: Mapping[str, Learnt], kinds: Mapping[str, Learnt]
) -> None:
    """Run a check. Raises InputError for what it refuses, with its place and what would do.

    Where another of the study's fits, `others` by name, passes in the place of one, the message has
    that place and the names of those that pass; else those of `kinds`, by name.
    """
    try:
        check(settings)
    except USERS_ERRORS as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        place, told = _advice(at, settings, check, others, kinds)
        raise InputError(f"{place}: {kind}{error}{told}") from error


def kinds_of_fits(samples: FitSamples) -> dict[str, Learnt]:
    """Return what the fits of the table would declare, by kind, of those that need no setting."""
    found = {}
    for kind, cls in FITS.items():
        if all(_has_default(own) for own in fields(cls)):
            found[kind] = Learnt(kind, declared=declared_by(cls(), samples))
    return found


def _has_default(own: Field[Any]) -> bool:
    return own.default is not MISSING or own.default_factory is not MISSING


def _advice(
    at: str, settings: Any, check: Check, others: Mapping[str, Learnt], kinds: Mapping[str, Learnt]
) -> tuple[str, str]:
    for place, own in _places(settings, at):
        names = _passing(settings, own, check, others)
        if names:
            return place, f"; of the fits of the study, {', '.join(names)} would do"
        names = _passing(settings, own, check, kinds)
        if names:
            return place, f"; a fit of kind {' or '.join(names)} would do"
    return at, ""


def _passing(settings: Any, own: Learnt, check: Check, others: Mapping[str, Learnt]) -> list[str]:
    """Return which fits pass the check in the place of one."""
    found = []
    for name, other in others.items():
        tried = with_learnt(settings, lambda one, other=other: other if one == own else one)
        try:
            check(tried)
        except USERS_ERRORS:
            continue
        found.append(name)
    return found


def _places(settings: Any, at: str) -> Iterator[tuple[str, Learnt]]:
    """Yield the references to fits in settings, each with its place in the document."""
    if isinstance(settings, Learnt):
        yield at, settings
    elif is_dataclass(settings):
        for own in fields(settings):
            yield from _places(getattr(settings, own.name), f"{at}.{own.name}")
    elif isinstance(settings, Mapping):
        for name, part in settings.items():
            yield from _places(part, f"{at}.{name}")
    elif isinstance(settings, list | tuple):
        for number, part in enumerate(settings):
            yield from _places(part, f"{at}[{number}]")
