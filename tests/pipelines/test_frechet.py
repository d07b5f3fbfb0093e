"""The Frechet distance of features against its formula, and where it is known."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from advcore.pipelines.tables import FrechetDistance, Part
from advcore.pipelines.tables.frechet import frechet_distance

RANDOM = np.random.default_rng(0)
FIRST = RANDOM.normal(size=(60, 4)) @ RANDOM.normal(size=(4, 4)) + 1
SECOND = RANDOM.normal(size=(45, 4)) @ RANDOM.normal(size=(4, 4))


def formula(first, second):
    """As Heusel et al. write it, and torchmetrics computes it."""
    covariances = [np.cov(own, rowvar=False) for own in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    away = first.mean(0) - second.mean(0)
    return away @ away + np.trace(covariances[0] + covariances[1] - 2 * root)


@pytest.mark.parametrize(("n", "m"), [(60, 45), (60, 3), (3, 2)])
def test_it_is_the_formula_also_of_fewer_samples_than_features(n, m):
    first, second = FIRST[:n], SECOND[:m]
    assert frechet_distance(first, second) == pytest.approx(formula(first, second), rel=1e-6)


def test_of_the_same_samples_it_is_nothing_and_of_moved_ones_the_square_of_the_way():
    assert frechet_distance(FIRST, FIRST) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(FIRST, FIRST + 3) == pytest.approx(4 * 9)
    assert frechet_distance(FIRST, 2 * (FIRST - FIRST.mean(0)) + FIRST.mean(0)) == pytest.approx(
        FIRST.var(0, ddof=1).sum()
    )


def part(probe, features, **at):
    return Part(probe, at, {"features": torch.as_tensor(features)})


def test_members_are_held_against_all_of_the_reference():
    parts = [part("true", SECOND[:20]), part("made", FIRST, seed=1), part("true", SECOND[20:])]
    rows = FrechetDistance("true").rows(parts)
    assert rows["frechet"].tolist() == pytest.approx([formula(FIRST, SECOND)])
    assert rows["samples"].tolist() == [60]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([part("made", FIRST)], "rows of the probe 'true' and of another; got made"),
        ([part("true", FIRST), part("made", FIRST[:1])], "of 2 rows or more; got .* \\(1, 4\\)"),
        ([part("true", FIRST), Part("made", {}, {})], "have no 'features'"),
        ([part("true", FIRST), part("made", FIRST / 0)], "features of made hold NaN or infinite"),
        ([part("true", FIRST), part("made", FIRST[:, :3])], "got some of 3 and of 4 numbers"),
    ],
)
def test_what_has_no_distance_is_refused(parts, message):
    with pytest.raises(LookupError, match=message):
        FrechetDistance("true").rows(parts)
