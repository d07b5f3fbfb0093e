"""SmoothAdv: adversarial training of the smoothed classifier (Salman et al. 2019)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks import PGD
from advcore.attacks.budget import check_eps
from advcore.classifier import frozen
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from advcore.smoothed_classifier import SmoothedClassifier, check_smoothing
from advcore.training.gaussian import check_sigma
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class SmoothAdv:
    """`E_j cross_entropy(x + r + sigma v_j)`, r the worst of `||r||_2 <= eps` for the mean over j.

    l2-PGD from 0 maximises `-log mean_j p_y(x + r + sigma v_j)`, the network in evaluation mode;
    the value is the mean cross-entropy of the noisy copies of `x + r`, of the same noise v_j.

    The defaults are those published for MNIST. There eps rises over the first 10 of 90 epochs:
    `schedules: {NAME.eps: {kind: linear, points: [[0, 0], [0.11, 1]]}}`. The published code brings
    r into the box before the ball, this one after; at eps 0 there is no attack.

    Attributes:
        sigma: standard deviation of a pixel, pixel units; noisy images are not clipped.
        eps: radius of the attack, l2, pixel units.
        steps: steps of the attack, each of 2 / steps of eps.
        draws: number of noisy copies of a sample, in the attack and in the value.
        box: keep `x + r` in [0, 1], before the noise.
        weight: weight of the term.
    """

    sigma: float = 0.5
    eps: float = 1.0
    steps: int = 10
    draws: int = 4
    box: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_sigma(self.sigma)
        check_smoothing(self.sigma, self.draws)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        check_eps(self.eps, wanted=True)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        smoothed = SmoothedClassifier(network, self.sigma, self.draws, randomness)
        if self.eps > 0:
            images = self.perturbed(smoothed, images, labels, randomness)
        return cross_entropy_of_draws(smoothed.logits_by_draw(images), labels)

    def perturbed(
        self, smoothed: SmoothedClassifier, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """Return where the attack on the smoothed network ends, `x + r`, `(B, *shape)`."""
        attack = PGD(
            self.eps,
            "l2",
            self.steps,
            relative_step=2 / self.steps,
            random_start=False,
            box=self.box,
        )
        with frozen(smoothed, compiled=True):
            return attack.climb(smoothed, images, Untargeted(labels), randomness).images


def cross_entropy_of_draws(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over samples and draws, of logits `(B, draws, K)`."""
    return F.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(logits.shape[1]))
