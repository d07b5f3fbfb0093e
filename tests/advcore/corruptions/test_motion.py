"""Blur along a line, against its definition, pixel by pixel, in any direction and width."""

import math

import pytest
import torch

from advcore.corruptions.motion import blur_along


@pytest.mark.parametrize("shape", [(6, 3, 9, 13), (6, 1, 8, 16)])
def test_it_is_a_mean_along_a_line(shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).double()
    angles = torch.tensor([-2.6, -1.5, -0.7, 0.0, 0.4, 1.9])
    found = blur_along(images, 3, 2.0, angles)
    weights = [math.exp(-(step**2) / 8) for step in range(7)]
    height, width = shape[2:]
    for image, angle, blurred in zip(images, angles.tolist(), found, strict=True):
        expected = torch.zeros_like(image)
        for step, weight in enumerate(weights):
            down, across = (math.ceil(step * part(angle) - 0.5) for part in (math.sin, math.cos))
            rows = (torch.arange(height) + down).clamp(0, height - 1)
            columns = (torch.arange(width) + across).clamp(0, width - 1)
            expected += weight / sum(weights) * image[:, rows[:, None], columns]
        torch.testing.assert_close(blurred, expected, rtol=0, atol=1e-6)


def test_it_does_not_depend_on_the_batch():
    images = torch.rand(50, 3, 24, 24, generator=torch.Generator().manual_seed(1)).double()
    angles = torch.linspace(-3, 3, 50)
    whole = blur_along(images, 5, 3.0, angles)  # in two parts
    for some in (slice(0, 1), slice(30, 47)):
        alone = blur_along(images[some], 5, 3.0, angles[some])
        torch.testing.assert_close(alone, whole[some], rtol=0, atol=1e-6)
