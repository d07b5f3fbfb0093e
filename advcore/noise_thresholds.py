"""The level of Gaussian noise at which a given share of draws changes the label."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.classifier import Around, Classifier, check_batch, take_rows
from advcore.norms import per_sample
from advcore.random_noise import flip_probability
from advcore.randomness import Randomness

HALVINGS = 7
"""Bisections of a factor 2: the two ends then differ by 0.5 %."""

SMALLEST = 2.0**-20
"""Share of its start below which the search ends: a classifier that draws noise of its own flips at
any level."""


class Scaled(Around):
    """`v -> classifier(x + sigma v)`, for an image and a sigma in each row of the batch."""

    def __init__(self, classifier: Classifier, images: Tensor, sigma: Tensor) -> None:
        super().__init__(classifier, images)
        self.sigma = sigma

    def forward(self, perturbations: Tensor) -> Tensor:
        """Return the logits `(B, K)` at the images plus sigma times the perturbation."""
        return super().forward(per_sample(self.sigma, perturbations) * perturbations)

    def rows(self, index: Tensor) -> "Scaled":
        """The classifier of the images `index`."""
        return Scaled(take_rows(self.classifier, index), self.images[index], self.sigma[index])


def noise_level(
    classifier: Classifier,
    images: Tensor,
    start: Tensor,
    share: float = 0.1,
    draws: int = 100,
    randomness: Randomness | None = None,
    farthest: float = 1e3,
    rows: int | None = None,
) -> Tensor:
    """Return the sigma at which a `share` of the draws of noise changes the label, `(B,)`.

    The noise is N(0, sigma^2 I), without a box.

    The search doubles or halves `start` until the share lies between two neighbours, and bisects
    between them `HALVINGS` times. f(x) is the predicted label, and the draws are those of
    `flip_probability`. For a flat boundary at distance d between two classes it is `-d /
    Phi^-1(share)`, with a standard error of 13 % of it for a share of 0.1 in 100 draws. Where flips
    do not grow with sigma it is one level of several.

    Args:
        images: `(B, C, H, W)`.
        start: `(B,)`, where the search begins: `-d / Phi^-1(share)` of the minimal distance d, say.
        share: of the draws, in (0, 1).
        farthest: the largest sigma, in pixel units.
        rows: images sent forward as one batch, as in `flip_probability`; only memory and speed
            depend on it.

    Returns:
        inf where fewer draws flip at `farthest`. Cost: some ten times `draws` forward passes a
        sample.
    """
    check_batch(images)
    if start.shape != (len(images),) or not ((start > 0) & (start < torch.inf)).all():
        raise ValueError(
            f"start must hold one positive, finite level per image; got {start.tolist()[:5]}: "
            "give 1 where unknown"
        )
    if not 0 < share < 1:
        raise ValueError(f"share must lie inside (0, 1); got {share}")
    source = (
        Randomness(0, torch.arange(len(images), device=images.device))
        if randomness is None
        else randomness
    )

    def flips(sigma: Tensor, who: Tensor) -> Tensor:
        """Return whether enough draws flip for the samples `who`, at a sigma each."""
        scaled, still = (
            Scaled(take_rows(classifier, who), images[who], sigma),
            torch.zeros_like(images[who]),
        )
        return (
            flip_probability(scaled, still, (1.0,), draws, source.take(who), rows=rows)[0] >= share
        )

    return _search(flips, start.clamp(max=farthest), farthest)


def implied_distance(flips: Tensor, sigmas: Tensor) -> Tensor:
    """Return the distance `-sigma Phi^-1(mu)` that a share mu of flips implies.

    It holds where boundaries are flat between two classes.

    `flips` is `(B, S)`, one for each of the `sigmas` `(S,)` (Ford et al. 2019, Adversarial examples
    are a natural consequence of test error in noise). The distance is inf where no draw flips,
    negative where more than half of them do.
    """
    return -sigmas * torch.special.ndtri(flips)


def _search(flips: Callable[[Tensor, Tensor], Tensor], start: Tensor, farthest: float) -> Tensor:
    """The smallest level that flips next to one that does not, see `noise_level`."""
    everyone = torch.arange(len(start), device=start.device)
    above = flips(start, everyone)
    low, high = start.clone(), torch.where(above, start, torch.inf)
    standing = everyone[above]
    while len(standing):
        low[standing] /= 2
        standing = standing[
            flips(low[standing], standing) & (low[standing] > SMALLEST * start[standing])
        ]
        high[standing] = low[standing]
    standing = everyone[~above & (start < farthest)]
    while len(standing):
        reach = (2 * low[standing]).clamp(max=farthest)
        found = flips(reach, standing)
        high[standing[found]], low[standing[~found]] = reach[found], reach[~found]
        standing = standing[~found & (reach < farthest)]
    inside = torch.isfinite(high).nonzero()[:, 0]
    for _ in range(HALVINGS if len(inside) else 0):
        middle = (low[inside] * high[inside]).sqrt()
        found = flips(middle, inside)
        high[inside[found]], low[inside[~found]] = middle[found], middle[~found]
    return high
