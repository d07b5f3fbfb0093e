"""Hybrid images against their frequencies."""

import pytest
import torch
from oracles import images

from advcore.derived.hybrids import check_hybrid, mixed
from advcore.frequency import dct2, low_pass

LOW, HIGH = (images(5, (2, 8, 6), torch.float64, seed=seed) for seed in (0, 1))


@pytest.mark.parametrize("band", [1, 3, 5])
def test_low_frequencies_are_of_one_and_high_ones_of_the_other(band):
    found, low, high = map(dct2, (mixed(LOW, HIGH, band), LOW, HIGH))
    expected = high.clone()
    expected[..., :band, :band] = low[..., :band, :band]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(mixed(LOW, LOW, band), LOW)


def test_by_size_both_are_whole_and_as_long_as_these_parts():
    nothing = torch.zeros_like(LOW)
    low, high = mixed(LOW, nothing, 3, "size"), mixed(nothing, HIGH, 3, "size")
    torch.testing.assert_close(mixed(LOW, HIGH, 3, "size"), low + high)
    for found, whole, part in (
        (low, LOW, low_pass(LOW, 3)),
        (high, HIGH, HIGH - low_pass(HIGH, 3)),
    ):
        lengths = (part.flatten(1).norm(dim=1) / whole.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
        torch.testing.assert_close(found, whole * lengths)


def test_what_has_no_two_bands_is_refused():
    with pytest.raises(ValueError, match="a hybrid needs pictures"):
        check_hybrid((8,), 3)
    for band in (0, 6):
        with pytest.raises(ValueError, match=f"below the shorter side .* 6, so .* got {band}"):
            check_hybrid((1, 8, 6), band)
