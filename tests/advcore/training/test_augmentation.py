"""Augmentations: what each may do to an image, and that it depends on nothing but the image and its
noise.
"""

import oracles
import pytest
import torch

from advcore.randomness import Randomness
from advcore.training import Cutout, HorizontalFlip, RandomCrop
from advcore.training.augmentation import augmented

ALL = [RandomCrop(2), HorizontalFlip(), Cutout(3)]
SOURCE = Randomness(0, torch.arange(400))
RAMP = torch.arange(1.0, 43).view(1, 1, 6, 7).expand(400, 2, 6, 7) / 42


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
def test_a_row_alone_is_the_row_of_the_batch(augmentation):
    images = oracles.images(20, dtype=torch.float32)
    source = Randomness(1, torch.arange(20) * 7)
    together, rows = augmentation(images, source), torch.tensor([13, 4])
    assert torch.equal(augmentation(images[rows], source.take(rows)), together[rows])
    assert not torch.equal(augmentation(images, source.stream("epoch", 2)), together)


def test_a_crop_is_a_shift_each_equally_often():
    crops = RandomCrop(2)(RAMP, SOURCE)
    shifts = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    expected = []
    for down, right in shifts:
        moved = torch.zeros(2, 6, 7)
        moved[:, max(down, 0) : 6 + down, max(right, 0) : 7 + right] = RAMP[
            0, :, max(-down, 0) : 6 - down, max(-right, 0) : 7 - right
        ]
        expected.append(moved)
    which = (crops[:, None] == torch.stack(expected)).flatten(2).all(2)
    assert (which.sum(1) == 1).all()
    counts = which.sum(0)
    assert counts.min() >= 4  # of 16 expected
    assert counts.max() <= 32


def test_half_of_the_images_are_mirrored():
    mirrored = HorizontalFlip()(RAMP, SOURCE)
    same, flipped = ((mirrored == other).flatten(1).all(1) for other in (RAMP, RAMP.flip(-1)))
    assert (same ^ flipped).all()
    assert 160 < flipped.sum() < 240


def test_a_cutout_is_a_square_about_any_pixel():
    cut = Cutout(3)(RAMP, SOURCE)
    black = cut == 0
    assert torch.equal(cut[~black], RAMP[~black])
    assert torch.equal(black[:, 0], black[:, 1])
    rows, columns = black[:, 0].any(2).sum(1), black[:, 0].any(1).sum(1)
    assert torch.equal(black[:, 0].flatten(1).sum(1), rows * columns)
    assert (
        set(rows.tolist()) == set(columns.tolist()) == {2, 3}
    )  # 2 where the middle is on the edge
    assert black[:, 0].any(0).all()


def test_each_of_several_has_noise_of_its_own():
    twice = augmented([Cutout(1), Cutout(1)], RAMP, SOURCE)
    assert ((twice == 0).flatten(1).sum(1) == 4).double().mean() > 0.9
    assert augmented([], RAMP, SOURCE) is RAMP


@pytest.mark.parametrize(("make", "name"), [(RandomCrop, "padding"), (Cutout, "size")])
def test_lengths_below_a_pixel_are_refused(make, name):
    with pytest.raises(
        ValueError,
        match=(
            rf"{name} must be at least 1, in pixels \(leave the augmentation out for none\); "
            r"got 0"
        ),
    ):
        make(0)
