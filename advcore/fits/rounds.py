"""The rounds of a fit: shares are added in the order of the shards, wherever they come from."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.fits.fit import Fit, FitSamples, FitState, Sums, check_declared
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Share = Sums | Callable[[], Sums]
"""The share of a shard, or what fetches it when its turn has come."""


class Adder:
    """Add the shares of a round in float64, in the order of the shards.

    The same shares give the same bits in whatever order they are put. One that comes before its
    turn is held as it was put: where that is a callable, its tensors are fetched when they are
    added, and forgotten after that. One addition of float32 numbers in float64 rounds by 1e-16 of
    the sum, so thousands of shares cost no digit of float32.
    """

    def __init__(self, shards: Sequence[int]) -> None:
        """`shards`: those of the round, in the order in which they are added; none twice."""
        if not shards or len(set(shards)) != len(shards):
            raise ValueError(f"a round has at least one shard and none twice; got {list(shards)}")
        self._shards = list(shards)
        self._early: dict[int, Share] = {}
        self._added = 0
        self._sums: dict[str, Tensor] = {}

    @property
    def missing(self) -> tuple[int, ...]:
        """The shards that were not put yet, in their order."""
        return tuple(one for one in self._shards[self._added :] if one not in self._early)

    @property
    def held(self) -> int:
        """The number of shares that came before their turn."""
        return len(self._early)

    def put(self, shard: int, share: Share) -> None:
        """Add the share of a shard, and those behind it that waited for it, or hold it.

        Raises ValueError for a shard that is not of this round or was put before, and for shares
        whose tensors differ in name or shape.
        """
        if shard not in self.missing:
            raise ValueError(
                f"shard {shard} is not of this round, or was put before; missing are "
                f"{list(self.missing)}"
            )
        self._early[shard] = share
        while self._added < len(self._shards) and self._shards[self._added] in self._early:
            turn = self._shards[self._added]
            given = self._early.pop(turn)
            self._add(turn, given() if callable(given) else given)
            self._added += 1

    def sums(self) -> dict[str, Tensor]:
        """Return the sums of all shares. Raises ValueError while shards are missing."""
        if self.missing:
            raise ValueError(f"the round is not over; missing are the shards {list(self.missing)}")
        return self._sums

    def _add(self, shard: int, share: Sums) -> None:
        if not self._added:
            self._sums = {
                name: torch.zeros(tensor.shape, dtype=torch.float64)
                for name, tensor in share.items()
            }
        expected, came = _shapes(self._sums), _shapes(share)
        if expected != came:
            raise ValueError(
                f"all shares of a round hold tensors of the same names and shapes, here {expected};"
                f" that of shard {shard} holds {came}"
            )
        for name, tensor in share.items():
            self._sums[name] += tensor.detach().to("cpu", torch.float64)


def fit_here(
    fit: Fit,
    classifier: Classifier,
    batches: Sequence[Batch],
    samples: FitSamples,
    state: FitState | None = None,
) -> FitState:
    """Learn a fit in this process: all rounds over the given shards, or those that are left.

    This is the reference of what a fit comes to, wherever its shards are computed: equal shares
    give equal bits.

    Args:
        batches: one a shard, in the order of the samples: `start` of each is the number of samples
            before it.
        state: state to go on from; the first one when None.
    """
    fit.validate(samples)
    state = fit.start(samples) if state is None else state
    while not state.done:
        state = next_round(fit, classifier, batches, samples, state)
    return state


def next_round(
    fit: Fit,
    classifier: Classifier,
    batches: Sequence[Batch],
    samples: FitSamples,
    state: FitState,
) -> FitState:
    """Return the state after one more round over the shards."""
    adder = Adder(fit.shards(state, len(batches)))
    for shard in adder.missing:
        batch = batches[shard]
        noise = Randomness(samples.seed, batch.indices)
        adder.put(shard, fit.share(classifier, batch, state, noise))
    after = fit.after(samples, state, adder.sums())
    check_declared(fit, samples, after)
    return after


def _shapes(tensors: Sums) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in sorted(tensors.items())}
