"""Corruptions of images: their contract, closed forms, and what they refuse."""

from colorsys import hsv_to_rgb, rgb_to_hsv

import pytest
import torch

from advcore.corruptions import CORRUPTIONS, corrupt
from advcore.corruptions.colour import brightness, saturate
from advcore.corruptions.glass import _origins
from advcore.corruptions.noise import shot_noise
from advcore.randomness import Randomness

INDICES = torch.tensor([3, 17, 40, 101])
GREY = [name for name, one in CORRUPTIONS.items() if not one.coloured]


def pictures(channels: int, height: int, width: int) -> torch.Tensor:
    """Smooth pictures with an edge, of 8 bits."""
    ramp = torch.linspace(0, 1, width).expand(channels, height, width).clone()
    ramp[:, height // 3 : height // 2] = 0.8
    turned = torch.stack([ramp, ramp.flip(2), ramp * 0.5, 1 - ramp])
    tints = torch.tensor([1.0, 0.7, 0.4])[:channels].view(-1, 1, 1)
    return (turned * tints * 255).round() / 255


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("constants", ["small", "large"])
def test_a_row_depends_on_its_own_index_alone(name, constants):
    images = pictures(3, 13, 18)
    whole = corrupt(images, name, 3, Randomness(5, INDICES), constants)
    assert whole.shape == images.shape
    assert whole.dtype == images.dtype
    levels = whole * 255
    torch.testing.assert_close(levels, levels.round().clamp(0, 255), rtol=0, atol=1e-4)
    some = torch.tensor([2, 0])
    alone = corrupt(images[some], name, 3, Randomness(5, INDICES[some]), constants)
    torch.testing.assert_close(alone, whole[some], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", GREY)
def test_grey_images_have_one_channel(name):
    images = pictures(1, 16, 11)
    made = corrupt(images, name, 5, Randomness(0, INDICES), "medium")
    assert made.shape == images.shape
    assert (made - images).abs().max() > 1 / 255


@pytest.mark.parametrize("name", GREY)
def test_each_severity_of_each_table_gives_other_images(name):
    images = pictures(1, 24, 24)[:1]
    for constants in ("small", "medium", "large"):
        drawn = Randomness(0, INDICES[:1])
        made = [corrupt(images, name, k, drawn, constants).numpy().tobytes() for k in range(1, 6)]
        assert len({images.numpy().tobytes(), *made}) == 6, constants


@pytest.mark.parametrize(
    ("name", "shape", "settings", "words"),
    [
        ("gaussian_noise", (2, 8, 8), {}, "gaussian_noise needs images of 1 or 3 channels; got 2"),
        ("contrast", (1, 4, 9), {}, "needs images of at least 8 x 8 pixels; got 4 x 9"),
        ("saturate", (1, 8, 8), {}, "saturate changes colours alone, .* leave it out"),
        ("contrast", (1, 8, 8), {"severity": 6}, "severity must be one of 1, 2, 3, 4, 5; got 6"),
        (
            "contrast",
            (1, 8, 8),
            {"severity": 2.0},
            "severity must be one of 1, 2, 3, 4, 5; got 2.0",
        ),
        ("contrast", (1, 8, 8), {"severity": 0}, "severity must be one of 1, 2, 3, 4, 5; got 0"),
        ("contrast", (1, 8, 8), {"constants": "tiny"}, "constants must be auto, small, .*'tiny'"),
        ("frost", (1, 8, 8), {}, "leave it out, and say that 14 of the 15 corruptions"),
        ("gausian", (1, 8, 8), {}, "corruption must be one of gaussian_noise, .*; got 'gausian'"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(name, shape, settings, words):
    with pytest.raises(ValueError, match=words):
        corrupt(
            torch.zeros(4, *shape),
            name,
            randomness=Randomness(0, INDICES),
            **{"severity": 1} | settings,
        )


def test_images_that_are_no_images_are_refused():
    for images, words in (
        (torch.full((4, 1, 8, 8), torch.nan), "images hold NaN"),
        (torch.full((4, 1, 8, 8), 1.5), r"images must lie in \[0, 1\]"),
        (torch.zeros(4, 8, 8), "needs pictures"),
    ):
        with pytest.raises(ValueError, match=words):
            corrupt(images, "contrast", 1, Randomness(0, INDICES))
    for name in CORRUPTIONS:
        with pytest.raises(ValueError, match="one index per sample; got 3 for 4 samples"):
            corrupt(torch.zeros(4, 3, 8, 8), name, 1, Randomness(0, INDICES[:3]))


def test_glass_copies_one_pixel_after_the_other():
    height, width, reach = 9, 11, 2
    drawn = Randomness(1, INDICES).uniform((height, width))
    origins = _origins(drawn, reach)
    for moves, found in zip((drawn * 16).long(), origins, strict=True):
        values = torch.arange(height * width).view(height, width)
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, across = divmod(int(moves[row, column]), 4)
                values[row, column] = values[row + down - reach, column + across - reach]
        assert torch.equal(found.view(height, width), values)


def test_brightness_and_saturation_act_in_hsv():
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    images[0, :, 0, 0] = 0.0
    for made, turn in (
        (brightness(images, None, 0.2), lambda h, s, v: (h, s, min(v + 0.2, 1))),
        (saturate(images, None, 2.0, 0.1), lambda h, s, v: (h, min(2 * s + 0.1, 1), v)),
    ):
        pixels = images.movedim(1, -1).reshape(-1, 3).tolist()
        expected = [hsv_to_rgb(*turn(*rgb_to_hsv(*pixel))) for pixel in pixels]
        wanted = torch.tensor(expected, dtype=torch.float64).view(2, 4, 5, 3).movedim(-1, 1)
        torch.testing.assert_close(made, wanted)


def test_shot_noise_is_poisson():
    images = torch.full((1, 1, 100, 100), 102 / 255, dtype=torch.float64)
    counts = 12 * shot_noise(images, Randomness(0, INDICES[:1]), 12)
    assert torch.equal(counts.round(), counts.round(decimals=6))
    assert abs(counts.mean() - 4.8) < 0.1
    assert abs(counts.var() - 4.8) < 0.3
    dark = shot_noise(torch.zeros_like(images), Randomness(0, INDICES[:1]), 12)
    assert not dark.any()
