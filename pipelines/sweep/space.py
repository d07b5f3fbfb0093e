"""The space of a sweep: the values of each setting, and the points that are tried."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

Value = int | bool | float | str | None
"""A value of a setting; a number may be written as `8/255`."""

Point = dict[str, Value]
"""A value for each setting of the space, by dotted name."""

POINTS = 10_000
"""Largest number of points of a sweep: more are a mistake, and would fill the memory before the
first is tried."""

DEPENDENT = ("same_as", "product")


@dataclass(frozen=True)
class Domain:
    """The values of one setting: exactly one of these fields is given.

    Attributes:
        grid: values, each tried with each value of the other grids.
        cases: settings that change together, as a grid: by the name of the case their values, by
            dotted name. It stands in the space under any name that is none of a setting: `method:
            {cases: {fgsm: {a.steps: 1}, pgd: {a.steps: 7}}}`.
        choice: values to draw from, all equally likely.
        uniform: lower and upper end of a uniform draw.
        loguniform: lower and upper end, both positive, of a draw whose logarithm is uniform.
        quniform: low, high, step: a draw of a multiple of the step between the two.
        randint: ends of a draw of whole numbers: the first is included, the second is not.
        same_as: dotted name of another setting whose value is taken.
        product: factors, numbers or other settings' dotted names: `[0.5, a.b]` is half of
            a.b, `[0.1, a.b, a.b]` goes as its square.
    """

    grid: tuple[Value, ...] | None = None
    cases: dict[str, dict[str, Value]] | None = None
    choice: tuple[Value, ...] | None = None
    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    quniform: tuple[float, float, float] | None = None
    randint: tuple[int, int] | None = None
    same_as: str | None = None
    product: tuple[float | str, ...] | None = None

    def __post_init__(self) -> None:
        given = [entry.name for entry in fields(self) if getattr(self, entry.name) is not None]
        if len(given) != 1:
            known = ", ".join(entry.name for entry in fields(self))
            raise ValueError(
                f"expected exactly one of {known}; got {' and '.join(given) or 'none'}"
            )
        for name in ("grid", "cases", "choice", "product"):
            if getattr(self, name) in ((), {}):
                raise ValueError(f"{name} must hold at least one value; got none")
        if self.cases is not None and len({frozenset(case) for case in self.cases.values()}) > 1:
            shown = "; ".join(
                f"{name}: {', '.join(case) or 'nothing'}" for name, case in self.cases.items()
            )
            raise ValueError(
                f"all cases must set the same settings, so that each is known in each; got {shown}"
            )
        for name in ("uniform", "loguniform", "quniform", "randint"):
            ends = getattr(self, name)
            if ends is not None and not (ends[0] < ends[1] and all(map(math.isfinite, ends))):
                raise ValueError(f"{name} goes from a lower to a higher number; got {list(ends)}")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError(f"loguniform is of positive numbers; got {list(self.loguniform)}")
        if self.quniform is not None and self.quniform[2] <= 0:
            raise ValueError(f"the step of quniform must be positive; got {self.quniform[2]}")

    @property
    def kind(self) -> str:
        """The field that is given."""
        return next(entry.name for entry in fields(self) if getattr(self, entry.name) is not None)

    @property
    def free(self) -> bool:
        """True if the setting takes its own value, and does not follow from others."""
        return self.kind not in DEPENDENT

    @property
    def each(self) -> tuple[Value, ...] | None:
        """The values that are all tried, for a grid or cases."""
        return self.grid if self.cases is None else tuple(self.cases)

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that this one follows from."""
        parts = (self.same_as,) if self.same_as is not None else self.product or ()
        return tuple(part for part in parts if isinstance(part, str))

    def draw(self, random: np.random.Generator) -> Value:
        """Draw a value at random."""
        low, high = (self.uniform or self.loguniform or self.quniform or self.randint or (0, 1))[:2]
        match self.kind:
            case "choice":
                values = self.choice or ()
                return values[int(random.integers(len(values)))]
            case "loguniform":
                return math.exp(random.uniform(math.log(low), math.log(high)))
            case "quniform":
                step = (self.quniform or (0, 0, 1))[2]
                whole = random.integers(
                    math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1
                )
                return round(float(whole) * step, 12)
            case "randint":
                return int(random.integers(int(low), int(high)))
            case _:
                return float(random.uniform(low, high))


Space = Mapping[str, Domain]
"""The domain of each setting, by dotted name."""


def check_space(space: Space) -> None:
    """Raise ValueError for an invalid space.

    Nothing is free, a setting is given twice, or one follows from a setting that is missing or not
    free.
    """
    if not any(domain.free for domain in space.values()):
        raise ValueError("a sweep needs a setting with values of its own: {grid: [...]}, say")
    given = [
        setting
        for domain in space.values()
        for setting in next(iter((domain.cases or {}).values()), {})
    ]
    for setting in given:
        if setting in space or given.count(setting) > 1:
            raise ValueError(
                f"{setting} is set by cases and has values in another place of the space too: "
                "leave one of them"
            )
    free = [name for name, domain in space.items() if domain.free and domain.cases is None]
    for name, domain in space.items():
        for other in domain.names:
            if other not in free:
                raise ValueError(
                    f"{name} follows from {other!r}, which has no values of its own; those "
                    f"that have: {', '.join(free)}"
                )


def points(space: Space, trials: int, seed: int) -> list[Point]:
    """Return all points, each once: the grids' product, `trials` times with new draws of the rest.

    The i-th draw of a setting comes from (seed, i, its name) alone: more trials, or another
    setting, leave the points as they were.
    """
    free = {name: domain for name, domain in space.items() if domain.free}
    grids = {name: domain.each for name, domain in free.items() if domain.each is not None}
    drawn = {name: domain for name, domain in free.items() if domain.each is None}
    every = trials * math.prod(len(values) for values in grids.values())
    if every > POINTS:
        raise ValueError(
            f"a sweep tries at most {POINTS} points; these are {every}: draw settings, or "
            "shorten the grids"
        )
    if trials > 1 and not drawn:
        raise ValueError(
            "a space of grids alone is tried once: leave trials at 1, or draw a setting; got "
            f"trials: {trials}"
        )
    found: dict[str, Point] = {}
    count = 0
    for _ in range(trials):
        for values in itertools.product(*grids.values()):
            own = {
                name: domain.draw(_generator(seed, count, name)) for name, domain in drawn.items()
            }
            point = {**dict(zip(grids, values, strict=True)), **own}
            point = {name: point[name] for name in free}
            found.setdefault(json.dumps(point), point)
            count += 1
    return list(found.values())


def complete(space: Space, point: Point) -> Point:
    """Return the point as settings, with those that follow from others and those of its cases.

    They are in the order of the space.
    """
    settings: Point = {}
    for name, domain in space.items():
        if domain.cases is not None:
            settings |= domain.cases[str(point[name])]
        else:
            settings[name] = point[name] if domain.free else _followed(name, domain, point)
    return settings


def short_names(space: Space) -> dict[str, str]:
    """Return each free setting's shortest unique end of its dotted name: `eps`, `attack.eps`."""
    names = [name for name, domain in space.items() if domain.free]
    return {name: _shortest(name, [other for other in names if other != name]) for name in names}


def label(space: Space, point: Point) -> str:
    """Return a point in words: `eps=0.5 weight=0`."""
    return " ".join(
        f"{short}={value_text(point[name])}" for name, short in short_names(space).items()
    )


def value_text(value: Value) -> str:
    """Return a value in words, numbers to four digits."""
    return (
        f"{value:.4g}"
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def _followed(name: str, domain: Domain, point: Point) -> Value:
    if domain.same_as is not None:
        return point[domain.same_as]
    result = 1.0
    for part in domain.product or ():
        value = point[part] if isinstance(part, str) else part
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(
                f"{name} is a product of numbers; {part} is {value!r}: use same_as, or leave it out"
            )
        result *= value
    return result


def _generator(seed: int, count: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {count} {name}".encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest[:8], "little")))


def _shortest(name: str, others: list[str]) -> str:
    steps = name.split(".")
    for length in range(1, len(steps) + 1):
        end = ".".join(steps[-length:])
        if not any(other == end or other.endswith(f".{end}") for other in others):
            return end
    return name
