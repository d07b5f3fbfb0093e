"""Randomised smoothing against linear classifiers, binomial draws and its own arithmetic."""

import math

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.certify import (
    ABSTAINS,
    blocks_of,
    certificates_of,
    certify,
    count_labels,
    largest_radius,
    lower_bound,
)

SHAPE = (1, 4, 4)
FLAT = oracles.Affine(2, SHAPE, torch.float32)
IMAGES = oracles.images(12, SHAPE, torch.float32)


def _source(count, seed=0):
    return Randomness(seed, torch.arange(count))


def test_radii_of_a_linear_classifier_tend_to_its_margins_from_below():
    margins = FLAT.margins(IMAGES).double()
    settings = {"sigma": 1.0, "alpha": 0.001, "randomness": _source(12)}
    few = certify(FLAT, IMAGES, draws=300, **settings)
    many = certify(FLAT, IMAGES, draws=10_000, **settings)
    certified = many.label != ABSTAINS
    assert certified.sum() >= 8
    assert torch.equal(many.label[certified], FLAT(IMAGES).argmax(1)[certified])
    assert (many.radius <= margins).all()
    assert (few.radius <= margins).all()
    assert (margins - few.radius)[certified].mean() > 2 * (margins - many.radius)[certified].mean()
    assert (margins - many.radius)[certified].max() < 0.1


def test_counts_are_those_of_the_true_probability():
    counts = count_labels(FLAT, IMAGES, 0.5, blocks_of(4000), _source(12), 2)
    assert counts.sum(1).tolist() == [4000] * 12
    own = counts.gather(1, FLAT(IMAGES).argmax(1)[:, None])[:, 0] / 4000
    expected = torch.special.ndtr(FLAT.margins(IMAGES) / 0.5)
    errors = (expected * (1 - expected) / 4000).sqrt()
    assert ((own - expected).abs() < 4.5 * errors + 1e-6).all()


def test_blocks_add_up_in_any_order_wherever_they_are_counted():
    blocks, source = blocks_of(250), _source(12)
    assert [block.draws for block in blocks] == [100, 100, 50]
    whole = count_labels(FLAT, IMAGES, 0.5, blocks, source, 2)
    parts = [
        count_labels(
            FLAT, IMAGES[some], 0.5, [block], Randomness(0, torch.tensor(some)), 2, rows=200
        )
        for some in ([7, 8, 9, 10, 11], [0, 1, 2, 3, 4, 5, 6])
        for block in reversed(blocks)
    ]
    assert whole.dtype == torch.int64
    assert torch.equal(whole, torch.cat([sum(parts[3:]), sum(parts[:3])]))


def test_no_more_than_a_block_goes_forward_at_once():
    seen = []

    def classifier(images):
        seen.append(len(images))
        return FLAT(images)

    certify(classifier, IMAGES, draws=1000, rows=300)
    assert max(seen) == 300
    seen.clear()
    certify(classifier, IMAGES[:1], draws=1000, rows=1)
    assert max(seen) == 100


def test_bounds_cover_the_true_probability_as_often_as_promised():
    """Of 1,000 repetitions at alpha .05, more than 74 misses have a probability below 3e-4."""
    torch.manual_seed(0)
    for share in (0.6, 0.9, 0.99):
        hits = torch.distributions.Binomial(500, torch.tensor(share)).sample((1000,)).long()
        counts = torch.stack([hits, 500 - hits], 1)
        found = certificates_of(counts, counts, 0.5, 500, 0.05)
        true = 0.5 * torch.special.ndtri(torch.tensor(share, dtype=torch.float64))
        misses = (found.radius > true).sum().item()
        assert 5 < misses < 75


def test_bounds_are_the_quantile_and_0_of_nothing():
    found = lower_bound(torch.tensor([[0, 60], [100, 1]]), 100, 0.05)
    assert found[0, 0] == 0
    assert found[1, 0].item() == pytest.approx(0.05 ** (1 / 100))
    assert found[1, 1].item() == pytest.approx(1 - 0.95 ** (1 / 100))
    tail = torch.distributions.Binomial(100, found[0, 1]).log_prob(torch.arange(60.0, 101).double())
    assert tail.exp().sum().item() == pytest.approx(0.05, rel=1e-6)
    with pytest.raises(ValueError, match="hits must lie between 0 and draws, 100; got"):
        lower_bound(torch.tensor([101]), 100, 0.05)


def test_what_is_not_proven_abstains():
    chosen = torch.tensor([[60, 40], [60, 40], [100, 0]])
    counted = torch.tensor([[505, 495], [400, 600], [1000, 0]])
    found = certificates_of(chosen, counted, 0.5, 1000, 0.001)
    assert found.label.tolist() == [ABSTAINS, ABSTAINS, 0]
    assert found.radius[:2].tolist() == [0, 0]
    assert found.radius[2].item() == pytest.approx(largest_radius(0.5, 1000))
    assert found.selected.tolist() == [0, 0, 0]
    assert found.hits.tolist() == [505, 400, 1000]


def test_selection_and_estimation_are_drawn_apart():
    """Equal draws would give equal counts of equally many."""
    chosen = count_labels(FLAT, IMAGES, 1.0, blocks_of(500), _source(12).stream("selection"), 2)
    found = certify(FLAT, IMAGES, 1.0, selection=500, draws=500, randomness=_source(12))
    assert (found.hits != chosen.amax(1)).any()


def test_a_draw_without_a_prediction_counts_for_no_class():
    def classifier(images):
        logits = FLAT(images)
        return torch.where(logits[:, :1] > logits[:, 1:], logits, torch.nan)

    counts = count_labels(classifier, IMAGES, 1.0, blocks_of(100), _source(12), 2)
    assert (counts[:, 1] == 0).all()
    assert (counts.sum(1) < 100).any()


def test_the_network_is_held_in_evaluation_mode():
    network = oracles.Moody().train()
    before = oracles.state(network)
    certify(network, oracles.images(3), draws=20)
    assert oracles.state(network) == before


@pytest.mark.parametrize(("draws", "radius"), [(1000, 2.463), (10_000, 3.199), (100_000, 3.811)])
def test_largest_radius_is_that_of_equal_predictions(draws, radius):
    assert largest_radius(1.0, draws) == pytest.approx(radius, abs=5e-4)
    assert largest_radius(0.5, draws) == pytest.approx(radius / 2, abs=5e-4)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"draws": 9}, "draws must be at least 10: with fewer even equal predictions .* got 9"),
        ({"draws": 0, "alpha": 0.9}, "draws must be at least 1: .* got 0"),
        ({"selection": 0}, "selection must be at least 1, a number of draws; got 0"),
        ({"sigma": 0.0}, "sigma must be positive and finite, .* got 0.0"),
        ({"sigma": math.inf}, "sigma must be positive and finite, .* got inf"),
        ({"alpha": 1.0}, r"alpha, a probability of error, must lie inside \(0, 1\); got 1.0"),
    ],
)
def test_settings_that_prove_nothing_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        certify(FLAT, IMAGES, **settings)
