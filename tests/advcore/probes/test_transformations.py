"""Accuracy under a grid of transformations: three numbers."""

import pytest
import torch

from advcore import Randomness
from advcore.probes import Batch, Transformations
from advcore.threats import Spatial


def left_or_right(images: torch.Tensor) -> torch.Tensor:
    """Logits: how bright the left half is, and the right."""
    half = images.shape[-1] // 2
    halves = images[..., :half], images[..., half:]
    return 3 * torch.stack([own.sum((1, 2, 3)) for own in halves], 1)


def test_the_three_numbers_of_points_at_known_places() -> None:
    images = torch.zeros(3, 1, 9, 10)
    images[0, 0, 4, 0] = images[1, 0, 4, 4] = images[2, 0, 4, 5] = 1
    labels = torch.tensor([0, 0, 1])
    probe = Transformations(Spatial(rotation=0, translation=1), points=3)
    batch = Batch(images, labels, torch.arange(3))
    table = probe.measure(left_or_right, batch, Randomness(0, batch.indices))
    assert len(table["sample"]) == 3 * 9
    assert set(table.numbers("right").tolist()) == {-1.0, 0.0, 1.0}
    # the first holds wherever it is seen, and lost to the left both are dark: label 0; the others
    # fall in one of three columns
    right = table.numbers("right")
    correct = table.numbers("correct").view(3, 9)
    assert correct[0].all()
    assert torch.equal(correct[1], right[:9] < 1)
    assert torch.equal(correct[2], right[:9] > -1)
    scalars = probe.summarise(table).scalars
    assert scalars["accuracy_mean"] == pytest.approx((9 + 6 + 6) / 27)
    assert scalars["accuracy_worst_transformation"] == pytest.approx(2 / 3)
    assert scalars["accuracy_worst_of_grid"] == pytest.approx(1 / 3)


def test_the_chart_is_over_rotation() -> None:
    batch = Batch(torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), torch.arange(4))
    probe = Transformations(Spatial(rotation=90, translation=1), points=3)
    table = probe.measure(left_or_right, batch, Randomness(0, batch.indices))
    (chart,) = probe.charts({"one": table})
    (series,) = chart.series
    assert series.x.tolist() == [-90, 0, 90]
    assert (series.low <= series.y).all()
    assert (series.y <= series.high).all()
    assert probe.charts({"one": table.take(torch.zeros(0, dtype=torch.int64))}) == []
