"""Labels alone: what a classifier tells those who see only its decisions."""

from typing import Any

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier, logits_of, take_rows


class HardLabel(nn.Module):
    """A classifier that hands out its labels, and neither logits nor gradients.

    The logits of an image are 1 for its label and -1 for all other classes. A backward pass through
    them raises RuntimeError. What attacks of decisions find is the same with it and without, bit
    for bit; what needs more fails.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Return `(B, K)`: 1 for the label of each image `(B, *shape)`, -1 otherwise."""
        return _Labels.apply(logits_of(self.classifier, images))

    def rows(self, index: Tensor) -> "HardLabel":
        """The labels of the samples `index` of the batch."""
        return HardLabel(take_rows(self.classifier, index))


def one_hot_labels(logits: Tensor) -> Tensor:
    """Return the labels of logits `(B, K)` as `(B, K)`: 1 for the largest logit, -1 otherwise.

    The first of equal ones is the label. A row with NaN stays NaN.
    """
    top, place = logits.max(1, keepdim=True)
    labels = torch.full_like(logits, -1).scatter(1, place, 1)
    return labels.masked_fill(top.isnan(), torch.nan)


class _Labels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        return one_hot_labels(logits)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise RuntimeError(
            "a HardLabel classifier hands out labels alone and has no gradient: use an attack of "
            "decisions, such as GeoDA or HopSkipJump"
        )
