"""The members that all wrappers of one attack share."""

from abc import ABC
from dataclasses import dataclass, replace
from typing import Self

from advcore.attacks.attack import Attack, norm_of


@dataclass(frozen=True)
class AroundOne(ABC):
    """An attack that runs another one, in whose norm it searches."""

    attack: Attack

    @property
    def norm(self) -> str:
        """The attack's norm, or the name of its threat model."""
        return norm_of(self.attack)

    @property
    def wrapped(self) -> tuple[Attack, ...]:
        """The attack."""
        return (self.attack,)

    def with_wrapped(self, attacks: tuple[Attack, ...]) -> Self:
        """The same around another attack."""
        (attack,) = attacks
        return replace(self, attack=attack)
