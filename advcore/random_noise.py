"""Random noise: how often it changes the label, and how far one goes along a random direction.

Article: eqs. 7, 20 and 21.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from advcore.attacks.bisection import bisect
from advcore.batch_rows import rows_at_once
from advcore.classifier import (
    Classifier,
    check_batch,
    check_images,
    frozen,
    full_precision,
    logits_of,
    take_rows,
)
from advcore.criteria import Untargeted
from advcore.norms import L2, per_sample
from advcore.randomness import Randomness

MEDIAN_RATIO = 1.4826022185056018
"""1 / Phi^-1(3/4): the median of `noise_ratio` for a flat boundary between two classes, as D
grows."""


def flip_probability(
    classifier: Classifier,
    images: Tensor,
    sigmas: Sequence[float],
    draws: int,
    randomness: Randomness | None = None,
    box: bool = False,
    rows: int | None = None,
) -> Tensor:
    """Return `P(f(x + v) != f(x))`, v ~ N(0, sigma^2 I), as a share of `draws` draws (eq. 7).

    The shape is `(sigmas, B)`. f(x) is the predicted label. The draws are the same for all sigma,
    scaled. Of a share p the standard error is `sqrt(p (1 - p) / draws)`. For a flat boundary at
    distance d between two classes it is `Phi(-d / sigma)`.

    Args:
        images: `(B, C, H, W)`, in [0, 1] if there is a `box`.
        sigmas: standard deviations of a pixel, in pixel units.
        box: clip the noisy images to [0, 1].
        rows: images sent forward as one batch, but at least one draw of each sample, see
            `batch_rows.rows_at_once`; 2,048 at most when None. Only memory and speed depend on it.
    """
    if not sigmas or any(not 0 <= sigma < math.inf for sigma in sigmas):
        raise ValueError(
            f"sigmas must be one or more finite numbers >= 0 in pixel units; got {list(sigmas)}"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    if box:
        images = check_images(images)
    check_batch(images)
    samples, rows = len(images), rows_at_once(rows, images, 2048)
    randomness = _randomness(randomness, images)
    flips = images.new_zeros(len(sigmas), samples)
    with full_precision(), frozen(classifier), torch.no_grad():
        labels = logits_of(classifier, images).argmax(1)
        for some in torch.arange(draws).split(max(1, rows // samples)):
            noise = torch.stack(
                [randomness.stream("draw", draw).normal(images.shape[1:]) for draw in some.tolist()]
            )
            repeated = take_rows(
                classifier, torch.arange(samples, device=images.device).repeat(len(some))
            )
            for row, sigma in zip(flips, sigmas, strict=True):
                noisy = (images + sigma * noise.to(images.dtype)).flatten(0, 1)
                predicted = logits_of(repeated, noisy.clamp(0, 1) if box else noisy).argmax(1)
                row += (predicted.view(-1, samples) != labels).sum(0)
    return flips / draws


def random_directions(images: Tensor, randomness: Randomness | None = None) -> Tensor:
    """Return a random unit vector in l2 for each image, `(B, C, H, W)`.

    It is uniform on the sphere, and another one for each stream of `randomness`.
    """
    noise = _randomness(randomness, images).stream("direction").normal(images.shape[1:])
    return L2.steepest(noise.to(images.dtype))


def distance_along(
    classifier: Classifier,
    images: Tensor,
    directions: Tensor,
    start: Tensor,
    farthest: float = 1e3,
    inner: int = 4,
    tolerance: float = 1e-3,
) -> Tensor:
    """`min |a|` with `f(x + a v) != f(x)` along unit vectors v, to both sides (eq. 20); no box.

    Steps outwards on both sides at once, doubling from `start`, with `inner` points between, and
    bisects where the label first differs from f(x), the predicted one. An upper bound; within a
    share `tolerance` of the first crossing, unless the label changes and changes back between two
    neighbouring points. Below `start` the points are even, and `tolerance` is a share of it.

    Args:
        images, directions: `(B, C, H, W)`.
        start: `(B,)`, where doubling starts: the minimal distance `||r*||`, below which nothing
            should be found.
        farthest: how far to look.
        inner: points looked at between one doubling and the next.

    Returns:
        the signed a, `(B,)`: its magnitude is the distance, its sign the side; inf where there is
        none up to `farthest`.
    """
    _check_line(images, directions, start, farthest, inner, tolerance)
    samples, steps = len(images), math.ceil(math.log2(1 / tolerance))
    everyone = torch.arange(samples, device=images.device)
    sides = torch.stack([directions, -directions])
    before, after = torch.zeros_like(start), torch.full_like(start, torch.inf)
    crossed = torch.zeros(2, samples, dtype=torch.bool, device=images.device)
    with full_precision(), frozen(classifier), torch.no_grad():
        labels = logits_of(classifier, images).argmax(1)
        standing = everyone
        for factor in _factors(inner):
            reach = (factor * start[standing]).clamp(max=farthest)
            points = (images[standing] + per_sample(reach, images) * sides[:, standing]).flatten(
                0, 1
            )
            predicted = (
                logits_of(take_rows(classifier, standing.repeat(2)), points).argmax(1).view(2, -1)
            )
            changed = predicted != labels[standing]
            hit = changed.any(0)
            crossed[:, standing], after[standing[hit]] = changed, reach[hit]
            before[standing[~hit]] = reach[~hit]
            standing = standing[~hit & (reach < farthest)]
            if not len(standing):
                break
        side, sample = crossed.nonzero(as_tuple=True)
        distance = torch.full_like(start, torch.inf).repeat(2, 1)
        if len(sample):
            low, high, way = before[sample], after[sample], sides[side, sample]
            inside, outside = (
                images[sample] + per_sample(end, images) * way for end in (low, high)
            )
            share = bisect(
                take_rows(classifier, sample), inside, outside, Untargeted(labels[sample]), steps
            )
            distance[side, sample] = low + share * (high - low)
    forward, backward = distance
    return torch.where(forward <= backward, forward, -backward)


def noise_ratio(along: Tensor, minimal: Tensor, dimension: int) -> Tensor:
    """Return `||r_v|| / (sqrt(D) ||r*||)`, sample by sample (eq. 21).

    It is the distance along a random direction against the minimal one. For a flat boundary between
    two classes it is `1 / (sqrt(D) |cos|)` of the angle between direction and normal:
    `MEDIAN_RATIO` in the median, and without a mean, so summarise it by its median. More classes
    make it smaller.
    """
    return along.abs() / (math.sqrt(dimension) * minimal)


def _factors(inner: int) -> Iterator[float]:
    """Even steps up to 1, then from each power of 2 to the next."""
    parts = [part / (inner + 1) for part in range(1, inner + 2)]
    yield from parts
    power = 1.0
    while True:
        yield from (power * (1 + part) for part in parts)
        power *= 2


def _check_line(
    images: Tensor, directions: Tensor, start: Tensor, farthest: float, inner: int, tolerance: float
) -> None:
    check_batch(images)
    if directions.shape != images.shape or not torch.allclose(
        L2.size(directions), images.new_ones(()), atol=1e-4
    ):
        raise ValueError(
            "directions must be unit vectors in l2, of the images' shape: make them by "
            "advcore.norms.L2.steepest"
        )
    if start.shape != (len(images),) or not ((start > 0) & (start < torch.inf)).all():
        raise ValueError(
            "start must hold one positive, finite distance per image; got "
            f"{start.tolist()[:5]}: give 1 where unknown"
        )
    if not 0 < farthest < math.inf:
        raise ValueError(
            f"farthest must be positive and finite, a distance in pixel units; got {farthest}"
        )
    if inner < 0:
        raise ValueError(f"inner, a number of points, must not be negative; got {inner}")
    if not 0 < tolerance < 1:
        raise ValueError(
            f"tolerance, a share of the distance, must lie inside (0, 1); got {tolerance}"
        )


def _randomness(randomness: Randomness | None, images: Tensor) -> Randomness:
    return (
        Randomness(0, torch.arange(len(images), device=images.device))
        if randomness is None
        else randomness
    )
