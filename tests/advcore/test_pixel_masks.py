"""Masks of pixels: which they choose, and what they refuse."""

import pytest
import torch

from advcore.pixel_masks import PIXEL_MASKS, RandomPixels, Rectangle


def test_a_rectangle_holds_its_rows_and_columns():
    chosen = Rectangle(top=1, left=2, height=2, width=3)((3, 4, 6))
    expected = torch.zeros(4, 6, dtype=torch.bool)
    expected[1:3, 2:5] = True
    assert torch.equal(chosen, expected)


def test_random_pixels_are_as_many_as_wanted_and_others_for_another_seed():
    drawn = [RandomPixels(16, seed)((1, 28, 28)) for seed in range(20)]
    assert all(chosen.sum() == 16 for chosen in drawn)
    assert len({tuple(chosen.flatten().tolist()) for chosen in drawn}) == 20
    assert RandomPixels(12)((1, 3, 4)).all()
    counts = torch.stack([RandomPixels(1, seed)((1, 1, 4)) for seed in range(400)]).sum((0, 1))
    assert (counts - 100).abs().max() < 40  # 4.6 standard deviations


@pytest.mark.parametrize(
    ("mask", "shape", "message"),
    [
        (Rectangle(0, 0, 5, 1), (1, 4, 4), "rows 0 to 4 and columns 0 to 0 must lie in the images"),
        (RandomPixels(17), (1, 4, 4), "count must be at most 16, .* of 4 x 4; got 17"),
        (RandomPixels(1), (16,), r"needs pictures \(C, H, W\); got inputs of \(16,\)"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask, shape, message):
    with pytest.raises(ValueError, match=message):
        mask(shape)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Rectangle(-1, 0, 1, 1), "top and left of at least 0, height and width"),
        (lambda: Rectangle(0, 0, 0, 1), "height and width of at least 1"),
        (lambda: Rectangle(0, 0, 1.5, 1), r"whole numbers of pixels; got \(0, 0, 1.5, 1\)"),
        (lambda: RandomPixels(0), "count of the pixels must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_every_mask_is_known_by_its_kind():
    assert {"rectangle": Rectangle, "random_pixels": RandomPixels} == PIXEL_MASKS
