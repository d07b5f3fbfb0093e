"""Staircases: how close the normal comes, and what is asked first."""

import math

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted, norms
from advcore.attacks import Staircase
from advcore.attacks.decisions.answers import Decisions
from advcore.attacks.decisions.label_normals import expected_cosine
from advcore.attacks.decisions.low_frequencies import LowFrequencies
from advcore.attacks.decisions.staircase import BLOCK, Stairs

SHAPE, SAMPLES = (1, 8, 8), 20


@pytest.mark.parametrize("band", [None, 8])
def test_the_error_of_a_flat_boundary_is_far_below_that_of_a_mean_over_labels(band):
    affine = oracles.Affine(classes=2, shape=SHAPE)
    images = oracles.images(1, SHAPE, spread=0.02).repeat(SAMPLES, 1, 1, 1)
    w = (affine.weight[1] - affine.weight[0]).detach().view(1, *SHAPE)
    margin = (affine(images)[:, 0] - affine(images)[:, 1]).detach() / w.square().sum()
    points = images + margin.view(-1, 1, 1, 1) * w
    criterion = Untargeted(torch.zeros(SAMPLES, dtype=torch.int64))
    decisions = Decisions(affine, points, criterion, norms.L2, 10**6)
    basis = LowFrequencies(SHAPE, band)
    noise = torch.randn(SAMPLES, *SHAPE, dtype=torch.float64)
    start = Stairs.toward(basis, 0.4 * norms.L2.steepest(w) + norms.L2.steepest(noise))
    everyone, length = torch.ones(SAMPLES, dtype=torch.bool), torch.full((SAMPLES,), 0.01)
    randomness, stairs, angles = Randomness(0, torch.arange(SAMPLES)), start, []
    truth = norms.L2.steepest(basis.coordinates(w))
    for turn in range(20):
        noise = randomness.stream("turn", turn)
        stairs = stairs.asked(decisions, points, basis, length.double(), everyone, noise)
        angles.append((stairs.normal - truth).norm(dim=1).median().item())
    assert (decisions.used == 1 + 20 * BLOCK).all()
    mean_of_labels = math.acos(expected_cosine("orthogonal", 20 * BLOCK, 64))
    assert angles[9] < 0.5 * math.acos(expected_cosine("orthogonal", 10 * BLOCK, 64))
    assert angles[19] < 0.1 * mean_of_labels
    assert angles[19] < 0.2 * angles[9]


def test_low_frequencies_have_the_longest_first_steps():
    basis = LowFrequencies((2, 6, 6), 6)
    steps = Stairs.toward(basis, torch.randn(1, 2, 6, 6)).steps.view(2, 6, 6)
    assert torch.equal(steps[0], steps[1])
    assert (steps[:, 1:] < steps[:, :-1]).all()
    assert (steps[..., 1:] < steps[..., :-1]).all()
    even = Stairs.toward(LowFrequencies((2, 6, 6)), torch.randn(1, 2, 6, 6)).steps
    assert even.unique().numel() == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Staircase(sigma=0), "sigma must be positive; got 0"),
        (lambda: Staircase(band=0), "band must be at least 1"),
        (lambda: Staircase(queries=1), "queries must be at least 2"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
