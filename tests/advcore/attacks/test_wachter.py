"""Wachter's counterfactuals against the closed form of an affine classifier of two classes."""

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted
from advcore.attacks import Wachter
from advcore.learnt import Learnt

IMAGES = oracles.images(6)
SPREAD = torch.linspace(0.1, 1, 16, dtype=IMAGES.dtype).view(IMAGES.shape[1:])
FIT = Learnt("some", tensors={"inputs": SPREAD * oracles.images(31, seed=1)})
NOISE = Randomness(0, torch.arange(len(IMAGES)))


def deviations(samples):
    """The median distance to the median, by sorting."""
    middle = len(samples) // 2
    away = (samples - samples.sort(0).values[middle]).abs()
    return away.sort(0).values[middle]


@pytest.mark.parametrize("fit", [None, FIT], ids=["plain", "by MAD"])
def test_one_entry_moves_as_far_as_it_must(fit):
    """The shortest change is of the entry of the largest slope times MAD."""
    network = oracles.Affine(2)
    attack = Wachter(fit, steps=200, box=False)
    result = attack(network, IMAGES, Untargeted(network(IMAGES).argmax(1)), NOISE)
    assert result.found.all()
    mad = torch.ones_like(IMAGES[0]) if fit is None else deviations(fit["inputs"])
    slope = ((network.weight[0] - network.weight[1]).view(IMAGES.shape[1:]) * mad).abs().flatten()
    lead = (network(IMAGES)[:, 0] - network(IMAGES)[:, 1]).abs()
    cost = ((result.images - IMAGES).abs() / mad).flatten(1)
    assert (cost.sum(1) >= lead / slope.max() * (1 - 1e-9)).all()
    assert (cost.sum(1) <= (lead + attack.confidence) / slope.max() * 1.01).all()
    steepest = slope >= 0.95 * slope.max()
    assert steepest.sum() <= 2
    assert (cost[:, steepest].sum(1) > 0.8 * cost.sum(1)).all()
    torch.testing.assert_close(result.distance, (result.images - IMAGES).abs().flatten(1).sum(1))


def test_an_entry_that_never_varies_is_dear_and_not_fixed():
    still = Learnt("still", tensors={"inputs": torch.full((5, *IMAGES.shape[1:]), 0.3)})
    network = oracles.Affine(2)
    result = Wachter(still)(network, IMAGES, Untargeted(network(IMAGES).argmax(1)), NOISE)
    assert result.found.any()
    assert result.distance[result.found].isfinite().all()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Wachter(steps=0), "steps must be at least 1; got 0"),
        (lambda: Wachter(raises=0), "raises must be at least 1; got 0"),
        (lambda: Wachter(weight=0.0), "weight must be positive and finite; got 0.0"),
        (lambda: Wachter(least=0.0), "least must be positive and finite; got 0.0"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_fits_that_do_not_go_with_the_inputs_are_refused():
    network = oracles.Affine(2)
    for inputs, match in (
        (torch.rand(3, 1, 5, 5), r"the fit odd has samples \(1, 5, 5\); these inputs are"),
        (torch.full((3, 1, 4, 4), torch.nan), "the fit odd has samples with NaN"),
    ):
        odd = Learnt("odd", tensors={"inputs": inputs})
        with pytest.raises(ValueError, match=match):
            Wachter(odd)(network, IMAGES, Untargeted(network(IMAGES).argmax(1)), NOISE)
