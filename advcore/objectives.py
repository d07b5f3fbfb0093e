"""Objectives: functions that an attack maximises.

They take `(logits, criterion)` to one number per sample `(B,)`; larger is more adversarial.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.criteria import Criterion, Targeted

Objective = Callable[[Tensor, Criterion], Tensor]
ObjectiveName = Literal["cross_entropy", "logit_margin", "logit_ratio", "logit"]


def cross_entropy(logits: Tensor, criterion: Criterion) -> Tensor:
    """`-log p_label`, or `log p_target` when targeted.

    Written as `log(1 + exp(log sum_{k != label} exp z_k - z_label))`: where the label leads by 17
    and more, the gradient of torch's own, `p_label - 1`, rounds to nothing in float32; this one's
    derivatives keep their digits up to a lead of 104.
    """
    surprise = _surprise(logits, criterion.classes)
    return -surprise if criterion.targeted else surprise


def cross_entropy_slope(logits: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
    """`cross_entropy` `(B,)` and its derivative in the logits `(B, K)`, to the same digits.

    The derivative is `p_k`, and for the label less the sum of the other `p_k`, which rounds to
    nothing as late as they do. Written out, since the graph of `cross_entropy` takes a twentieth of
    the time of a small network's forward and backward pass.
    """
    value, slope = _surprise_slope(logits, criterion.classes)
    return (-value, -slope) if criterion.targeted else (value, slope)


def logit_margin(logits: Tensor, criterion: Criterion) -> Tensor:
    """Return the logit margin `(B,)`, positive if and only if adversarial.

    It is `max_{k != label} z_k - z_label`, or `z_target - max_{k != target} z_k`.
    """
    lead = _lead(logits, criterion.classes)
    return lead if criterion.targeted else -lead


def logit_ratio(logits: Tensor, criterion: Criterion) -> Tensor:
    """Return the difference-of-logits ratio (Croce and Hein 2020).

    It is the logit margin over `z_(1) - z_(3)`, blind to the logits' scale.

    Targeted, the denominator is `z_(1) - (z_(3) + z_(4)) / 2` as published, and the numerator leads
    over the strongest other class, where the published one takes the true class: the same number as
    long as the true class is predicted.

    Targeted with K = 3, `z_(3)` stands for the absent `z_(4)`. With K = 2 the logit margin itself
    is the value: whatever is blind to scale and shift of two logits is constant but for its sign,
    while the margin's gradient has a direction, and its values an order, that no scale changes.
    """
    ordered = logits.topk(min(logits.shape[1], 4 if criterion.targeted else 3), dim=1).values
    margin = logit_margin(logits, criterion)
    if ordered.shape[1] < 3:
        return margin
    return margin / (ordered[:, 0] - ordered[:, 2:].mean(1) + 1e-12)


def logit(logits: Tensor, criterion: Criterion) -> Tensor:
    """Return `-z_label`, or `z_target` when targeted, `(B,)`: no other logit counts.

    (Zhao et al. 2021, On success and simplicity: a second look at transferable targeted attacks.)
    """
    own = logits.gather(1, _columns(logits, criterion.classes))[:, 0]
    return own if criterion.targeted else -own


def log_confidence(logits: Tensor, _: Criterion | None = None) -> Tensor:
    """`log max_k p_k`, `(B,)`, with the digits of its derivatives where that is near 0.

    (Hein et al. 2019, Why ReLU networks yield high-confidence predictions far away.)
    """
    return cross_entropy(logits, Targeted(logits.argmax(1)))


def wrong_confidence(logits: Tensor, criterion: Criterion) -> Tensor:
    """`log max_{k != label} p_k`, `(B,)`.

    (Stutz et al. 2020, Confidence-calibrated adversarial training.)
    """
    wrong = logits.scatter(1, _columns(logits, criterion.classes), -torch.inf).argmax(1)
    return cross_entropy(logits, Targeted(wrong))


def objective_by_name(name: str) -> Objective:
    """The objective of that name; ValueError lists the known ones."""
    if name not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {name!r}")
    return OBJECTIVES[name]


def _surprise(logits: Tensor, classes: Tensor) -> Tensor:
    """`-log p` of `classes`, `(B,)`."""
    own = _columns(logits, classes)
    others = logits.scatter(1, own, -torch.inf).logsumexp(1)
    return F.softplus(others - logits.gather(1, own)[:, 0], threshold=50)


def _surprise_slope(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """`-log p` of `classes` `(B,)`, and its derivative in the logits `(B, K)`."""
    own = _columns(logits, classes)
    log_p = logits.log_softmax(1)
    slope = log_p.exp().scatter_(1, own, 0)
    others = slope.sum(1, keepdim=True)
    value = F.softplus(others.log() - log_p.gather(1, own), threshold=50)[:, 0]
    return value, slope.scatter_(1, own, -others)


def _lead(logits: Tensor, classes: Tensor) -> Tensor:
    """Return by how much the logit of `classes` leads the best other one, `(B,)`."""
    own = _columns(logits, classes)
    return logits.gather(1, own)[:, 0] - logits.scatter(1, own, -torch.inf).amax(1)


def _columns(logits: Tensor, classes: Tensor) -> Tensor:
    """The classes as columns `(B, 1)`.

    Raises ValueError where there is one logit alone, which no other can overtake.
    """
    if logits.shape[1] < 2:
        raise ValueError(
            f"the classifier must give logits (B, K) with K >= 2; got {tuple(logits.shape)}"
        )
    return classes[:, None]


OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": cross_entropy,
    "logit_margin": logit_margin,
    "logit_ratio": logit_ratio,
    "logit": logit,
}
