"""Right for the right reasons: no input gradient where the answer must not come from.

Source: Ross et al. 2017, Right for the right reasons: training differentiable models by
constraining their explanations.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore.classifier import evaluating, logits_of
from advcore.logit_gradients import leaf
from advcore.modules import twice_differentiable
from advcore.pixel_masks import PixelMask
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class RightReasons:
    """`E sum_{d in irrelevant} (d/dx_d sum_k log p_k(x))^2`, p the softmax.

    What the network answers shall not depend on the pixels of a mask, of all channels. It looks at
    no label, and goes with the term `cross_entropy`. Where the paper has one mask for each picture,
    this has one for all; its sum over the samples of a batch is a mean here. The network is in
    evaluation mode for this term.

    Attributes:
        irrelevant: mask of the pixels in which the gradient is penalised; everything outside it
            may count.
        weight: weight lambda_1 of the term, per squared pixel unit. The paper takes one at which
            the two terms are of one magnitude.
    """

    irrelevant: PixelMask
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        images = leaf(images)
        with evaluating(network), twice_differentiable():
            answers = logits_of(network, images).log_softmax(1)
        gradient = torch.autograd.grad(
            answers.sum(), images, create_graph=True, materialize_grads=True
        )[0]
        mask = self.irrelevant(tuple(images.shape[1:])).to(images.device)
        return gradient[..., mask].flatten(1).square().sum(1).mean()
