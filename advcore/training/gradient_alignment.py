"""GradAlign: gradients at an image and near it point the same way.

Source: Andriushchenko and Flammarion 2020, Understanding and improving fast adversarial training.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore import objectives
from advcore.attacks.budget import check_eps
from advcore.classifier import evaluating
from advcore.criteria import Untargeted
from advcore.logit_gradients import differentiate
from advcore.norms import L2, LINF
from advcore.randomness import Randomness
from advcore.training.loss_gradient import input_gradient
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class GradientAlignment:
    """`1 - E cos(grad l(x), grad l(x + eta))`, l the cross-entropy; 0 for an affine loss.

    eta is uniform in `||eta||_inf <= eps`.

    It keeps single-step adversarial training (the term `adversarial` with FGSM of the same eps)
    from overfitting to its one step. The gradient at x is a constant of the step, as in the
    authors' code: the weights are moved by the one at `x + eta`. A sample whose gradient is 0 at
    either point (below 1e-19 in single precision, whose square is lost) has no angle and stays out
    of the mean, which is 0 where none is left. Without a box: `x + eta` may leave [0, 1]. The
    network is in evaluation mode for this term.

    Attributes:
        eps: radius in pixel units, that of the adversarial term. At 0 the term is 0, without any
            pass.
        weight: weight lambda of the term; the authors take 0.2 at 8/255 on CIFAR-10, 2 at 16/255,
            and `0.02 * 10^(255 eps / 8)` in between.
    """

    eps: float
    weight: float = 0.2

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if self.eps == 0:
            return images.new_zeros(())
        eta = LINF.random(randomness.stream("eta"), tuple(images.shape[1:]), self.eps).to(
            images.dtype
        )
        with evaluating(network):
            here, _, _ = differentiate(
                network, images, lambda logits: objectives.cross_entropy(logits, Untargeted(labels))
            )
            _, there = input_gradient(network, images + eta, labels)
        smallest = torch.finfo(images.dtype).tiny ** 0.5
        angled = (LINF.size(here) > smallest) & (LINF.size(there.detach()) > smallest)
        cosine = (L2.steepest(here[angled]) * L2.steepest(there[angled])).flatten(1).sum(1)
        return (1 - cosine).sum() / angled.sum().clamp(min=1)
