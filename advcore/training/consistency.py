"""Consistency regularisation of the smoothed classifier (Jeong and Shin 2020)."""

from dataclasses import dataclass

from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.smoothed_classifier import (
    SmoothedClassifier,
    check_smoothing,
    log_mean_probabilities,
)
from advcore.training.gaussian import check_sigma
from advcore.training.refused_labels import refuses_labels
from advcore.training.smooth_adv import cross_entropy_of_draws
from advcore.training.term import check_weight


@dataclass(frozen=True)
class Consistency:
    """`E_j cross_entropy(x_j) + regulariser E_j KL(p || p_j) + entropy H(p)`.

    `x_j = x + sigma v_j` are noisy copies, p_j their softmax and p the mean of those. So noise is
    kept from changing the prediction, as in `Stability`, but among noisy copies and without a clean
    pass.

    The defaults are those published for MNIST at sigma 0.5.

    Attributes:
        sigma: standard deviation of a pixel, pixel units; noisy images are not clipped.
        draws: number of noisy copies of a sample, at least 2.
        regulariser: factor of the divergence; 10 for MNIST at sigma 0.25, 5 at 0.5 and 1. Too large
            a factor leaves no prediction.
        entropy: factor of the entropy of the mean.
        weight: weight of the term.
    """

    sigma: float = 0.5
    draws: int = 2
    regulariser: float = 5.0
    entropy: float = 0.5
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_sigma(self.sigma)
        check_smoothing(self.sigma, self.draws)
        if self.draws < 2:
            raise ValueError(f"draws must be at least 2, to be compared; got {self.draws}")
        for name in ("regulariser", "entropy"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)}")

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        logits = SmoothedClassifier(network, self.sigma, self.draws, randomness).logits_by_draw(
            images
        )
        mean = log_mean_probabilities(logits)
        own, weights = logits.log_softmax(2), mean.exp()
        divergence = (weights[:, None] * (mean[:, None] - own)).sum(2).mean()
        entropy = -(weights * mean).sum(1).mean()
        return (
            cross_entropy_of_draws(logits, labels)
            + self.regulariser * divergence
            + self.entropy * entropy
        )
