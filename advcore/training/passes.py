"""The passes through the network that a training step takes."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.training.term import Objective, prepared, values_of_steps


@dataclass(frozen=True)
class Passes:
    """Passes for each sample of a step, means over the batch.

    Attributes:
        forward: samples that go through the network, for each sample of the batch.
        backward: gradients in the logits that go back through it, to the weights, to the images or
            to both at once. The way back through a gradient, of terms that differentiate one, is
            part of the pass that it ends with, though it takes the time of two more.
    """

    forward: float
    backward: float


def passes_of_step(
    objective: Objective, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
) -> Passes:
    """Count the passes of one step of an objective on images `(B, C, H, W)`, labels `(B,)`.

    A term that replays a minibatch takes all its replays. The step is made on a copy, in training
    mode; the network stays as it is.
    """
    counted = _Counted(copy.deepcopy(network).requires_grad_().train())
    kept = {name: term for name, term in objective.items() if term.weight}
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        for values in values_of_steps(kept, prepared(kept, counted), images, labels, randomness):
            loss = torch.stack([kept[name].weight * own for name, own in values.items()]).sum()
            if loss.requires_grad:
                loss.backward()
    return Passes(counted.forward_samples / len(images), counted.backward_samples / len(images))


class _Counted(nn.Module):
    """A network that counts the samples that go through it, and the gradients that come back."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.forward_samples = self.backward_samples = 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        self.forward_samples += len(images)
        if logits.requires_grad:
            logits.register_hook(self._back)
        return logits

    def _back(self, gradient: Tensor) -> None:
        self.backward_samples += len(gradient)
