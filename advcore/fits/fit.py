"""The seam of fits: reductions over shards that learn from many samples of one model.

A fit runs in rounds. In each one every worker computes the sums of its shards (`share`), they are
added in the order of the shards, and one `after` makes the next state of them. Nothing here knows
files, Ray or where shards are computed; the same sums in the same order give the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from advcore.classifier import Classifier
from advcore.learnt import Declared
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Sums = Mapping[str, Tensor]
"""The share of a shard in a round: tensors of the same names and shapes from every shard."""


@dataclass(frozen=True)
class FitState:
    """The tensors of a fit after some rounds, which are learnt when it is `done`.

    Attributes:
        tensors: tensors by name, on the CPU; they are made contiguous, for a file of another layout
            is read wrong.
        rounds: number of rounds that were made.
        done: whether there is no further round.
        history: how it converges: by name, a number a round, or fewer where a name comes later.
    """

    tensors: Mapping[str, Tensor]
    rounds: int = 0
    done: bool = False
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {name: tensor.detach().contiguous() for name, tensor in self.tensors.items()}
        object.__setattr__(self, "tensors", own)


@dataclass(frozen=True)
class FitSamples:
    """The samples of a fit, apart from their pixels.

    Attributes:
        shape: shape of one input.
        classes: number of logits.
        count: number of samples.
        seed: seed of all that is drawn.
    """

    shape: tuple[int, ...]
    classes: int
    count: int
    seed: int = 0


class Fit(Protocol):
    """A frozen dataclass of settings with these methods."""

    def validate(self, samples: FitSamples) -> None:
        """Raise ValueError for what these settings cannot be learnt from."""

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes of the tensors that will be learnt, by name.

        A study is checked by them before anything is learnt: whoever names the fit asks there for
        what it needs. The last state has these tensors, and may have others beside.
        """

    def start(self, samples: FitSamples) -> FitState:
        """Return the state before the first round."""

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        """Return which of `count` shards have a share in the next round: ascending, at least one.

        All of them, unless a round is a mini-batch.
        """

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        """Return the sums of one shard, in float32, or float64 where counts need it.

        Raises ValueError for inputs that are not finite, and for labels that are not of the
        classes, where it reads them.

        What each sample gives of its own, a distance say, is a tensor over all samples that is 0
        but at `batch.start` and behind it.
        """

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        """Return the next state from the sums of the round, added in float64."""


@runtime_checkable
class InNorm(Protocol):
    """A fit that learns in a norm, in which what is compared with it is as long as it is."""

    @property
    def norm(self) -> str:
        """The name of the norm."""


@runtime_checkable
class Warns(Fit, Protocol):
    """A fit that can end at something else than what was asked for."""

    def warnings(self, tensors: Mapping[str, Tensor]) -> Mapping[str, str]:
        """Return what may mislead in the tensors that were learnt, a sentence by name."""


def declared_by(fit: Fit, samples: FitSamples) -> Declared:
    """Return what a fit says of itself before it is learnt."""
    return Declared(dict(fit.tensors(samples)), fit.norm if isinstance(fit, InNorm) else None)


def check_declared(fit: Fit, samples: FitSamples, state: FitState) -> None:
    """Raise ValueError where a state that is done lacks tensors that the fit declares."""
    if not state.done:
        return
    there = {name: tuple(tensor.shape) for name, tensor in state.tensors.items()}
    for name, shape in fit.tensors(samples).items():
        if there.get(name) != tuple(shape):
            raise ValueError(
                f"a fit must learn what it declares in tensors(); expected {name} of shape "
                f"{tuple(shape)}, got {there.get(name, 'none')}"
            )
