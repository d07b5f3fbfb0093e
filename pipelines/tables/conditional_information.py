"""The score of the PGDL competition: conditional mutual information over a grid of networks.

Source: Jiang et al. 2020, Fantastic generalization measures, section 2.2.3; the scoring program of
the NeurIPS 2020 competition Predicting Generalization in Deep Learning.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np


def conditional_score(
    differences: np.ndarray, gaps: np.ndarray, settings: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return 100 times the share of the gaps' order that a measure tells, `(draws,)`.

    For every ordered pair of networks, also of one with itself, V_g says whether the gap is larger
    in the first, V_m whether the measure is. For two settings the pairs are parted into cells by
    what both networks have of both. Their score is the mean over the cells of the information
    I(V_m; V_g), over that of the entropy H(V_g); that of the measure is the smallest over all pairs
    of settings, so that what two settings tell alone counts for nothing. What keeps a measure's
    order changes nothing; but a measure should rise with the gap, for a network beside itself has
    neither larger, which agrees with no order that is reversed. NaN where the entropy is 0.

    Args:
        differences: those of the measure, first less second, `(draws, networks, networks)`.
        gaps: `(networks,)`.
        settings: `(networks, settings)`, the number of each network's value; where there is one
            setting, it is a pair by itself.
        weights: `(draws, networks)`, how often each network counts.
    """
    larger = differences > 0
    right = gaps[:, None] > gaps
    pairs = weights[:, :, None] * weights[:, None]
    outcomes = np.stack(
        [
            pairs * (larger if told else ~larger) * (right if true else ~right)
            for told in (True, False)
            for true in (True, False)
        ]
    )
    scores = [_score(outcomes, members) for members in _parted(settings)]
    with np.errstate(invalid="ignore"):
        return 100 * np.min(scores, axis=0)


def _parted(settings: np.ndarray) -> Iterator[np.ndarray]:
    """Yield, for each pair of settings, which network has which of their values, `(N, m)`."""
    count = settings.shape[1]
    for chosen in combinations(range(count), min(2, count)):
        _, places = np.unique(settings[:, list(chosen)], axis=0, return_inverse=True)
        yield np.eye(int(places.max()) + 1)[places.reshape(-1)]


def _score(outcomes: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return the mean information over the mean entropy, of the cells that some pair lies in."""
    held = members.T @ outcomes @ members
    total = held.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = held / total
    told_true, told_false, untold_true, untold_false = share
    told = np.stack([told_true + told_false] * 2 + [untold_true + untold_false] * 2)
    true = np.stack([told_true + untold_true, told_false + untold_false] * 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.where(share > 0, share * np.log(share / (told * true)), 0).sum(0)
        entropy = -np.where(true[:2] > 0, true[:2] * np.log(true[:2]), 0).sum(0)
        there = total > 0
        count = there.sum((1, 2))
        means = [np.where(there, own, 0).sum((1, 2)) / count for own in (information, entropy)]
        return np.asarray(means[0] / np.where(means[1] > 0, means[1], np.nan))
