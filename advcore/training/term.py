"""The seam of training: an objective is a weighted sum of terms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.buffers import held_buffers
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels


class Term(Protocol):
    """A frozen dataclass of its weight, radii and steps; each term is pure.

    Cross-entropy on clean images is a term of its own.

    What a term may have besides stands in `Preparing`, `Replaying`, and `advcore.box`.
    """

    @property
    def weight(self) -> float:
        """The factor of its value in the objective, not negative; at 0 it is not computed."""

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """Return its value on a batch without the weight, a scalar to differentiate.

        As a rule it is the mean over samples.

        The network comes in training mode and is left in it; images `(B, C, H, W)`, labels `(B,)`.
        """


@runtime_checkable
class Preparing(Term, Protocol):
    """A term that brings parameters of its own, or works on the network in another form."""

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return what the term is called with in place of the network.

        Called once, before there is an optimiser: its own parameters are trained beside the
        network's. Raises ValueError for a network that it cannot
        work with.
        """


@runtime_checkable
class Replaying(Term, Protocol):
    """A term that takes several steps of the optimiser on each minibatch."""

    @property
    def replays(self) -> int:
        """The number of steps, at least 1."""

    def replay(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Iterator[Tensor]:
        """Iterate over the value of each step, as of a call.

        It is asked for the next one after the backward pass of the one before.
        """


Objective = Mapping[str, Term]
"""The terms whose weighted sum a step minimises, by the names that they bear in files, flags and
metrics."""


def prepared(objective: Objective, network: nn.Module) -> dict[str, nn.Module]:
    """Return what each term is called with: the network, or what its `prepare` makes of it."""
    return {
        name: term.prepare(network) if isinstance(term, Preparing) else network
        for name, term in objective.items()
    }


def values_of_steps(
    objective: Objective,
    networks: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    randomness: Randomness,
) -> Iterator[dict[str, Tensor]]:
    """Yield the value of each term, called with its network, for each step on a minibatch.

    There is one step, or as many as a term replays it.

    The order of terms changes neither the values of a step nor the gradient of their sum: passes in
    evaluation mode, attacks' too, normalise by the running statistics that the step began with, and
    passes in training mode by those of their own batch. What is kept for the next step is moved by
    the passes in training mode, one after the other.
    """
    replayed = {name: term for name, term in objective.items() if isinstance(term, Replaying)}
    counts = {term.replays for term in replayed.values()} or {1}
    if len(counts) > 1:
        raise ValueError(
            "the terms that replay a minibatch must do so equally often; got replays "
            f"{sorted(counts)}"
        )
    runs = {
        name: term.replay(networks[name], images, labels, randomness)
        for name, term in replayed.items()
    }
    for _ in range(counts.pop()):
        with held_buffers(networks.values()):
            values = {
                name: next(runs[name])
                if name in runs
                else term(networks[name], images, labels, randomness)
                for name, term in objective.items()
            }
        yield values


@dataclass(frozen=True)
class CrossEntropy:
    """Plain training: the mean cross-entropy of clean images.

    Attributes:
        weight: weight of the term.
        smoothing: smoothing of the labels (Szegedy et al. 2016, section 7): the target is the label
            with probability `1 - smoothing`, and any of the K classes, the label among them, with
            `smoothing / K` more.
    """

    weight: float = 1.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not 0 <= self.smoothing < 1:
            raise ValueError(
                f"smoothing must lie in [0, 1), 0 for the labels as they are; got {self.smoothing}"
            )

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        return F.cross_entropy(network(images), labels, label_smoothing=self.smoothing)


def check_weight(weight: float) -> None:
    """Raise ValueError for a weight below 0, or NaN."""
    if not weight >= 0:
        raise ValueError(f"weight must not be negative (0 leaves the term out); got {weight}")
