"""Proven lower bounds of a classifier's margins over a ball, by intervals or by CROWN."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from advcore.certify.intervals import InputBall, Interval
from advcore.certify.linear_relaxation import least, propagate, propagate_refined
from advcore.certify.tracing import Step, trace
from advcore.classifier import (
    Classifier,
    check_batch,
    check_images,
    check_labels,
    first_logits,
    frozen,
    full_precision,
)
from advcore.norms import L2OrLinf, Radius, check_norm

Method = Literal["ibp", "crown_ibp", "crown"]
"""The ways to bound margins, from the cheapest to the tightest."""


@dataclass(frozen=True, eq=False)
class MarginBounds:
    """The proof of each sample: how small its margins can become.

    - `lower` `(B, K)`: no input of the ball has a smaller margin `z_y - z_k`; 0 for the label y.
    - `verified` `(B,)`: whether all of them are predicted as y: all margins are above 0.
    """

    lower: Tensor
    verified: Tensor


def bounds(
    classifier: Classifier,
    images: Tensor,
    eps: Radius,
    norm: L2OrLinf,
    labels: Tensor,
    method: Method = "crown",
    box: bool = True,
    rows: int = 1024,
) -> MarginBounds:
    """Bound the margins `z_y(x') - z_k(x')` from below for all `||x' - x||_p <= eps`.

    - `ibp`: interval bound propagation (Gowal et al. 2018): each layer's units by those before.
    - `crown_ibp`: the margins by linear forms of the inputs, through each ReLU's linear relaxation
      by those intervals (Zhang et al. 2020).
    - `crown`: those intervals too by linear forms, where a sign is open (Zhang et al. 2018).

    The last affine layers are merged with the differences of the logits. The linear forms' bounds
    are never below those of the intervals that they use, for the larger of both is taken. All are
    exact for affine classifiers. They are computed in the images' precision without rounding
    outward, so they hold up to rounding; double images and weights leave none to speak of.

    The layers are those that the classifier calls: linear, convolution, batch norm in evaluation
    mode, additions and factors, sums of two layers, ReLU, average and max pooling, reshaping.

    Args:
        images: `(B, *shape)`.
        eps: radius in pixel units, or `(B,)`, one each.
        norm: l2 or linf.
        labels: true labels y, `(B,)`.
        method: way to bound them.
        box: leave out what a linf ball has outside [0, 1]; an l2 ball is always whole.
        rows: linear forms that pass backward at once; only memory and speed depend on it.

    Raises ValueError, which names it, for a function that no bounds are known of.
    """
    check_bounds(images, norm, method, box, rows)
    with full_precision(), torch.no_grad(), frozen(classifier):
        steps = _steps_of(classifier, images, labels)
        ball = InputBall(images, _radii(eps, images), norm, box)
        lower = margins_of(steps, ball, labels, method, rows)
    return MarginBounds(lower, all_positive(lower, labels))


def verified_radius(
    classifier: Classifier,
    images: Tensor,
    norm: L2OrLinf,
    labels: Tensor,
    largest: float,
    method: Method = "crown",
    halvings: int = 10,
    box: bool = True,
    rows: int = 1024,
) -> Tensor:
    """Return the largest eps that is verified for each sample, by bisection, `(B,)`.

    The radius is one that `bounds` verified itself, 0 where no eps that was tried is, as for a
    wrong prediction, and `largest` where that is; another eps up to `largest / 2^halvings` above
    it was tried in vain.

    Args:
        images: `(B, *shape)`.
        norm: l2 or linf.
        labels: true labels, `(B,)`.
        largest: largest eps that is tried, pixel units.
        method: way to bound the margins, see `bounds`; what a cheaper one verifies counts, too.
        halvings: number of times that the interval of eps is halved.
        box: leave out what a linf ball has outside [0, 1].
        rows: linear forms that pass backward at once.
    """
    check_bounds(images, norm, method, box, rows)
    check_radius_search(largest, halvings)
    with full_precision(), torch.no_grad(), frozen(classifier):
        steps = _steps_of(classifier, images, labels)
        radius = torch.zeros(len(images), dtype=images.dtype, device=images.device)
        left = (first_logits(classifier, images).argmax(1) == labels).nonzero()[:, 0]
        tried = torch.full_like(radius, largest)
        for halving in range(halvings + 1):
            if not len(left):
                break
            ball = InputBall(images[left], tried[left], norm, box)
            proven = left[_proven(steps, ball, labels[left], method, rows)]
            radius[proven] = tried[proven]
            left = left[radius[left] < largest]
            tried = radius + largest / 2 ** (halving + 1)
    return radius


def margins_of(
    steps: Sequence[Step], ball: InputBall, labels: Tensor, method: Method, rows: int
) -> Tensor:
    """Return lower bounds of the margins over a ball, `(B, K)`, 0 for the labels.

    They can be differentiated with respect to the weights.
    """
    refined, relaxed = METHODS[method]
    found = propagate_refined(steps, ball, rows) if refined else propagate(steps, ball)
    count, classes = found[-1].lower.shape
    forms = _differences(labels, classes, ball.images.dtype)
    samples = torch.arange(count, device=labels.device).repeat_interleave(classes)
    lower = torch.cat(
        [
            _least_margins(steps, form, some, found, ball, relaxed)
            for form, some in zip(forms.split(rows), samples.split(rows), strict=True)
        ]
    )
    return lower.view(count, classes)


def all_positive(margins: Tensor, labels: Tensor) -> Tensor:
    """Return whether the margins `(B, K)` against all classes but the label are above 0, `(B,)`."""
    return (margins > 0).scatter(1, labels[:, None], True).all(1)


def check_bounds(images: Tensor, norm: str, method: str, box: bool, rows: int) -> None:
    """Raise ValueError for images or settings that bounds cannot be had for."""
    check_norm(norm, L2OrLinf)
    if box and norm == "linf":
        check_images(images)
    else:
        check_batch(images)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    check_rows(rows)


def check_rows(rows: int) -> None:
    """Raise ValueError for less than one linear form at once."""
    if rows < 1:
        raise ValueError(f"rows must be at least 1; got {rows}")


def check_radius_search(largest: float, halvings: int) -> None:
    """Raise ValueError for a bisection that tries no eps."""
    if not 0 < largest < math.inf:
        raise ValueError(f"largest must be positive and finite, an eps; got {largest}")
    if halvings < 0:
        raise ValueError(f"halvings must not be negative; got {halvings}")


def _proven(
    steps: Sequence[Step], ball: InputBall, labels: Tensor, method: Method, rows: int
) -> Tensor:
    """Return what a method or a cheaper one verifies, `(B,)`; each looks at what is left."""
    proven = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
    ladder = list(get_args(Method))
    for name in ladder[: ladder.index(method) + 1]:
        left = (~proven).nonzero()[:, 0]
        if not len(left):
            break
        lower = margins_of(steps, ball.take(left), labels[left], name, rows)
        proven[left] = all_positive(lower, labels[left])
    return proven


def _least_margins(
    steps: Sequence[Step],
    forms: Tensor,
    samples: Tensor,
    intervals: Sequence[Interval],
    ball: InputBall,
    relaxed: bool,
) -> Tensor:
    """Return the lower bounds of forms of the logits, by intervals, or the larger of both ways."""
    place = len(steps)
    lower = least(steps, place, forms, samples, intervals, ball, relax=False)
    if not relaxed:
        return lower
    return lower.maximum(least(steps, place, forms, samples, intervals, ball, relax=True))


def _differences(labels: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Return `e_y - e_k` for each sample and class k, `(B K, K)`."""
    unit = torch.eye(classes, dtype=dtype, device=labels.device)
    return (unit[labels][:, None] - unit).flatten(0, 1)


def _steps_of(classifier: Classifier, images: Tensor, labels: Tensor) -> tuple[Step, ...]:
    """Return the steps of a classifier, after a look at whether they give its logits."""
    logits = first_logits(classifier, images)
    check_labels(labels, *logits.shape)
    steps = trace(classifier, images)
    still = InputBall(images, _radii(0.0, images), "linf", box=False)
    again = propagate(steps, still)[-1].centre
    if not torch.allclose(again, logits, rtol=1e-3, atol=1e-3 * logits.abs().max().item()):
        raise ValueError(
            "bounds cannot follow this classifier: its layers one by one give other logits than it "
            "does; let it change no tensor in place, and its layers not depend on pixels' values"
        )
    return steps


def _radii(eps: Radius, images: Tensor) -> Tensor:
    """Return one radius a sample, `(B,)`."""
    radii = torch.as_tensor(eps, dtype=images.dtype, device=images.device)
    if radii.shape not in ((), (len(images),)) or not (radii >= 0).all() or radii.isinf().any():
        raise ValueError(
            f"eps must be one radius or ({len(images)},) of them, not negative and finite; got "
            f"{eps}"
        )
    return radii.expand(len(images))


METHODS: dict[str, tuple[bool, bool]] = {
    "ibp": (False, False),
    "crown_ibp": (False, True),
    "crown": (True, True),
}
"""The two choices of a method: intervals refined backward, margins by linear relaxation."""
