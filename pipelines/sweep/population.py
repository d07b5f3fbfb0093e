"""Population-based training: which settings can change between two epochs, and to what."""

import numpy as np

from advcore.pipelines.sweep.space import Domain, Point, Space, Value
from advcore.training.change import changeable

RECIPE = "recipe."
"""Beginnings of the names of settings that may change."""

FACTORS = (0.8, 1.25)
"""Factors, one of which multiplies a number."""


def can_change_between_epochs(name: str) -> bool:
    """True if a setting of a training, by its dotted name, may change between two epochs."""
    return name.startswith(RECIPE) and changeable(name.removeprefix(RECIPE))


def check_population(space: Space) -> None:
    """Raise ValueError if nothing in the space can change during a training.

    Also if what follows from a changing setting cannot change.
    """
    moved = [
        name for name, domain in space.items() if domain.free and can_change_between_epochs(name)
    ]
    if not moved:
        raise ValueError(
            "pbt changes numbers of recipe.objective, recipe.learning_rate, recipe.weight_decay "
            "or recipe.gradient_clip between epochs, and the space has none of them; it has "
            f"{', '.join(space)}: add one, or take asha"
        )
    for name, domain in space.items():
        if not can_change_between_epochs(name) and any(other in moved for other in domain.names):
            raise ValueError(
                f"{name} follows from a setting that pbt changes, and cannot change in a "
                "training: leave it out"
            )


def explored(space: Space, point: Point, random: np.random.Generator, resample: float) -> Point:
    """Return the point with each changeable setting drawn anew or moved a little.

    It is drawn anew with the probability `resample`, else a number is multiplied by one of
    `FACTORS` inside its domain, and a value of a grid or choice is replaced by a neighbour.
    """
    return {
        name: _moved(space[name], value, random, resample)
        if space[name].free and can_change_between_epochs(name)
        else value
        for name, value in point.items()
    }


def _moved(domain: Domain, value: Value, random: np.random.Generator, resample: float) -> Value:
    values = domain.each or domain.choice
    anew = random.random() < resample
    if values is not None:
        if anew:
            return values[int(random.integers(len(values)))]
        return values[
            min(max(values.index(value) + int(random.choice((-1, 1))), 0), len(values) - 1)
        ]
    if anew or isinstance(value, str | None):
        return domain.draw(random)
    low, high = (
        domain.uniform or domain.loguniform or domain.quniform or domain.randint or (0, 1)
    )[:2]
    number = value * float(random.choice(FACTORS))
    if domain.quniform is None and domain.randint is None:
        return min(max(number, low), high)
    step, last = (1, high - 1) if domain.quniform is None else (domain.quniform[2], high)
    moved = round(number / step) * step
    moved += 0 if moved != value else step if number > value else -step
    moved = round(min(max(moved, low), last), 12)
    return int(moved) if domain.quniform is None else moved
