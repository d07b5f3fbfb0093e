"""The held-out corruptions, each against its definition, pixel by pixel."""

import math

import numpy as np
import pytest
import torch

from advcore.corruptions import corrupt
from advcore.corruptions.held_out import GREY, brownish_noise, checkerboard_cutout, lines
from advcore.randomness import Randomness

HEIGHT, WIDTH = 14, 20
WHITE = torch.ones(300, 1, HEIGHT, WIDTH, dtype=torch.float64)
DRAWN = Randomness(2, torch.arange(300) * 7)


def test_brownish_noise_has_the_deviation_and_the_spectrum_that_it_should():
    """The mean power of two frequencies stands in the ratio of their squared amplitudes.

    The lowest ones, which an image's deviation is made of, are left out.
    """
    images = torch.full((800, 2, 16, 16), 0.5, dtype=torch.float64)
    noise = brownish_noise(images, Randomness(0, torch.arange(800)), 0.1) - 0.5
    torch.testing.assert_close(
        noise.std((-2, -1), correction=0), torch.full((800, 2), 0.1, dtype=torch.float64)
    )
    power = torch.fft.fft2(noise).abs().square().mean((0, 1))
    for (y, x), (v, u) in (((2, 2), (4, 1)), ((0, 4), (5, 3)), ((3, 0), (0, 6))):
        expected = ((v**2 + u**2 + 1) / (y**2 + x**2 + 1)) ** 2
        assert (power[y, x] / power[v, u]).item() == pytest.approx(expected, rel=0.12)
    assert (noise[:, 0] - noise[:, 1]).abs().max() > 0.1  # channels have their own


def test_a_checkerboard_is_cut_out_cell_by_cell():
    """With all dark cells, against a loop over pixels; with a share, of these cells alone."""
    found = checkerboard_cutout(WHITE, DRAWN, 1.0)
    board = DRAWN.stream("board").uniform((2,)).double()
    for sample in (0, 5, 77):
        turn, side = 2 * math.pi * board[sample, 0], (0.1 + 0.15 * board[sample, 1]) * WIDTH
        for y in range(HEIGHT):
            for x in range(WIDTH):
                down = math.floor((math.cos(turn) * y + math.sin(turn) * x) / side)
                across = math.floor((math.cos(turn) * x - math.sin(turn) * y) / side)
                dark = down % 2 == across % 2
                assert found[sample, 0, y, x] == (GREY if dark else 1.0)
    some = checkerboard_cutout(WHITE, DRAWN, 0.3) < 1
    assert not (some & (found == 1)).any()
    assert some.double().mean().item() == pytest.approx(0.15, abs=0.012)
    assert (found < 1).double().mean().item() == pytest.approx(0.5, abs=0.012)


def test_lines_are_as_grey_as_pixels_are_near():
    """Against a loop over pixels and lines; what is grey stays grey."""
    found = lines(WHITE, DRAWN, 0.15)
    own = DRAWN.stream("image").uniform((2,)).double()
    drawn = [DRAWN.stream("line", number).uniform((3,)).double() for number in range(3)]
    for sample in (0, 9, 201):
        kept = np.ones((HEIGHT, WIDTH))
        for one in drawn:
            y0, x0, u = (one[sample] * torch.tensor([HEIGHT, WIDTH, 1])).tolist()
            turn = own[sample, 0] + (0.1 + 0.9 * own[sample, 1]) * (u - 0.5)
            way = np.array([math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)])
            for y in range(HEIGHT):
                for x in range(WIDTH):
                    from_middle = np.array([y - y0, x - x0])
                    along = from_middle @ way
                    if abs(along) <= WIDTH:
                        kept[y, x] *= min(1, np.linalg.norm(from_middle - along * way))
        np.testing.assert_allclose(found[sample, 0], GREY + (1 - GREY) * kept, atol=1e-9)
    grey = torch.full_like(WHITE, GREY)
    torch.testing.assert_close(lines(grey, DRAWN, 0.15), grey)


def test_a_small_image_has_a_line_at_the_least_severity():
    images = torch.ones(20, 1, 8, 8)
    made = corrupt(images, "lines", 1, Randomness(0, torch.arange(20)))
    assert ((made < 1).flatten(1).sum(1) > 0).float().mean() > 0.8
