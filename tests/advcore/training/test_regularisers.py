"""What holds for every term that is computed in evaluation mode."""

import oracles
import pytest
import torch

from advcore.pixel_masks import RandomPixels
from advcore.randomness import Randomness
from advcore.training import (
    ACET,
    CURE,
    Gaussian,
    GradientAlignment,
    GradientPenalty,
    IGNorm,
    LocalLinearity,
    RightReasons,
    Stability,
)

STILL = [
    CURE(),
    CURE(form="released"),
    GradientPenalty(),
    LocalLinearity(0.1),
    GradientAlignment(0.1),
    IGNorm(0.1, steps=2, points=2, ascent_points=1),
    RightReasons(RandomPixels(5)),
    ACET(0.1, 3),
    ACET(None),
]
IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.tensor([3, 1, 4, 15, 9, 2]))


@pytest.mark.parametrize("term", STILL, ids=repr)
def test_modes_statistics_and_gradients_are_as_they_were(term):
    network = oracles.Moody()
    before = oracles.state(network)
    term(network, IMAGES, LABELS, SOURCE)
    assert oracles.state(network) == before


@pytest.mark.parametrize(
    "term",
    [*(term for term in STILL if term != CURE(form="released")), Gaussian(), Stability()],
    ids=repr,
)
def test_a_sample_does_not_depend_on_its_batch(term):
    """The value of a batch is the mean of its samples', each alone; the released CURE divides by
    the batch.
    """
    network = oracles.softplus()
    alone = [
        term(network, IMAGES[i : i + 1], LABELS[i : i + 1], SOURCE.take(torch.tensor([i])))
        for i in range(6)
    ]
    torch.testing.assert_close(term(network, IMAGES, LABELS, SOURCE), torch.stack(alone).mean())


@pytest.mark.parametrize(
    "term", [ACET, CURE, Gaussian, GradientPenalty, Stability, LocalLinearity, GradientAlignment]
)
def test_weights_below_zero_are_refused(term):
    eps = {"eps": 0.1} if term in (LocalLinearity, GradientAlignment) else {}
    with pytest.raises(
        ValueError, match=r"weight must not be negative \(0 leaves the term out\); got -1.0"
    ):
        term(weight=-1.0, **eps)
