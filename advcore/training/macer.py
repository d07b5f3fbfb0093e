"""MACER: maximise the certified radius without an attack (Zhai et al. 2020)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.smoothed_classifier import (
    SmoothedClassifier,
    check_smoothing,
    log_mean_probabilities,
)
from advcore.training.gaussian import check_sigma
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class MACER:
    """`-log p_y + regulariser sigma / 2 max(0, gamma - (Phi^-1(q_y) - Phi^-1(q_k)))`.

    p is the mean softmax over noisy copies, q that of the logits times `sharpness`, and k its
    second class. The second part stands where q is right, and the difference is finite and at most
    gamma; the value is the mean over all samples.

    The defaults are those published for MNIST at sigma 0.5, where the second part sets in after a
    third of the epochs: `schedules: {NAME.regulariser: {kind: steps, points: [[0, 0], [0.33,
    1]]}}`.

    Attributes:
        sigma: standard deviation of a pixel, pixel units; noisy images are not clipped.
        draws: number of noisy copies of a sample.
        regulariser: factor of the second part; 16 for MNIST at sigma 0.25 and 0.5, 6 at 1.
        gamma: margin of the hinge, in standard deviations of the noise.
        sharpness: factor of the logits in q, the inverse of a temperature.
        weight: weight of the term.
    """

    sigma: float = 0.5
    draws: int = 16
    regulariser: float = 16.0
    gamma: float = 8.0
    sharpness: float = 16.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_sigma(self.sigma)
        check_smoothing(self.sigma, self.draws)
        if not self.regulariser >= 0:
            raise ValueError(f"regulariser must not be negative; got {self.regulariser}")
        for name in ("gamma", "sharpness"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        logits = SmoothedClassifier(network, self.sigma, self.draws, randomness).logits_by_draw(
            images
        )
        loss = F.nll_loss(log_mean_probabilities(logits), labels)
        if self.regulariser == 0:
            return loss
        return loss + self.regulariser * self._hinge(logits, labels)

    def _hinge(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The second part without its factor: sigma / 2 times the hinge, the mean over samples."""
        top = (self.sharpness * logits).softmax(2).mean(1).topk(2, dim=1)
        first, second = top.values.unbind(1)
        with torch.no_grad():
            gap = torch.special.ndtri(first) - torch.special.ndtri(second)
            counts = (top.indices[:, 0] == labels) & gap.isfinite() & (gap <= self.gamma)
        rows = counts.nonzero()[:, 0]  # before the quantiles: their slope is infinite at 0 and 1
        gap = torch.special.ndtri(first[rows]) - torch.special.ndtri(second[rows])
        return self.sigma / 2 * (self.gamma - gap).sum() / len(labels)
