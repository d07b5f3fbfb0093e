"""The training loop."""

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
from advcore.training.term import prepared, values_of_steps


@dataclass(frozen=True)
class Epoch:
    """One pass over the training set: its number from 1, the mean of the objective and, without their weights, of its terms, and
    the learning rate it ended with."""

    number: int
    loss: float
    terms: Mapping[str, float]
    learning_rate: float


def fit(network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, box: bool = True) -> Iterator[Epoch]:
    """Train `network` in place, one epoch each time the iterator is asked; leaves it in evaluation mode.

    Args:
        images: `(N, C, H, W)` in [0, 1], on the network's device.
        labels: `(N,)`.
        box: whether images must lie in [0, 1]; False for transformed ones, on which no objective can attack in that box.

    Deterministic given the recipe's seed and the network's first weights, dropout included, on CPUs with the same number of
    threads; the global random state is left as it was. Raises FloatingPointError when the objective is no longer finite.
    """
    for term in recipe.objective.values():
        if not box and needs_box(term):
            raise ValueError(f"{term!r} attacks in the box [0, 1]: it needs images in it and box=True")
    (check_images if box else check_batch)(images)
    with torch.no_grad():
        check_labels(labels, len(images), network.eval()(images[:2]).shape[1])
    networks = prepared(recipe.objective, network)
    parameters = list(nn.ModuleList([network, *networks.values()]).parameters())
    optimiser = torch.optim.SGD(parameters, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    order = torch.Generator().manual_seed(recipe.seed)
    per_epoch = math.ceil(len(images) / recipe.batch_size)
    for epoch in range(recipe.epochs):
        network.train()
        totals = dict.fromkeys(("loss", *recipe.objective), 0.0)
        seen = 0
        with _random_state(recipe.seed, epoch, images.device):
            for step, rows in enumerate(torch.randperm(len(images), generator=order).to(images.device).split(recipe.batch_size)):
                progress = (epoch * per_epoch + step + 1) / (recipe.epochs * per_epoch + 1)
                rate = recipe.learning_rate * recipe.rate(progress)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                randomness = Randomness(recipe.seed, rows).stream("epoch", epoch)
                objective = {name: term for name, term in recipe.objective_at(progress).items() if term.weight}
                for values in values_of_steps(objective, networks, images[rows], labels[rows], randomness):
                    loss = torch.stack([objective[name].weight * value for name, value in values.items()]).sum()
                    if not torch.isfinite(loss):
                        raise FloatingPointError(
                            f"the objective is {loss.item()} in epoch {epoch + 1}; lower learning_rate or set gradient_clip"
                        )
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()
                    if recipe.gradient_clip is not None:
                        nn.utils.clip_grad_norm_(parameters, recipe.gradient_clip)
                    optimiser.step()
                    for name, value in {**values, "loss": loss}.items():
                        totals[name] += value.item() * len(rows)
                    seen += len(rows)
        network.eval()
        means = {name: total / seen for name, total in totals.items()}
        yield Epoch(epoch + 1, means.pop("loss"), means, rate)


@contextmanager
def _random_state(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """torch's own generators, which dropout draws from, seeded inside and as they were on exit."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed((seed * 1_000_003 + epoch) % 2**63)
        yield
