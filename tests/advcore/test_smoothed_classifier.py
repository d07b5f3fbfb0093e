"""The smoothed classifier against its formula and a linear classifier's closed form."""

import oracles
import pytest
import torch
from weight_slopes import check_gradient

from advcore import Randomness, Untargeted
from advcore.attacks import PGD, MinimalNorm
from advcore.classifier import predict
from advcore.curvature import input_hessian
from advcore.curvature.boundary_curvature import logit_difference
from advcore.smoothed_classifier import SmoothedClassifier

IMAGES = oracles.images(5)
SOURCE = Randomness(3, torch.arange(5))


def test_it_is_the_log_of_the_mean_softmax():
    network = oracles.softplus()
    noise = SOURCE.stream("smoothed").normal((7, 1, 4, 4)).double()
    expected = sum(network(IMAGES + 0.5 * noise[:, draw]).softmax(1) for draw in range(7)) / 7
    smoothed = SmoothedClassifier(network, 0.5, 7, SOURCE)
    torch.testing.assert_close(smoothed(IMAGES), expected.log())
    check_gradient(
        network, smoothed(IMAGES)[:, 0].sum(), lambda: _log_mean(network, noise)[:, 0].sum()
    )


def _log_mean(network, noise):
    return (sum(network(IMAGES + 0.5 * noise[:, draw]).softmax(1) for draw in range(7)) / 7).log()


def test_a_sample_has_its_own_noise_in_any_batch():
    smoothed = SmoothedClassifier(oracles.softplus(), 0.5, 7, SOURCE)
    parts = [smoothed.rows(torch.tensor(index)) for index in ([3], [0, 3])]  # before any pass
    whole = smoothed(IMAGES)
    parts.append(smoothed.rows(torch.tensor([0, 3])))
    for part, index in zip(parts, ([3], [0, 3], [0, 3]), strict=True):
        torch.testing.assert_close(part(IMAGES[index]), whole[index])
    with pytest.raises(ValueError, match=r"the noise is that of 5 samples, .* got 2 inputs"):
        smoothed(IMAGES[:2])


def test_more_draws_begin_with_those_of_fewer():
    few, many = (SmoothedClassifier(oracles.softplus(), 0.5, n, SOURCE) for n in (3, 8))
    torch.testing.assert_close(many.logits_by_draw(IMAGES)[:, :3], few.logits_by_draw(IMAGES))


def test_the_boundary_of_a_linear_classifier_is_moved_by_the_draws_mean_alone():
    """It stays parallel, by at most what the mean of so many draws may be."""
    flat = oracles.Affine(2)
    smoothed = SmoothedClassifier(flat, 0.5, 64)
    criterion = Untargeted(predict(smoothed, IMAGES))
    found = MinimalNorm(norm="l2", box=False)(smoothed, IMAGES, criterion)
    sides = 1.0 - 2 * torch.stack([criterion.labels, predict(flat, IMAGES)])
    shift = sides[0] * found.distance - sides[1] * flat.margins(IMAGES)
    torch.testing.assert_close(shift, shift.median().expand(5), rtol=0, atol=1e-3)
    assert 1e-3 < shift.abs().max() < 4.5 * 0.5 / 64**0.5


def test_gradients_of_budget_attacks_go_through_the_noise():
    flat = oracles.Affine(2)
    smoothed = SmoothedClassifier(flat, 0.1, 8, SOURCE)
    criterion = Untargeted(predict(smoothed, IMAGES))
    attack = PGD(norm="l2", eps=2 * flat.margins(IMAGES).max().item(), box=False)
    assert attack(smoothed, IMAGES, criterion, SOURCE).found.all()


def test_a_piecewise_linear_network_gets_curvature():
    """Its exact Hessian is 0, and that of the log of mean probabilities is not."""
    network, one, two = oracles.relu(), torch.zeros(5).long(), torch.ones(5).long()
    vectors = torch.ones(5, 16, dtype=torch.float64)
    plain, smooth = (
        input_hessian(own, IMAGES, logit_difference(one, two)) @ vectors
        for own in (network, SmoothedClassifier(network, 0.5, 16, SOURCE))
    )
    assert plain.abs().max() < 1e-9
    assert smooth.abs().min() > 1e-9
