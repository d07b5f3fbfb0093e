"""A user's own class, named `package.module:Class`.

It is imported, and checked once against what its Protocols ask for, before anything runs.
"""

import importlib
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from advcore.attacks.attack import Attack, BudgetAttack, WrapperAttack, eps_is_set
from advcore.pipelines.claims.kinds import Claim
from advcore.pipelines.claims.measured import Bounded
from advcore.pipelines.settings.messages import describe_value, field_names, joined, one_line
from advcore.probes.probe import Counting, Probe
from advcore.seams import as_written, has_member, lacking, members
from advcore.training.term import Replaying, Term
from advcore.workers.errors import USERS_ERRORS

BESIDES: dict[Any, tuple[type, ...]] = {
    Attack: (WrapperAttack,),
    Probe: (Counting,),
    Term: (Replaying,),
    Claim: (Bounded,),
}
"""Protocols of several members that the classes of a seam may fulfil besides, by seam: a class that
has one of them needs all."""


def own_class(kind: str, seam: Any) -> type:
    """Import a user's own dataclass from `package.module:Class`.

    Raises ValueError where it is no class for this seam, with the words that it lacks.
    """
    module, _, name = kind.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name, None)
    except USERS_ERRORS as error:
        raise ValueError(
            f"kind {kind!r}: module {module!r} cannot be imported ({one_line(error)}); is it on "
            "PYTHONPATH?"
        ) from error
    if not isinstance(cls, type):
        raise ValueError(
            f"kind {kind!r}: expected a frozen dataclass {name!r} in {module!r}, got "
            f"{describe_value(cls)}; define it there"
        )
    check_class(cls, seam, f"kind {kind!r}")
    return cls


def check_class(cls: type, seam: Any, what: str) -> None:
    """Raise ValueError where a class is no frozen dataclass with the members of a seam.

    `what` names the class in the message, which says what it lacks.
    """
    if not (is_dataclass(cls) and cls.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        came = "a dataclass that is not frozen" if is_dataclass(cls) else "another class"
        raise ValueError(
            f"{what}: expected a frozen dataclass {cls.__name__!r}, got {came}; write "
            "@dataclass(frozen=True) above it"
        )
    if "kind" in field_names(cls):
        raise ValueError(
            f"{what}: a field named 'kind' cannot be told from the class's own; rename it"
        )
    for asked in _asked(cls, seam):
        missing = lacking(cls, asked)
        if missing:
            raise ValueError(
                f"{what} is no {asked.__name__}: it lacks {joined(missing)}; write "
                f"{as_written(asked, missing)}"
            )


def _asked(cls: type, seam: Any) -> Iterator[type]:
    """The Protocols that a class has to fulfil: the seam's, and those of which it has a part.

    An attack with an `eps` that is no field has it from attacks that it wraps.
    """
    yield seam
    for other in BESIDES.get(seam, ()):
        if any(has_member(cls, name) for name in members(other).keys() - members(seam).keys()):
            yield other
    if seam in (Attack, BudgetAttack) and has_member(cls, "eps") and not eps_is_set(cls):
        yield WrapperAttack
