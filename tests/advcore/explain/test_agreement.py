"""Agreement of two maps against closed forms, and against slow counts."""

from itertools import combinations

import pytest
import torch
from scipy.stats import spearmanr

from advcore.explain.agreement import (
    centre,
    centre_shift,
    kendall,
    salience,
    spearman,
    top_shared,
)

ONE, OTHER = torch.rand(2, 5, 3, 4, generator=torch.Generator().manual_seed(0)).double()
TIED = (6 * OTHER).round() / 6


def test_salience_is_the_share_of_the_magnitude_over_channels():
    maps = torch.tensor([[[[1.0, -2.0]], [[-3.0, 0.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    torch.testing.assert_close(salience(maps), torch.tensor([[[4 / 6, 2 / 6]], [[0.0, 0.0]]]))


def test_shared_top_pixels_are_counted():
    one = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    other = torch.tensor([[[1.0, 4.0], [3.0, 2.0]]])
    shared = [top_shared(one, other, count).item() for count in (1, 2, 3, 4)]
    assert shared == pytest.approx([0, 1 / 2, 2 / 3, 1])


@pytest.mark.parametrize("other", [OTHER, TIED], ids=["no ties", "ties"])
def test_rank_correlations_are_those_of_slow_counts(other):
    found = kendall(ONE, other), spearman(ONE, other)
    for row in range(len(ONE)):
        x, y = ONE[row].flatten(), other[row].flatten()
        pairs = [
            ((x[i] - x[j]).sign(), (y[i] - y[j]).sign()) for i, j in combinations(range(12), 2)
        ]
        agree = sum(a * b for a, b in pairs)
        size = [sum(abs(pair[k]) for pair in pairs) for k in (0, 1)]
        assert found[0][row].item() == pytest.approx((agree / (size[0] * size[1]) ** 0.5).item())
        assert found[1][row].item() == pytest.approx(spearmanr(x.numpy(), y.numpy()).statistic)


def test_of_a_level_map_no_rank_correlation_is_known():
    level = torch.ones_like(ONE)
    assert kendall(ONE, level).isnan().all()
    assert spearman(ONE, level).isnan().all()


def test_the_centre_of_one_pixel_is_that_pixel():
    one, other = torch.zeros(2, 1, 6, 7).unbind()
    one[0, 1, 2] = other[0, 4, 6] = 1
    assert centre(one).tolist() == [[1, 2]]
    assert centre_shift(one, other).item() == pytest.approx(5)
