"""The training loop: epoch by epoch, and on from any of them."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore.box import needs_box
from advcore.classifier import check_batch, check_images, check_labels
from advcore.randomness import Randomness
from advcore.training.recipe import Recipe


@dataclass(frozen=True)
class Epoch:
    """One pass over the training set: its number from 1, the mean of the objective and, without their weights, of its terms, and
    the learning rate it ended with."""

    number: int
    loss: float
    terms: Mapping[str, float]
    learning_rate: float


class Fit:
    """A training of `network` in place, which can be left after any epoch and gone on with.

    All that an epoch draws (the order of samples, noise, dropout) comes from the recipe's seed and the epoch's number, so `state`
    is enough to go on from: deterministic given the recipe and the network's first weights, bit for bit on CPUs with the same
    number of threads, interrupted or not. The global random state is left as it was.

    Args:
        network: left in evaluation mode after each epoch.
        images: `(N, C, H, W)` in [0, 1], on the network's device.
        labels: `(N,)`.
        box: whether images must lie in [0, 1]; False for transformed ones, on which no objective can attack in that box.

    Attributes:
        done: epochs so far.
    """

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, box: bool = True) -> None:
        for term in recipe.objective.values():
            if not box and needs_box(term):
                raise ValueError(f"{term!r} attacks in the box [0, 1]: it needs images in it and box=True")
        (check_images if box else check_batch)(images)
        with torch.no_grad():
            check_labels(labels, len(images), network.eval()(images[:2]).shape[1])
        self.network, self.images, self.labels, self.recipe = network, images, labels, recipe
        self.optimiser = torch.optim.SGD(
            network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self.done = 0

    def epoch(self) -> Epoch:
        """The next pass over the training set. Raises FloatingPointError when the objective is no longer finite."""
        totals = dict.fromkeys(("loss", *self.recipe.objective), 0.0)
        steps = math.ceil(len(self.images) / self.recipe.batch_size)
        self.network.train()
        with _random_state(self.recipe.seed, self.done, self.images.device):
            for step, rows in enumerate(self._order().split(self.recipe.batch_size)):
                rate, values = self._step(rows, (self.done * steps + step + 1) / (self.recipe.epochs * steps + 1))
                for name, value in values.items():
                    totals[name] += value.item() * len(rows)
        self.network.eval()
        self.done += 1
        means = {name: total / len(self.images) for name, total in totals.items()}
        return Epoch(self.done, means.pop("loss"), means, rate)

    def state(self) -> dict[str, Tensor]:
        """All that the next epoch needs, by name: weights, the optimiser's memory, the number of epochs done."""
        memory = {
            f"optimiser.{index}.{name}": torch.as_tensor(value)
            for index, values in self.optimiser.state_dict()["state"].items()
            for name, value in values.items()
            if value is not None
        }
        weights = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        return {"done": torch.tensor(self.done), **weights, **memory}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave in a training of the same recipe."""
        self.done = int(state["done"])
        self.network.load_state_dict(_under("network", state))
        memory: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimiser", state).items():
            index, _, name = key.partition(".")
            memory.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": memory})

    def _order(self) -> Tensor:
        """Every sample once, drawn anew in each epoch."""
        samples = Randomness(self.recipe.seed, torch.arange(len(self.images), device=self.images.device))
        return samples.stream("order", self.done).uniform(()).argsort(stable=True)

    def _step(self, rows: Tensor, progress: float) -> tuple[float, dict[str, Tensor]]:
        """One step of the optimiser; gives the learning rate, the objective (`loss`) and its terms."""
        recipe = self.recipe
        rate = recipe.learning_rate * recipe.rate(progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        randomness = Randomness(recipe.seed, rows).stream("epoch", self.done)
        objective = {name: term for name, term in recipe.objective_at(progress).items() if term.weight}
        values = {name: term(self.network, self.images[rows], self.labels[rows], randomness) for name, term in objective.items()}
        loss = torch.stack([objective[name].weight * value for name, value in values.items()]).sum()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the objective is {loss.item()} in epoch {self.done + 1}; lower learning_rate or set gradient_clip"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.gradient_clip)
        self.optimiser.step()
        return rate, {**values, "loss": loss}


def fit(network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, box: bool = True) -> Iterator[Epoch]:
    """Train `network` in place from its first epoch to its last, one each time the iterator is asked; see `Fit`."""
    training = Fit(network, images, labels, recipe, box)
    while training.done < recipe.epochs:
        yield training.epoch()


def _under(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of a state whose keys begin with `name.`, without it."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


@contextmanager
def _random_state(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """torch's own generators, which dropout draws from, seeded inside and as they were on exit."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed((seed * 1_000_003 + epoch) % 2**63)
        yield
