"""The attacks that a library has: the library, its attacks by name, their settings.

And one line for what it does not have.
"""

import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import TypeVar

from advcore.workers.errors import InputError

T = TypeVar("T")

Settings = Mapping[str, bool | int | float | str | None]
"""A peer's own settings by the names that it gives them."""


def library(module: str, package: str) -> ModuleType:
    """Import an optional library.

    Raises InputError, which names the package, where it is missing.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"the library {package} is not installed ({error}): pip install {package}"
        ) from error


def choose(kind: str, name: str, kinds: Mapping[str, Mapping[str, T]], what: str = "attack") -> T:
    """The attack of that kind and name, or `what` else the library has.

    Raises InputError, which says what there is, where there is none.
    """
    if name in kinds[kind]:
        return kinds[kind][name]
    other = next((other for other, known in kinds.items() if name in known), None)
    if other is not None:
        raise InputError(
            f"{kind}: {name} takes {'no eps' if other.endswith('minimal') else 'an eps'}; name "
            f"it by kind {other}"
        )
    near = get_close_matches(name, kinds[kind], 3, 0.5) or sorted(kinds[kind])
    raise InputError(f"{kind}: there is no {what} {name!r}; there is {', '.join(near)}")


def parameters(function: Callable[..., object]) -> set[str]:
    """The names of what a function or a class takes."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name
        for name, value in inspect.signature(function).parameters.items()
        if value.kind in kinds
    }


def check_settings(kind: str, name: str, settings: Settings, known: Collection[str]) -> None:
    """Raise InputError where a setting is none of the attack's."""
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(
            f"{kind}: {name} knows no setting {', '.join(unknown)}; known: "
            f"{', '.join(sorted(known)) or 'none'}"
        )
