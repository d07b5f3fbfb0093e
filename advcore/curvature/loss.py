"""Cross-entropy as the objective whose curvature is measured."""

from collections.abc import Callable

from torch import Tensor

from advcore import objectives
from advcore.criteria import Untargeted


def cross_entropy_of(labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The objective `-log p_label`, from logits `(B, K)` to `(B,)`, for `labels` `(B,)`.

    Its derivatives, and differences at a step, keep their digits where the label is confident: see
    `objectives.cross_entropy`.
    """
    return lambda logits: objectives.cross_entropy(logits, Untargeted(labels))
