"""Relaxed perceptual adversarial training (Kireev et al. 2022, RLAT)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks.budget import check_eps
from advcore.classifier import frozen
from advcore.layers import weighted_layers
from advcore.logit_gradients import leaf
from advcore.modules import uncompiled
from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class RLAT:
    """The mean cross-entropy when what each layer puts out is moved, all layers at once.

    It relaxes the search for the worst image within a feature distance (threat model `feature`):
    the image and the outputs of the layers get perturbations of their own, one step of l2 along
    the gradient of the loss, with the network in evaluation mode. The layers are those of the
    feature distance: all convolutions and linear layers but the last, numbered i from 1 in the
    order in which they are called; the paper, on residual networks, has the first convolution and
    the ends of the stages. Perturbation i has length `eps (n_i / n_0) / (i + 1)`, n_i the number of
    outputs and n_0 that of pixels, which is the paper's rule. A step takes two passes, as one of
    training on FGSM does.

    At eps 0 it is plain training.

    Attributes:
        eps: length of the image's perturbation, l2, pixel units; .08 in the paper.
        box: keep the moved image in [0, 1].
        weight: weight of the term.
    """

    eps: float = 0.08
    box: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if self.eps == 0:
            return F.cross_entropy(network(images), labels)
        with uncompiled():
            first, *others = self.perturbations(network, images, labels)
            moved = images + first
            with _added(network, others):
                return F.cross_entropy(network(moved.clamp(0, 1) if self.box else moved), labels)

    def perturbations(self, network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        """The perturbations of the images and of each output, in the order of the calls."""
        outputs: list[Tensor] = []

        def keep(output: Tensor) -> Tensor:
            outputs.append(output)
            return output.clone()  # an activation in place changes the copy

        with frozen(network), torch.enable_grad(), _hooked(network, keep):
            inputs = leaf(images)
            loss = F.cross_entropy(network(inputs), labels, reduction="sum")
        gradients = torch.autograd.grad(loss, [inputs, *outputs], materialize_grads=True)
        pixels = images[0].numel()
        return [
            self.eps * gradient[0].numel() / pixels / (place + 1) * L2.steepest(gradient)
            for place, gradient in enumerate(gradients)
        ]


@contextmanager
def _added(network: nn.Module, perturbations: Sequence[Tensor]) -> Iterator[None]:
    """Add a perturbation to what each layer puts out, in the order of the calls."""
    left = iter(perturbations)
    with _hooked(network, lambda output: output + next(left)):
        yield


@contextmanager
def _hooked(network: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let each layer put out `change` of what it puts out."""

    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return change(output)

    handles = [layer.register_forward_hook(hook) for layer in weighted_layers(network)[:-1]]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
