"""Free adversarial training: one backward pass moves the weights and the images.

Source: Shafahi et al. 2019.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import PGD
from advcore.attacks.budget import check_eps, radii
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class Free:
    """Adversarial training at the price of plain training, by replayed minibatches.

    Each minibatch takes `replays` steps of the optimiser in a row, and the backward pass of each
    also gives the gradient in the images, for the next one's `x <- P(x + step u(gradient))`, `u`
    the sign in linf, the unit vector in l2.

    An epoch so has `replays` times the steps; the authors take as many times fewer epochs. The
    network is in training mode for both gradients, which are one pass. A minibatch starts at a
    random point of each sample's ball. The authors start it at the perturbations of the minibatch
    before, where rows would mix; and their very first at 0.

    Attributes:
        eps: radius in pixel units; at 0 a minibatch's replays are plain steps.
        norm: norm of the ball.
        replays: number of replays: m in the paper, 8 there on CIFAR-10.
        relative_step: step length as a share of eps; 1 in the paper.
        box: keep images in [0, 1].
        weight: weight of the term.
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    replays: int = 8
    relative_step: float = 1.0
    box: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        if self.replays < 1:
            raise ValueError(f"replays of a minibatch must be at least 1; got {self.replays}")
        _ = self.chosen

    @property
    def chosen(self) -> PGD:
        """The attack that the replays of a minibatch amount to."""
        return PGD(self.eps, self.norm, self.replays, self.relative_step, box=self.box)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The value of the first replay."""
        return next(self.replay(network, images, labels, randomness))

    def replay(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Iterator[Tensor]:
        """Yield the value of each replay.

        The caller runs the backward pass of one before it asks for the next.
        """
        ball = Ball.of(norms.norm_by_name(self.norm), images, radii(self.eps, images), self.box)
        noise = ball.norm.random(randomness.stream("start"), tuple(images.shape[1:]), self.eps).to(
            images.dtype
        )
        current = ball.project(images + noise)
        stride = per_sample(self.relative_step * ball.radius, images)
        for _ in range(self.replays):
            current.requires_grad_()
            yield F.cross_entropy(network(current), labels)
            if current.grad is None:
                raise RuntimeError(
                    "a replay needs the backward pass of the one before: call backward() on "
                    "the value that it gave"
                )
            current = ball.project(current.detach() + stride * ball.norm.steepest(current.grad))
