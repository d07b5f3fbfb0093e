"""Augmentations: what each may do to an image, and that it depends on nothing but the image and its
noise.
"""

import oracles
import pytest
import torch

from advcore.box import needs_box
from advcore.randomness import Randomness
from advcore.training import (
    PRIME,
    AugMix,
    Cutout,
    Diffeomorphism,
    HorizontalFlip,
    RandomColour,
    RandomCrop,
    RandomFilter,
    Recipe,
    fit,
)
from advcore.training.augmentation import augmented
from advcore.training.chains import mixed_chains

ALL = [RandomCrop(2), HorizontalFlip(), Cutout(3)]
MIXED = [
    AugMix(),
    AugMix(severity=10, width=1, depth=1),
    PRIME(),
    RandomFilter(),
    RandomColour(),
    Diffeomorphism(),
]
SOURCE = Randomness(0, torch.arange(400))
RAMP = torch.arange(1.0, 43).view(1, 1, 6, 7).expand(400, 2, 6, 7) / 42


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
def test_a_row_alone_is_the_row_of_the_batch(augmentation):
    images = oracles.images(20, dtype=torch.float32)
    source = Randomness(1, torch.arange(20) * 7)
    together, rows = augmentation(images, source), torch.tensor([13, 4])
    assert torch.equal(augmentation(images[rows], source.take(rows)), together[rows])
    assert not torch.equal(augmentation(images, source.stream("epoch", 2)), together)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 20)])
@pytest.mark.parametrize("augmentation", MIXED, ids=repr)
def test_a_sample_is_changed_alike_in_any_batch_and_stays_in_the_box(augmentation, shape):
    images = oracles.images(60, shape, torch.float32)
    images[0], images[1] = 0, 1
    source = Randomness(1, torch.arange(60) * 7)
    together, rows = augmentation(images, source), torch.tensor([13, 4, 0])
    assert together.shape == images.shape
    assert together.dtype == images.dtype
    assert 0 <= together.min() <= together.max() <= 1
    torch.testing.assert_close(
        augmentation(images[rows], source.take(rows)), together[rows], atol=1e-5, rtol=0
    )
    changed = (together - images).flatten(1).abs().amax(1)
    assert (changed > 0.01).double().mean() > 0.5
    assert not torch.equal(augmentation(images, source.stream("epoch", 2)), together)


def test_a_mixture_keeps_a_share_of_the_image_and_the_chains_have_random_lengths():
    """Every operation adds 1: a chain is as far from the image as it is long."""
    images = torch.zeros(4000, 1, 1, 1)
    source = Randomness(0, torch.arange(4000))
    operations = [lambda own, randomness: own + 0.1] * 4
    mixed = mixed_chains(operations, images, source, width=1, depth=3)[:, 0, 0, 0]
    share = source.stream("share").uniform(())
    lengths = (mixed / share * 10).round()
    assert torch.allclose(mixed, share * lengths / 10)
    counts = [(lengths == length).double().mean().item() for length in (1, 2, 3)]
    assert counts == pytest.approx([1 / 3] * 3, abs=0.03)
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    of_three = mixed_chains(operations, images, source, width=3, depth=1)[:, 0, 0, 0]
    torch.testing.assert_close(of_three, 0.1 * share)  # the weights sum to 1


def test_inputs_without_a_box_or_a_picture_are_refused():
    labels = torch.arange(8) % 3
    recipe = Recipe(augmentation=(AugMix(),), epochs=1)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    with pytest.raises(ValueError, match=r"AugMix.* keeps to the box \[0, 1\]: it needs images"):
        list(fit(network, 3 * oracles.images(8).float(), labels, recipe, box=False))
    with pytest.raises(ValueError, match=r"augmentation\[0\], AugMix.* needs pictures"):
        list(fit(torch.nn.Linear(6, 3), torch.rand(8, 6), labels, recipe))


@pytest.mark.parametrize("augmentation", [*ALL, *MIXED], ids=repr)
def test_images_that_cannot_be_changed_are_refused(augmentation):
    if needs_box(augmentation):
        with pytest.raises(ValueError, match=r"images must lie in \[0, 1\]; got \[1, 42\]"):
            augmentation(42 * RAMP, SOURCE)
    with pytest.raises(ValueError, match="images hold NaN or infinite values"):
        augmentation(float("nan") * RAMP, SOURCE)
    with pytest.raises(ValueError, match="images must be a floating tensor"):
        augmentation(RAMP.byte(), SOURCE)
    with pytest.raises(ValueError, match="the augmentation needs pictures"):
        augmentation(RAMP[:, 0, 0], SOURCE)
    for count in (399, 401):
        with pytest.raises(ValueError, match=f"one index per sample; got {count} for 400 samples"):
            augmentation(RAMP, Randomness(0, torch.arange(count)))


def test_those_that_need_a_box_are_those_that_clip():
    boxed = [AugMix, PRIME, RandomFilter, RandomColour]
    assert {type(one) for one in (*ALL, *MIXED) if needs_box(one)} == set(boxed)
    shown = Diffeomorphism()(42 * RAMP, SOURCE)
    torch.testing.assert_close(shown, 42 * Diffeomorphism()(RAMP, SOURCE))


@pytest.mark.parametrize("make", [AugMix, PRIME])
def test_chains_without_an_operation_are_refused(make):
    with pytest.raises(ValueError, match="width and depth must be at least 1; got 3 and 0"):
        make(depth=0)


def test_a_severity_without_a_range_is_refused():
    with pytest.raises(ValueError, match=r"severity must lie in \(0.1, 10\]; got 0"):
        AugMix(severity=0)


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
