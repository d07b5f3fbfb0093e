"""Input-gradient regularisation (Drucker and Le Cun 1992; Ross and Doshi-Velez 2018)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from advcore.classifier import evaluating
from advcore.norms import L1
from advcore.randomness import Randomness
from advcore.training.loss_gradient import input_gradient
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class GradientPenalty:
    """`E ||grad l(x)||_2^2`, l the cross-entropy; or `E ||grad l(x)||_1`.

    It goes with the term `cross_entropy`.

    To first order `eps ||grad l(x)||_1` is what a perturbation of linf size eps adds to the loss:
    with `norm: l1` and the weight eps the sum of the two terms is the loss of linf adversarial
    training, linearised (Simon-Gabriel et al. 2019). Ross and Doshi-Velez square the l2 norm. Each
    sample's own gradient, and the mean over samples: where a batch's loss is summed and its
    gradient squared, as in some codes, the weight is another one. The network is in evaluation mode
    for this term.

    Attributes:
        norm: norm of the gradient: l2, squared; or l1, not squared.
        weight: weight of the term; per pixel unit of the image, squared in l2.
    """

    norm: Literal["l2", "l1"] = "l2"
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.norm not in ("l2", "l1"):
            raise ValueError(
                "norm must be l2 (squared) or l1 (the dual of linf), that of the gradient; "
                f"got {self.norm!r}"
            )

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        with evaluating(network):
            _, gradient = input_gradient(network, images, labels)
        return (
            gradient.flatten(1).square().sum(1) if self.norm == "l2" else L1.size(gradient)
        ).mean()
