"""Transforms of images, and what must hold when they leave [0, 1]."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized, Randomness, frequency
from advcore.attacks import FGSM, PGD, Bisected, DeepFool, Rounded, Within, Worst
from advcore.box import needs_box
from advcore.classifier import Around
from advcore.probes import Batch, Curvature, Examples, Margins, Robustness
from advcore.rectangle import Rectangle
from advcore.subspaces import DCTDiagonal
from advcore.training import AdversarialTraining, CrossEntropy
from advcore.transforms import (
    TRANSFORMS,
    Blank,
    CutOff,
    Flip,
    HighPass,
    LowPass,
    Pad,
    Resize,
    Scale,
    keeps_box,
)

SHAPE = (2, 8, 6)
IMAGES = oracles.images(4, SHAPE)
BLANK = Blank(Rectangle(2, 1, 4, 3))
ALL = [Flip(), LowPass(3), HighPass(3), CutOff(3), Resize(5), Pad(2), BLANK, Scale(2.0)]

every_transform = pytest.mark.parametrize("transform", ALL, ids=repr)


@every_transform
def test_a_transform_is_linear_and_goes_row_by_row_and_channel_by_channel(transform):
    once = transform(IMAGES)
    torch.testing.assert_close(transform(3 * IMAGES - IMAGES.flip(0)), 3 * once - once.flip(0))
    torch.testing.assert_close(transform(IMAGES[2:3]), once[2:3])
    torch.testing.assert_close(transform(IMAGES[:, 1:]), once[:, 1:])
    if transform not in (Pad(2), Scale(2.0)):
        twice = IMAGES if transform == Flip() else once
        torch.testing.assert_close(transform(once), twice)


def test_images_that_are_scaled_up_leave_the_box():
    assert [keeps_box(Scale(factor)) for factor in (0.0, 1.0, 1.1)] == [True, True, False]
    for factor in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="factor must be a finite number >= 0"):
            Scale(factor)


@pytest.mark.parametrize("number", [-1, 1.5, float("nan")])
def test_lengths_are_whole_numbers_of_pixels(number):
    with pytest.raises(ValueError, match="margin must be a whole number of pixels, not negative"):
        Pad(number)
    with pytest.raises(ValueError, match="size must be a whole number of pixels, 1 or more"):
        Resize(number)
    for filtered in (LowPass, HighPass, CutOff):
        with pytest.raises(ValueError, match=r"band must be a whole number in 1..6 for images of"):
            filtered(number)(IMAGES)


def test_cut_off_is_what_low_pass_leaves():
    coefficients = frequency.dct2(CutOff(3)(IMAGES))
    assert coefficients[..., :3, :3].abs().max() < 1e-12
    rest = torch.ones(8, 6, dtype=torch.bool)
    rest[:3, :3] = False
    torch.testing.assert_close(coefficients[..., rest], frequency.dct2(IMAGES)[..., rest])


def test_transforms_by_name():
    assert {type(transform) for transform in ALL} == set(TRANSFORMS.values())


@every_transform
def test_normalised_transformed_images_are_transformed_normalised_ones(transform):
    mean, std = torch.tensor([0.2, 0.4]).view(2, 1, 1), torch.tensor([0.5, 3.0]).view(2, 1, 1)
    normalised = Normalized(nn.Identity(), (0.2, 0.4), (0.5, 3.0), transform).double()
    torch.testing.assert_close(
        normalised(transform(IMAGES)), transform((IMAGES - mean) / std), rtol=1e-6, atol=1e-6
    )
    plain = Normalized(nn.Identity(), (0.2, 0.4), (0.5, 3.0)).double()
    seen = transform(IMAGES)
    keeps_constants = transform in (LowPass(3), Resize(5), BLANK)
    assert torch.allclose(normalised(seen), plain(seen)) is keeps_constants


def test_resized_images_are_means_of_their_pixels():
    striped = IMAGES[..., :4]
    halved = Resize(4)(striped)
    inner = torch.tensor([1, 3, 3, 1], dtype=IMAGES.dtype) / 8  # a triangle, twice as wide
    expected = torch.einsum("k,bckw->bcw", inner, striped[:, :, 1:5])
    torch.testing.assert_close(halved[:, :, 1], expected)
    black = torch.zeros(1, 1, 9, 9)
    assert torch.equal(Resize(3)(black), torch.zeros(1, 1, 3, 3))
    assert Resize(3)(torch.ones(1, 1, 9, 9)).max() <= 1
    with pytest.raises(ValueError, match="size must be a whole number of pixels, 1 or more; got 0"):
        Resize(0)


def test_bicubic_images_are_those_of_torch_cut_at_their_extremes():
    shown = IMAGES.clone()
    shown[0, 0] = (torch.arange(6) > 2).double()  # an edge, beside which bicubic weights overshoot
    raw = nn.functional.interpolate(shown, (16, 16), mode="bicubic", antialias=True)
    assert raw.min() < 0
    seen = Resize(16, "bicubic")(shown)
    low, high = shown.amin((1, 2, 3), keepdim=True), shown.amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close(seen, raw.clamp(low, high))


def test_of_a_blank_rectangle_nothing_is_left():
    hidden = IMAGES.clone()
    hidden[..., 2:6, 1:4] = 0.123
    seen = BLANK(IMAGES)
    torch.testing.assert_close(BLANK(hidden), seen)
    outside = torch.ones(8, 6, dtype=torch.bool)
    outside[2:6, 1:4] = False
    torch.testing.assert_close(seen[..., outside], IMAGES[..., outside])
    mean = IMAGES[..., outside].mean(-1, keepdim=True)
    torch.testing.assert_close(seen[..., ~outside], mean.expand(-1, -1, 12))


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((-1, 0, 2, 2), "top and left of at least 0, height and width of at least 1; got -1, 0"),
        ((0, 0, 0, 2), "at least 1; got 0, 0, 0 and 2"),
        ((5, 0, 4, 2), "rows 5 to 8 and columns 0 to 1 must lie in the images, .* they are 8 x 6"),
        ((0, 0, 8, 6), "and not fill them"),
    ],
)
def test_rectangles_that_no_image_has_are_refused(sides, message):
    with pytest.raises(ValueError, match=message):
        Blank(Rectangle(*sides))(IMAGES)


@every_transform
def test_what_stays_in_the_box(transform):
    extreme = (IMAGES > 0.5).double()
    seen = transform(extreme)
    inside = bool(seen.min() >= 0 and seen.max() <= 1)
    assert inside is keeps_box(transform)
    assert keeps_box(None)


def test_around_takes_perturbations():
    network, index = oracles.relu(shape=SHAPE), torch.tensor([2, 0])
    steps = 0.1 * oracles.images(4, SHAPE, seed=1)
    around = Around(network, IMAGES)
    torch.testing.assert_close(around(steps), network(IMAGES + steps))
    torch.testing.assert_close(around.rows(index)(steps[index]), network(IMAGES + steps)[index])
    torch.testing.assert_close(
        Around(around, steps).rows(index)(steps[index]), network(IMAGES + 2 * steps)[index]
    )


def test_a_network_on_flipped_images_is_the_flipped_network_on_images():
    """Flipping is orthogonal: the margins come mirrored, from high to low frequency, the spectrum
    as it was.
    """
    network, images = oracles.softplus(shape=(1, 6, 6)), oracles.images(5, (1, 6, 6))
    labels, indices = torch.zeros(5, dtype=torch.int64), torch.arange(5)
    flipped = frequency.flip(images)
    assert flipped.min() < -0.1
    for probe, names in (
        (Margins(DCTDiagonal(2, 1)), ["distance"]),
        (Curvature(), ["eigenvalues", "gradient_norm", "cosine"]),
    ):
        there = probe.measure(network, Batch(flipped, labels, indices), Randomness(0, indices))
        here = probe.measure(
            lambda x: network(frequency.flip(x)),
            Batch(images, labels, indices),
            Randomness(0, indices),
        )
        for name in names:
            rows = there[name].view(-1, 5).flip(0).flatten() if name == "distance" else there[name]
            torch.testing.assert_close(rows, here[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("holder", "boxed"),
    [
        (Robustness((1.0,), (DeepFool(box=False), PGD(norm="l2"))), True),
        (Robustness((1.0,), (DeepFool(box=False),)), False),
        (Examples(), True),
        (Examples(Bisected(DeepFool())), True),
        (Examples(Worst((Bisected(DeepFool(box=False)), DeepFool(box=False)))), False),
        (Examples(Worst((Bisected(DeepFool(box=False)), DeepFool()))), True),
        (AdversarialTraining(Within(DeepFool(), 1.0)), True),
        (AdversarialTraining(Within(DeepFool(box=False), 1.0)), False),
        (Examples(Rounded(DeepFool(box=False))), True),
        (Margins(), False),
        (Curvature(), False),
        (CrossEntropy(), False),
        (AdversarialTraining(FGSM(eps=0.1)), True),
    ],
    ids=repr,
)
def test_who_needs_the_box(holder, boxed):
    assert needs_box(holder) is boxed


def test_a_margin_is_black() -> None:
    images = torch.rand(2, 1, 4, 6)
    padded = Pad(3)(images)
    assert padded.shape == (2, 1, 10, 12)
    assert torch.equal(padded[:, :, 3:-3, 3:-3], images)
    assert padded.sum() == pytest.approx(float(images.sum()))
    with pytest.raises(ValueError, match="margin"):
        Pad(-1)(images)
