"""The training loop: epoch by epoch, and on from any of them."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from advcore.box import needs_box
from advcore.classifier import check_batch, check_images, check_labels
from advcore.criteria import as_labels
from advcore.randomness import Randomness
from advcore.training.augmentation import augmented
from advcore.training.ema import update_ema
from advcore.training.freezing import freeze
from advcore.training.inputs import Inputs
from advcore.training.mixed_precision import autocast, check_precision
from advcore.training.optimisers import optimiser
from advcore.training.pictures import check_inputs
from advcore.training.recipe import Recipe
from advcore.training.state import as_tensors, prefixed, with_prefix
from advcore.training.term import Replaying, prepared, values_of_steps


@dataclass(frozen=True)
class Epoch:
    """One pass over the training set.

    Its number from 1, the mean of the objective and, without their weights, of its terms, and the
    learning rate it ended with.
    """

    number: int
    loss: float
    terms: Mapping[str, float]
    learning_rate: float


class TrainingLoop:
    """A training of `network` in place, which can be left after any epoch and gone on with.

    All that an epoch draws (the order of samples, noise, dropout) comes from the recipe's seed and
    the epoch's number, so `state` is enough to go on from: deterministic given the recipe and the
    network's first weights, bit for bit on CPUs with the same number of threads, interrupted or
    not. The global random state is left as it was.

    Args:
        network: left in evaluation mode after each epoch.
        images: `(N, C, H, W)` in [0, 1], on the network's device; `Inputs` that are no tensor are
            read batch by batch, in the order of each epoch, and give the same bits.
        labels: `(N,)`.
        box: whether images must lie in [0, 1]; False for transformed ones, on which no objective
            can attack in that box.
        frozen: patterns of what stays as it is, see `advcore.training.freezing.freeze`.
        head: name of a layer that no pattern reaches.

    Attributes:
        done: epochs so far.
        result: what would be handed out now, in evaluation mode: the average of the weights where
            the recipe wants one, else `network` itself.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Inputs,
        labels: Tensor,
        recipe: Recipe,
        box: bool = True,
        frozen: Sequence[str] = (),
        head: str | None = None,
    ) -> None:
        for part in (*recipe.objective.values(), *recipe.augmentation):
            if not box and needs_box(part):
                raise ValueError(
                    f"{part!r} keeps to the box [0, 1]: it needs images in it and box=True"
                )
        layout = torch.channels_last if recipe.channels_last else torch.preserve_format
        labels = as_labels(labels)
        first = images[torch.arange(min(2, len(images)), device=images.device)]
        seen = images if isinstance(images, Tensor) else first
        seen = check_images(seen) if box else seen
        check_batch(seen)
        check_inputs(recipe, tuple(seen.shape[1:]))
        with torch.no_grad():
            check_labels(labels, len(images), network.eval()(seen[:2]).shape[1])
        check_precision(recipe.precision, images.device)
        self._frozen = freeze(network, frozen, head)
        self._layout = layout
        self.network, self.labels = network.to(memory_format=layout), labels
        self.images = seen.to(memory_format=layout) if isinstance(images, Tensor) else images
        self.recipe, self._now, self.done = recipe, recipe, 0
        self.result = network if recipe.ema is None else copy.deepcopy(network)
        own = {
            name: module
            for name, module in prepared(recipe.objective, network).items()
            if module is not network
        }
        self._prepared = nn.ModuleDict(own)
        stepping: nn.Module = torch.compile(network) if recipe.compile else network  # type: ignore[assignment]
        self._networks = {name: own.get(name, stepping) for name in recipe.objective}
        parameters = nn.ModuleList([network, self._prepared]).parameters()
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        replayed = any(
            isinstance(term, Replaying) for term in recipe.objective.values()
        )  # it reads the gradient of its images
        self._inputs = None if replayed else self._parameters
        self._optimiser = optimiser(
            recipe.optimiser,
            self._parameters,
            recipe.momentum,
            recipe.nesterov,
            recipe.weight_decay,
        )
        self._scaler = torch.amp.GradScaler(
            images.device.type, enabled=recipe.precision == "float16"
        )

    def epoch(self) -> Epoch:
        """The next pass over the training set.

        Raises FloatingPointError when the objective is no longer finite.
        """
        totals, seen = dict.fromkeys(("loss", *self.recipe.objective), 0.0), 0
        batches = self._batches()
        steps = len(batches)
        self._now = self.recipe.after(self.done)
        self.network.train()
        for layer in self._frozen:
            layer.eval()
        with _random_state(self.recipe.seed, self.done, self.images.device):
            for step, rows in enumerate(batches, self.done * steps):
                progress = (step + 1) / (self.recipe.epochs * steps + 1)
                rate = self._now.learning_rate * self._now.rate(progress)
                for group in self._optimiser.param_groups:
                    group["lr"], group["weight_decay"] = rate, self._now.weight_decay
                for values in self._steps(rows, progress):
                    for name, value in values.items():
                        totals[name] += value.item() * len(rows)
                    seen += len(rows)
                if self.recipe.ema is not None:
                    update_ema(self.result, self.network, self.recipe.ema, step)
        self.network.eval()
        self.done += 1
        means = {name: total / seen for name, total in totals.items()}
        return Epoch(self.done, means.pop("loss"), means, rate)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next epoch needs, by name.

        Weights, what terms bring, the average, the optimiser's memory, the number of epochs done.
        """
        memory = {
            str(index): as_tensors(values)
            for index, values in self._optimiser.state_dict()["state"].items()
        }
        return {
            "done": torch.tensor(self.done),
            **prefixed(
                network=self.network.state_dict(),
                prepared=self._brought(),
                average={} if self.recipe.ema is None else self.result.state_dict(),
                optimiser=prefixed(**memory),
                scaler=as_tensors(self._scaler.state_dict()),
            ),
        }

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave in a training of the same recipe."""
        self.done = int(state["done"])
        self.network.load_state_dict(with_prefix("network", state))
        self._prepared.load_state_dict(
            with_prefix("prepared", state), strict=False
        )  # the network's own are not held twice
        if self.recipe.ema is not None:
            self.result.load_state_dict(with_prefix("average", state))
        memory: dict[int, dict[str, Tensor]] = {}
        for key, value in with_prefix("optimiser", state).items():
            index, _, name = key.partition(".")
            memory.setdefault(int(index), {})[name] = value
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": memory})
        self._scaler.load_state_dict(
            {name: value.item() for name, value in with_prefix("scaler", state).items()}
        )

    def _brought(self) -> dict[str, Tensor]:
        """Return what the terms' modules hold that is not the network's."""
        own = {tensor.data_ptr() for tensor in self.network.state_dict().values()}
        return {
            name: tensor
            for name, tensor in self._prepared.state_dict().items()
            if tensor.data_ptr() not in own
        }

    def _order(self) -> Tensor:
        """Every sample once, drawn anew in each epoch."""
        samples = Randomness(
            self.recipe.seed, torch.arange(len(self.images), device=self.images.device)
        )
        return samples.stream("order", self.done).uniform(()).argsort(stable=True)

    def _batches(self) -> tuple[Tensor, ...]:
        """The samples of each step.

        A last one alone joins those before it where batch normalisation needs several.
        """
        batches = self._order().split(self.recipe.batch_size)
        alone = len(batches) > 1 and len(batches[-1]) == 1
        if alone and any(isinstance(module, _BatchNorm) for module in self.network.modules()):
            return *batches[:-2], torch.cat(batches[-2:])
        return batches

    def _taken(self, rows: Tensor) -> Tensor:
        """Return some images, in the layout of the network."""
        images = self.images[rows]
        return images if isinstance(self.images, Tensor) else images.to(memory_format=self._layout)

    def _steps(self, rows: Tensor, progress: float) -> Iterator[dict[str, Tensor]]:
        """Yield each step on the samples `rows`: the objective (`loss`) and its terms.

        There is one step unless a term replays them.
        """
        recipe = self._now
        randomness = Randomness(recipe.seed, rows).stream("epoch", self.done)
        images, labels = (
            augmented(recipe.augmentation, self._taken(rows), randomness),
            self.labels[rows],
        )
        objective = {
            name: term for name, term in recipe.objective_at(progress).items() if term.weight
        }
        steps = values_of_steps(objective, self._networks, images, labels, randomness)
        while True:
            with autocast(recipe.precision, images.device):
                values = next(steps, None)
            if values is None:
                return
            loss = torch.stack(
                [objective[name].weight * value for name, value in values.items()]
            ).sum()
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the objective is {loss.item()} in epoch {self.done + 1}; lower "
                    "learning_rate or set gradient_clip"
                )
            self._descend(loss)
            yield {**values, "loss": loss}

    def _descend(self, loss: Tensor) -> None:
        """Take one step of the optimiser.

        There is none where the loss is a constant, that of a regulariser alone at eps 0.

        Without `inputs`, the backward pass of a term that differentiates an input gradient would go
        on to the images.
        """
        if not loss.requires_grad:
            return
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward(inputs=self._inputs)
        if self._now.gradient_clip is not None:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_(self._parameters, self._now.gradient_clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if self._now.weight_clip is not None:
            with torch.no_grad():
                for parameter in self._parameters:
                    parameter.clamp_(-self._now.weight_clip, self._now.weight_clip)


def fit(
    network: nn.Module,
    images: Inputs,
    labels: Tensor,
    recipe: Recipe,
    box: bool = True,
    frozen: Sequence[str] = (),
) -> Iterator[Epoch]:
    """Train `network` in place; yield each of its epochs when the iterator is asked.

    See `TrainingLoop`.

    After the last one its weights are their average, where the recipe wants that.
    """
    training = TrainingLoop(network, images, labels, recipe, box, frozen)
    while training.done < recipe.epochs:
        epoch = training.epoch()
        if training.done == recipe.epochs:
            network.load_state_dict(training.result.state_dict())
        yield epoch


@contextmanager
def _random_state(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Torch's own generators, which dropout draws from, seeded inside and as they were on exit."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed((seed * 1_000_003 + epoch) % 2**63)
        yield
