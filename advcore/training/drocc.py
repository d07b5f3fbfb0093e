"""DROCC: deep robust one-class classification (Goyal et al. 2020)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore.classifier import frozen
from advcore.logit_gradients import differentiate
from advcore.norms import L2, per_sample
from advcore.randomness import Randomness
from advcore.training.term import check_weight


@dataclass(frozen=True)
class DROCC:
    """`E max_{r <= ||h||_2 <= gamma r} cross_entropy(x + h, outside)`: anomalies made of the data.

    `outside` is the network's last class, which no sample need have: of the two classes of the data
    set `one_class` say, whose samples are all inside. Then it is, with the term `cross_entropy`,
    the published detector of one logit, the difference of both, and its binary cross-entropy.

    `h` begins as standard normal noise and takes `steps` steps of fixed length up the gradient of
    the loss, so to where the network sees the inside; after every tenth step, and here after the
    last one as well, its length is brought into `[r, gamma r]`. There is no box. The network is in
    evaluation mode for the search, in training mode for the loss.

    The published training begins with epochs of `cross_entropy` alone: give the weight a schedule.
    The published code hands out the epoch that is best on the test set; here it is the last one.

    Attributes:
        radius: r, l2, in pixel units. Published values are for standardised inputs: 8 on CIFAR-10.
        gamma: factor of the largest length, 1 or more.
        steps: steps of the search; 0 for anomalies of random directions. 50 or 100 in the paper.
        step: length of a step, l2, in pixel units; 0.001 in the published code.
        weight: weight of the term.
    """

    radius: float
    gamma: float = 2.0
    steps: int = 50
    step: float = 0.001
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not 0 < self.radius < math.inf or not 0 < self.step < math.inf:
            raise ValueError(
                "radius and step must be positive and finite, in pixel units; got "
                f"{self.radius} and {self.step}"
            )
        if not 1 <= self.gamma < math.inf:
            raise ValueError(f"gamma must be finite and at least 1; got {self.gamma}")
        if self.steps < 0:
            raise ValueError(f"steps must not be negative; got {self.steps}")

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        moved = images + self.perturbations(network, images, randomness)
        return _loss(network(moved)).mean()

    def perturbations(self, network: nn.Module, images: Tensor, randomness: Randomness) -> Tensor:
        """The `h` of each image, `(B, *shape)`, with `r <= ||h||_2 <= gamma r`."""
        h = randomness.stream("start").normal(images.shape[1:]).to(images)
        with frozen(network, compiled=True):
            for number in range(1, self.steps + 1):
                gradient = differentiate(network, images + h, _loss)[0]
                h = h + self.step * L2.steepest(gradient)
                if number % 10 == 0:
                    h = self._within(h)
        return self._within(h)

    def _within(self, h: Tensor) -> Tensor:
        size = L2.size(h)
        wanted = size.clamp(self.radius, self.gamma * self.radius)
        return h * per_sample(wanted / size.clamp(min=torch.finfo(h.dtype).tiny), h)


def _loss(logits: Tensor) -> Tensor:
    """Return the cross-entropy `(B,)` of logits `(B, K)` with the last class.

    Raises ValueError for fewer than two logits: of one the softmax is 1 and the loss always 0.
    """
    if logits.shape[1] < 2:
        raise ValueError(
            "drocc needs a network of at least two logits, inside and outside; got "
            f"{logits.shape[1]}: give it one more, the published logit is their difference"
        )
    return -logits.log_softmax(1)[:, -1]
