"""Training on the worst logits that interval bounds leave possible (Gowal et al. 2018)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks.budget import check_eps
from advcore.certify.intervals import InputBall
from advcore.certify.margin_bounds import margins_of
from advcore.certify.tracing import trace
from advcore.holding import evaluating
from advcore.modules import uncompiled
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight

ROWS = 65_536
"""Linear forms of the last layer that are bounded at once: a batch's, as a rule."""


@dataclass(frozen=True)
class IntervalBounds:
    """`kappa CE(z) + (1 - kappa) CE(z')`, z' the worst logits of the linf ball by intervals.

    z' is minus the margins' lower bounds by interval bound propagation, so 0 for the label; see
    `advcore.certify.bounds`. What it verifies is proven, not attacked.

    The published schedules raise eps from 0 over most of the training, while kappa falls from 1 to
    0.5: `schedules: {NAME.eps: {kind: linear, points: [[0, 0], [0.6, 1]]}, NAME.kappa: {kind:
    linear, points: [[0, 2], [0.6, 1]]}}`. Bounds are those of the network in evaluation mode.

    Attributes:
        eps: radius of the linf ball, pixel units.
        kappa: share of the clean cross-entropy, in [0, 1].
        box: leave out what the ball has outside [0, 1].
        weight: weight of the term.
    """

    eps: float = 0.1
    kappa: float = 0.5
    box: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        if not 0 <= self.kappa <= 1:
            raise ValueError(f"kappa, a share, must lie in [0, 1]; got {self.kappa}")

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        clean = F.cross_entropy(network(images), labels)
        if self.kappa == 1:
            return clean
        with evaluating(network), uncompiled():
            radii = images.new_full((len(images),), self.eps)
            ball = InputBall(images, radii, "linf", self.box)
            steps = trace(network, images)
            worst = -margins_of(steps, ball, labels, "ibp", ROWS)
        return self.kappa * clean + (1 - self.kappa) * F.cross_entropy(worst, labels)
