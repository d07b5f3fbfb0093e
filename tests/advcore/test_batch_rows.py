"""Sizes of batches where nobody says them: no batch of large images holds more numbers than a few
hundred small ones do.
"""

import pytest
import torch
from torch import nn

from advcore import batch_rows, margins, random_noise
from advcore.batch_rows import NUMBERS, check_batch_rows, rows_at_once
from advcore.certify import certify
from advcore.curvature import fools, landscape
from advcore.explain import IntegratedGradients
from advcore.subspaces import dct_blocks

SIDE = 224
IMAGES = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("shape", "rows"),
    [((1, 28, 28), 1024), ((3, 32, 32), 1024), ((3, 64, 64), 341), ((3, SIDE, SIDE), 27)],
)
def test_small_images_are_as_many_as_ever(shape, rows):
    assert rows_at_once(None, torch.empty(0, *shape).new_empty(1, *shape), 1024) == rows
    assert rows_at_once(1000, torch.empty(1, *shape), 1024) == 1000
    assert rows_at_once(None, torch.empty(1, 2 * NUMBERS, device="meta"), 1024) == 1


def test_no_rows_are_refused():
    check_batch_rows(None)
    with pytest.raises(ValueError, match="rows must be at least 1; got 0"):
        rows_at_once(0, IMAGES, 1024)


class Watched(nn.Module):
    """Two classes by the brighter half of the middle row; it notes the sizes of batches."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen.append(len(images))
        return torch.stack([images[:, 0, 112, :112].mean(1), images[:, 0, 112, 112:].mean(1)], 1)


def _margins(network):
    margins.margins(network, IMAGES, dct_blocks(SIDE, 16, 4, 3))


def _flips(network):
    random_noise.flip_probability(network, IMAGES, (0.1,), 60)


def _fools(network):
    fools(network, IMAGES, 0.1 * IMAGES.flatten(1)[:1].repeat(60, 1)[None])


def _landscape(network):
    labels, grid = torch.zeros(2, dtype=torch.int64), torch.linspace(-1, 1, 7)
    landscape(network, IMAGES, labels, IMAGES, IMAGES.flip(1), grid)


def _integrated(network):
    IntegratedGradients()(network, IMAGES, torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("measure", [_margins, _flips, _fools, _landscape, _integrated])
def test_no_batch_of_224_pixels_is_larger(measure):
    network = Watched()
    measure(network)
    assert max(network.seen) <= 27 < sum(network.seen)


def test_a_block_of_noise_goes_alone(monkeypatch):
    def network(images):
        seen.append(len(images))
        return images.flatten(1)[:, :2]

    seen: list[int] = []
    certify(network, IMAGES[:, :, :4, :4], selection=10, draws=100)
    assert max(seen) == 200
    monkeypatch.setattr(batch_rows, "NUMBERS", 110 * 3 * 4 * 4)
    seen.clear()
    certify(network, IMAGES[:, :, :4, :4], selection=10, draws=100)
    assert max(seen) == 100
