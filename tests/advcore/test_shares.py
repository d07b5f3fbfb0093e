import pytest
import torch

from advcore.shares import Z, wilson


def test_the_ends_are_the_shares_that_a_score_test_just_takes():
    for hits, count in ((3, 10), (40, 50), (1, 256)):
        for end in wilson(hits, count):
            assert abs(hits / count - end) == pytest.approx(Z * (end * (1 - end) / count) ** 0.5)


def test_none_and_all_have_an_interval_too():
    assert wilson(0, 100)[0] == 0
    assert wilson(100, 100)[1] == 1
    assert wilson(0, 100)[1] == pytest.approx(0.037, abs=1e-3)
    assert wilson(100, 100)[0] == pytest.approx(0.963, abs=1e-3)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_it_covers(share):
    generator = torch.Generator().manual_seed(0)
    hits = (torch.rand(2000, 60, generator=generator) < share).sum(1).tolist()
    held = [low <= share <= high for low, high in (wilson(count, 60) for count in hits)]
    assert sum(held) / len(held) > 0.93


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample; got 0"):
        wilson(0, 0)
