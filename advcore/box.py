"""Checks for attacks and probes that keep to the box [0, 1].

They cannot work on images that have left it.
"""

from typing import Protocol, runtime_checkable

from advcore.attacks.attack import Attack, OverThreat, wrapped
from advcore.attacks.regions import keeps_to_box


@runtime_checkable
class Boxed(Protocol):
    """An attack, a probe or a term that says whether it keeps to the box."""

    @property
    def box(self) -> bool:
        """True if its images must lie in [0, 1], where it keeps them."""


@runtime_checkable
class HoldsAttack(Protocol):
    """A probe or a term that makes one attack."""

    @property
    def attack(self) -> Attack | None:
        """The attack; None for none, or one that `chosen` names."""


@runtime_checkable
class HoldsAttacks(Protocol):
    """A probe or a term that makes several attacks."""

    @property
    def attacks(self) -> tuple[Attack, ...]:
        """The attacks."""


@runtime_checkable
class ChoosesAttacks(Protocol):
    """A probe or a term that chooses its attacks by other settings."""

    @property
    def chosen(self) -> Attack | tuple[Attack, ...]:
        """The result that it makes in the end, whatever stands in its fields."""


def needs_box(holder: object) -> bool:
    """Return whether a probe or a term needs images in [0, 1].

    It says so itself, or any of the attacks that it makes keeps them there.
    """
    own = isinstance(holder, Boxed) and holder.box
    return own or any(map(keeps_box, attacks_of(holder)))


def keeps_box(attack: Attack) -> bool:
    """Return whether an attack, or any that it wraps or holds, keeps images in [0, 1].

    One that has none and does not say so does. Where a threat model takes the ball's place, it says
    so alone.
    """
    if isinstance(attack, OverThreat) and attack.threat is not None:
        return keeps_to_box(attack.threat)
    inner = wrapped(attack) or attacks_of(attack)
    own = attack.box if isinstance(attack, Boxed) else not inner
    return own or any(map(keeps_box, inner))


def attacks_of(holder: object) -> tuple[Attack, ...]:
    """Return the attacks that a probe or a term makes, as one of the Protocols above says.

    It is empty for another one.
    """
    if isinstance(holder, ChoosesAttacks):
        return holder.chosen if isinstance(holder.chosen, tuple) else (holder.chosen,)
    if isinstance(holder, HoldsAttack) and holder.attack is not None:
        return (holder.attack,)
    return holder.attacks if isinstance(holder, HoldsAttacks) else ()
