"""The message about a fit that does not do where it is named, with the fits that would."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from advcore.fits import FITS, FitSamples, declared_by
from advcore.learnt import Learnt, with_learnt
from advcore.workers.errors import USERS_ERRORS, InputError

Check = Callable[[Any], None]
"""A check of settings, whose fits are declared; it raises what it refuses."""


@dataclass(frozen=True)
class Choices:
    """The fits that may stand in the place of another one.

    Attributes:
        others: other fits of the study by name.
        kinds: fits as their kinds are unless changed, by kind.
        own: kinds of the study's fits, by the label of the fit.
    """

    others: Mapping[str, Learnt]
    kinds: Mapping[str, Learnt]
    own: Mapping[str, str]


def check_with_fits(at: str, settings: Any, check: Check, choices: Choices) -> None:
    """Run a check. Raises InputError for what it refuses, with its place and what would do.

    Where others of the study's fits pass in the place of one, the message has that place and their
    names; else the kinds that pass, unless its own is among them.
    """
    try:
        check(settings)
    except USERS_ERRORS as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        place, told = _advice(at, settings, check, choices)
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


def _advice(at: str, settings: Any, check: Check, choices: Choices) -> tuple[str, str]:
    for place, own in _places(settings, at):
        names = _passing(settings, own, check, choices.others)
        if names:
            return place, f"; of the fits of the study, {', '.join(names)} would do"
        names = _passing(settings, own, check, choices.kinds)
        if names and choices.own.get(own.name) not in names:
            return place, f"; a fit of kind {' or '.join(names)} would do"
    return at, ""


def _passing(settings: Any, own: Learnt, check: Check, others: Mapping[str, Learnt]) -> list[str]:
    """Return which fits pass the check in the place of one."""
    found = []
    for name, other in others.items():
        try:
            check(_with(settings, own, other))
        except USERS_ERRORS:
            continue
        found.append(name)
    return found


def _with(settings: Any, own: Learnt, other: Learnt) -> Any:
    return with_learnt(settings, lambda one: other if one is own else one)


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
