"""Changes of a recipe's numbers in the middle of a training.

Population-based training makes such changes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from advcore.training.schedule import map_at_path

CHANGEABLE = ("learning_rate", "weight_decay", "gradient_clip", "objective")
"""The fields of a recipe that may change between two epochs; of the objective any number, by its
dotted name."""


@dataclass(frozen=True)
class Change:
    """Other numbers from the next epoch on; schedules multiply them as they did the first ones.

    Attributes:
        after: epochs that are done by then.
        values: the numbers, by dotted name in the recipe: `learning_rate`, `objective.cure.weight`.
    """

    after: int
    values: dict[str, float]

    def __post_init__(self) -> None:
        if self.after < 1:
            raise ValueError(
                f"a change comes after at least 1 epoch; got after {self.after}: write it into "
                "the recipe itself"
            )
        for name in self.values:
            if not changeable(name):
                raise ValueError(
                    f"a change is of {', '.join(CHANGEABLE)}.NAME; got {name!r}, which holds "
                    "for the whole training"
                )


def changeable(name: str) -> bool:
    """Return whether a number of the recipe, by its dotted name, may change between two epochs."""
    head, _, rest = name.partition(".")
    return head in CHANGEABLE and (head == "objective") == bool(rest)


def changed(recipe: Any, changes: tuple[Change, ...]) -> Any:
    """The recipe with these numbers.

    Raises ValueError for a name that leads to no number, and for a number that does not fit.
    """
    for change in changes:
        for name, number in change.values.items():
            head, *path = name.split(".")
            recipe = replace(
                recipe,
                **{
                    head: map_at_path(
                        getattr(recipe, head), path, _put(number), f"a change of {name!r}"
                    )
                },
            )
    return recipe


def read_numbers(recipe: Any, names: Iterable[str]) -> dict[str, float]:
    """Return the recipe's numbers of these dotted names, without its changes."""
    found: dict[str, float] = {}

    def read(name: str) -> Callable[[float], float]:
        return lambda number: found.setdefault(name, number)

    for name in names:
        head, *path = name.split(".")
        map_at_path(getattr(recipe, head), path, read(name), f"a change of {name!r}")
    return found


def _put(number: float) -> Callable[[float], float]:
    return lambda old: (
        int(number) if isinstance(old, int) and float(number).is_integer() else number
    )
