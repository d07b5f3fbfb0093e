"""The zoom blur beside the original's, made by scipy."""

import math

import numpy as np
import pytest
import torch

from advcore.corruptions.blur import ZOOM_BLUR, zoom_blur, zoom_factors
from advcore.randomness import Randomness

ndimage = pytest.importorskip("scipy.ndimage")

SMALL = [(1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)]
LARGE = [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)]


def zoomed(picture: np.ndarray, factor: float) -> np.ndarray:
    """The original's enlargement of a square picture `(H, H)`."""
    side = len(picture)
    cut = math.ceil(side / factor)
    top = (side - cut) // 2
    large = ndimage.zoom(picture[top : top + cut, top : top + cut], factor, order=1)
    trim = (len(large) - side) // 2
    return large[trim : trim + side, trim : trim + side]


def original(picture: np.ndarray, end: float, step: float) -> np.ndarray:
    factors = np.arange(1, end, step)
    return (picture + sum(zoomed(picture, factor) for factor in factors)) / (len(factors) + 1)


@pytest.mark.parametrize(
    ("constants", "ends"), [("small", SMALL), ("medium", SMALL), ("large", LARGE)]
)
def test_factors_are_the_originals_to_the_last_bit(constants, ends):
    for (step, count), (end, apart) in zip(getattr(ZOOM_BLUR, constants), ends, strict=True):
        assert zoom_factors(step, int(count)) == np.arange(1, end, apart).tolist()


@pytest.mark.parametrize(
    ("constants", "side", "ends"),
    [
        ("small", 28, SMALL),
        ("small", 32, SMALL),
        ("medium", 64, SMALL),
        pytest.param("large", 224, LARGE, marks=pytest.mark.slow),
    ],
)
def test_it_is_the_originals(constants, side, ends):
    picture = np.random.default_rng(0).random((side, side))
    image, source = torch.from_numpy(picture)[None, None], Randomness(0, torch.tensor([0]))
    for setting, (end, step) in zip(getattr(ZOOM_BLUR, constants), ends, strict=True):
        made = zoom_blur(image, source, *setting)[0, 0].numpy()
        np.testing.assert_allclose(made, original(picture, end, step), atol=1e-9)
