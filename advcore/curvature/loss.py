"""Cross-entropy as the objective whose curvature is measured."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The objective `-log p_label`, from logits `(B, K)` to `(B,)`, for `labels` `(B,)`.

    Written as `log(1 + exp(log sum_{k != label} exp z_k - z_label))`: where the label is confident, torch's own has a gradient of
    `p_label - 1`, which rounds to nothing; this one's derivatives keep their digits, and so do differences at a step.
    """

    def value(logits: Tensor) -> Tensor:
        own = labels[:, None]
        others = logits.scatter(1, own, -torch.inf).logsumexp(1)
        return F.softplus(others - logits.gather(1, own)[:, 0], threshold=50)

    return value
