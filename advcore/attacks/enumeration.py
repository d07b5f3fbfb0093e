"""Every set of few changes of binary features or tokens: exact, and soon too many."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import comb

from torch import Tensor

from advcore.attacks.grid_search import Tries
from advcore.randomness import Randomness
from advcore.threats.discrete import DiscreteRegion, counting
from advcore.threats.region import Region


@dataclass(frozen=True)
class Enumeration(Tries):
    """Try every set of at most eps changes, and keep the worst for each sample: exact.

    Attributes:
        threat: threat model that counts changes: `flips`, `tokens` or `neighbours`.
        eps: largest number of changes, one for all or `(B,)`; a study's grid of eps takes its place
            when None.
        most: largest number of sets that are tried; more are refused.
    """

    most: int = 100_000

    def _parameters(self, region: Region, randomness: Randomness) -> Iterator[Tensor]:
        region = counting(region, self.threat.name)
        places, others = region.held.shape[1], region.choices - 1
        changes = range(int(region.allowed.max()) + 1)
        sets = sum(comb(places, count) * others**count for count in changes)
        if sets > self.most:
            raise ValueError(
                f"{changes[-1]} changes at {places} places make {sets} sets; most is {self.most}: "
                "take a smaller eps, greedy, or a larger most"
            )
        for count in changes:
            for chosen in combinations(range(places), count):
                for shifts in product(range(1, others + 1), repeat=count):
                    yield region.project(_changed(region, chosen, shifts))


def _changed(region: DiscreteRegion, chosen: tuple[int, ...], shifts: tuple[int, ...]) -> Tensor:
    """The parameters at which the chosen places hold the values so many further on."""
    held = region.held.clone()
    for place, shift in zip(chosen, shifts, strict=True):
        held[:, place] = (held[:, place] + shift) % region.choices
    return region.holding(held)
