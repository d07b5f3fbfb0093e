"""Pieces of work on their way, and the time that those left take at the pace of those seen."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass
class Piece:
    """A training, a data set, a fit or a table on its way.

    Attributes:
        family: name of what takes about as long.
        size: epochs of a training, samples of a table; 1 for what is made as a whole.
        made: how much of `size` is there.
        seen: how much of `made` was made in this run.
        seconds: seconds of workers that this run has spent on it.
        results: number of results of it in this run.
        failed: whether it failed.
    """

    family: str
    size: float = 1.0
    made: float = 0.0
    seen: float = 0.0
    seconds: float = 0.0
    results: int = 0
    failed: bool = False

    @property
    def done(self) -> bool:
        """True if all of it is there."""
        return self.made >= self.size

    @property
    def in_work(self) -> bool:
        """True if a part of it is there."""
        return not self.done and not self.failed and (self.results > 0 or self.made > 0)

    @property
    def share(self) -> float:
        """Share of it that is there, in [0, 1]; all where it has no parts at all."""
        return 1.0 if self.done else self.made / self.size

    def finish(self) -> None:
        """Note that all of it is there; of what has no parts, all was seen if any of it was."""
        if self.results and not self.seen:
            self.seen = self.size
        self.made = self.size


def seconds_left(pieces: Collection[Piece], elapsed: float) -> tuple[float | None, tuple[str, ...]]:
    """Return the seconds that the rest takes, and the families of which nothing was seen.

    A family's rate is what this run spent on what it saw of it. Workers side by side, and waiting,
    are in the ratio of the `elapsed` seconds to those that workers spent in them. None where the
    rest has nothing that was seen.
    """
    rates = _rates(pieces)
    rest = [own for own in pieces if not own.done and not own.failed]
    unseen = tuple(dict.fromkeys(own.family for own in rest if own.family not in rates))
    known = [own for own in rest if own.family in rates]
    if rest and not known:
        return None, unseen
    work = sum(_rest(own, rates[own.family]) for own in known)
    spent = sum(own.seconds for own in pieces)
    return work * elapsed / spent if spent else 0.0, unseen


def _rates(pieces: Iterable[Piece]) -> dict[str, float]:
    """Return the seconds of a worker for a unit of each family that was seen."""
    seen, seconds = dict[str, float](), dict[str, float]()
    for own in pieces:
        if own.seen:
            seen[own.family] = seen.get(own.family, 0.0) + own.seen
            seconds[own.family] = seconds.get(own.family, 0.0) + own.seconds
    return {family: seconds[family] / count for family, count in seen.items()}


def _rest(own: Piece, rate: float) -> float:
    """Return the seconds left of a piece, less those spent on it of which nothing is there yet."""
    spent = 0.0 if own.seen else own.seconds
    return max(0.0, rate * (own.size - own.made) - spent)
