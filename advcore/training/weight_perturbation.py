"""Adversarial weight perturbation, AWP.

Source: Wu et al. 2020, Adversarial weight perturbation helps robust generalization.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from advcore.attacks import Attack
from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training.adversarial import AdversarialTraining
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class WeightPerturbation:
    """`max_v E cross_entropy(x + r; w + v)`: adversarial training with perturbed weights.

    r is the attack's on the network as it is, w its weights. v is one step of ascent, for each
    tensor by itself: `v = gamma ||w|| g / ||g||`, g the gradient of the value at v = 0. Tensors of
    one dimension, biases and the parameters of batch normalisation, stay as they are, and so do
    frozen ones. v is a constant of the step: the weights are moved by the gradient at w + v, where
    the loss is flat if the network is to be any good.

    The authors let weight decay act at w + v too, here it acts at w. They begin after some epochs:
    a schedule of `gamma` that is 0 at first does that. The pass that finds v leaves the statistics
    of batch normalisation as they are. At gamma 0, or where no tensor moves, it is `adversarial`,
    without the pass for v, so the same weights bit for bit.

    Attributes:
        attack: attack of the inner maximisation, as of `AdversarialTraining`.
        gamma: length of v as a share of that of w; 0.01 in the paper, 0.005 beside TRADES.
        weight: weight of the term.
    """

    attack: Attack
    gamma: float = 0.01
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not 0 <= self.gamma < math.inf:
            raise ValueError(
                "gamma, a share of the weights' length, must be finite and not negative; got "
                f"{self.gamma}"
            )
        _ = self.adversarial

    @property
    def adversarial(self) -> AdversarialTraining:
        """The term without the perturbation of weights."""
        return AdversarialTraining(self.attack)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        moved = self.adversarial.perturbed(network, images, labels, randomness)
        if self.gamma == 0:
            return F.cross_entropy(network(moved), labels)
        steps = ascent_of_weights(network, moved, labels, self.gamma)
        own = dict(network.named_parameters())
        there = {name: own[name] + step for name, step in steps.items()}
        return F.cross_entropy(functional_call(network, there, (moved,)), labels)


def ascent_of_weights(
    network: nn.Module, images: Tensor, labels: Tensor, gamma: float
) -> Mapping[str, Tensor]:
    """Return v by the names of the tensors that move, 0 where the loss has no slope.

    Images are `(B, C, H, W)`, labels `(B,)`; each step has the shape of its parameter.
    """
    own = {
        name: parameter
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1 and parameter.requires_grad
    }
    if not own:
        return {}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    loss = F.cross_entropy(functional_call(network, buffers, (images,)), labels)
    slopes = torch.autograd.grad(loss, list(own.values()), materialize_grads=True)
    return {
        name: gamma * weight.detach().norm() * L2.steepest(slope[None])[0]
        for (name, weight), slope in zip(own.items(), slopes, strict=True)
    }
