"""Certificates by randomised smoothing (Cohen et al. 2019, Certified adversarial robustness)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.certify.clopper_pearson import lower_bound
from advcore.certify.noise_blocks import NoiseBlock, blocks_of, count_labels
from advcore.classifier import Classifier, check_batch, first_logits, frozen, take_rows
from advcore.randomness import Randomness

ABSTAINS = -1
"""The label of a sample that nothing is proven of."""


@dataclass(frozen=True, eq=False)
class Certificates:
    """The proof of each sample: its label, the radius, and the counts behind both.

    - `label` `(B,)`: the class that the smoothed classifier is proven to predict; -1 where it
      abstains.
    - `radius` `(B,)`, float64: no perturbation shorter than this, l2, pixel units, changes that
      class; 0 where it abstains.
    - `selected` `(B,)`: the class that most draws of the selection are predicted as.
    - `hits` `(B,)`: how many draws of the estimation are predicted as that class, of `draws`.
    """

    label: Tensor
    radius: Tensor
    selected: Tensor
    hits: Tensor
    draws: int


def certify(
    classifier: Classifier,
    images: Tensor,
    sigma: float = 0.5,
    selection: int = 100,
    draws: int = 10_000,
    alpha: float = 0.001,
    randomness: Randomness | None = None,
    rows: int | None = None,
) -> Certificates:
    """Certify the smoothed classifier `g(x) = argmax_c P(f(x + v) = c)`, `v ~ N(0, sigma^2 I)`.

    The class is selected by some draws, and its probability bounded from below by others: p at
    confidence `1 - alpha`, exactly (Clopper and Pearson). Then g is the same in the ball of radius
    `sigma Phi^-1(p)` around x, with no box. Of each sample the statement is wrong with a
    probability of alpha at most, over the draws; of many samples some may be.

    For a linear classifier of two classes the radius tends to the distance to its boundary, from
    below.

    Args:
        images: `(B, *shape)`.
        sigma: standard deviation of a pixel, pixel units.
        selection: draws that select the class.
        draws: draws that bound its probability. `largest_radius` says how far they reach.
        alpha: probability of a wrong statement about a sample.
        randomness: source of the noise, by default seed 0 and the samples of the batch.
        rows: inputs sent forward as one batch, as in `count_labels`; only memory and speed depend
            on it.

    Raises ValueError where so few draws can only abstain.
    """
    check_batch(images)
    check_draws(sigma, selection, draws, alpha)
    randomness = randomness or Randomness(0, torch.arange(len(images), device=images.device))
    chosen, counted = count_classes(
        classifier, images, sigma, blocks_of(selection), blocks_of(draws), randomness, rows
    )
    return certificates_of(chosen, counted, sigma, draws, alpha)


def count_classes(
    classifier: Classifier,
    images: Tensor,
    sigma: float,
    selection: Sequence[NoiseBlock],
    estimation: Sequence[NoiseBlock],
    randomness: Randomness,
    rows: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the counts of selection and of estimation, `(B, K)` int64 each.

    They are of the blocks that are named; the counts of others add to them.
    """
    with frozen(classifier):
        first = take_rows(classifier, torch.zeros(1, dtype=torch.int64, device=images.device))
        classes = first_logits(first, images[:1]).shape[1]
    chosen, counted = (
        count_labels(classifier, images, sigma, blocks, randomness.stream(stage), classes, rows)
        for stage, blocks in (("selection", selection), ("estimation", estimation))
    )
    return chosen, counted


def certificates_of(
    chosen: Tensor, counted: Tensor, sigma: float, draws: int, alpha: float
) -> Certificates:
    """Return the certificates of counts `(B, K)` of selection and of estimation.

    The counts come whole, added over all blocks of noise: bounds of parts cannot be merged.
    """
    selected = chosen.argmax(1)
    hits = counted.gather(1, selected[:, None])[:, 0]
    probability = lower_bound(hits, draws, alpha)
    proven = probability >= 0.5
    return Certificates(
        label=selected.masked_fill(~proven, ABSTAINS),
        radius=(sigma * torch.special.ndtri(probability)).masked_fill(~proven, 0.0),
        selected=selected,
        hits=hits,
        draws=draws,
    )


def largest_radius(sigma: float, draws: int, alpha: float = 0.001) -> float:
    """Return the radius that `draws` draws prove where all are predicted alike, pixel units.

    It is `sigma Phi^-1(alpha^(1/draws))`: 1.23, 1.60 and 1.91 for 1,000, 10,000 and 100,000 draws
    at sigma 0.5 and alpha 0.001. Raises ValueError where so few draws can only abstain.
    """
    check_draws(sigma, 1, draws, alpha)
    share = torch.tensor(alpha ** (1 / draws), dtype=torch.float64)
    return sigma * torch.special.ndtri(share).item()


def check_draws(sigma: float, selection: int, draws: int, alpha: float) -> None:
    """Raise ValueError for settings of smoothing that prove nothing whatever is predicted."""
    if not 0 < sigma < math.inf:
        raise ValueError(
            f"sigma must be positive and finite, the standard deviation of a pixel; got {sigma}"
        )
    if not 0 < alpha < 1:
        raise ValueError(f"alpha, a probability of error, must lie inside (0, 1); got {alpha}")
    if selection < 1:
        raise ValueError(f"selection must be at least 1, a number of draws; got {selection}")
    least = math.log(alpha) / math.log(0.5)
    if draws < max(1, least):
        raise ValueError(
            f"draws must be at least {max(1, math.ceil(least))}: with fewer even equal predictions "
            f"prove no label at alpha {alpha:g}; got {draws}"
        )
