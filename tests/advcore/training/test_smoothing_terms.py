"""SmoothAdv, MACER and consistency against their formulas; the network is in training mode."""

import math

import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from weight_slopes import check_gradient

from advcore.attacks import PGD
from advcore.box import needs_box
from advcore.criteria import Untargeted
from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.smoothed_classifier import SmoothedClassifier
from advcore.training import MACER, Consistency, SmoothAdv

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))
TERMS = (SmoothAdv, MACER, Consistency)


@pytest.fixture
def network():
    module = nn.Sequential(nn.BatchNorm2d(1, momentum=0.0, dtype=torch.float64), oracles.softplus())
    return module.train()


def _copies(draws, images=IMAGES):
    """The noisy copies at sigma .5, a sample's after the other's."""
    noise = SOURCE.stream("smoothed").normal((draws, 1, 4, 4)).double()
    return (images[:, None] + 0.5 * noise).flatten(0, 1)


def test_consistency_is_its_formula(network):
    def value():
        p = network(_copies(3)).softmax(1).view(6, 3, 4)
        own = -p[torch.arange(6), :, LABELS].log().mean()
        mean = p.mean(1)
        apart = (mean[:, None] * (mean[:, None] / p).log()).sum(2).mean()
        return own + 7 * apart - 0.25 * (mean * mean.log()).sum(1).mean()

    check_gradient(network, Consistency(0.5, 3, 7.0, 0.25)(network, IMAGES, LABELS, SOURCE), value)


def test_macer_is_its_formula(network):
    def value():
        """Sample by sample."""
        logits, total = network(_copies(3)).view(6, 3, 4), 0
        for sample, label in enumerate(LABELS.tolist()):
            total = total - logits[sample].softmax(1).mean(0)[label].log()
            q = (2 * logits[sample]).softmax(1).mean(0)
            if q.argmax() == label:
                first, second = torch.special.ndtri(q.sort(descending=True).values[:2])
                total = total + 5 * 0.5 / 2 * max(1.5 - (first - second), 0)
        return total / 6

    term = MACER(0.5, 3, regulariser=5.0, gamma=1.5, sharpness=2.0)
    loss = term(network, IMAGES, LABELS, SOURCE)
    check_gradient(network, loss, value)
    plain = MACER(0.5, 3, regulariser=0.0)(network, IMAGES, LABELS, SOURCE)
    assert loss > plain + 0.1  # some samples are right, and within the margin


def test_macer_leaves_out_what_is_sure_and_what_is_wrong():
    """Without a gradient that is not finite: sure copies have the quantiles 0 and 1."""

    class Sure(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(100.0))

        def forward(self, images):
            return self.factor * F.one_hot(torch.zeros(len(images)).long(), 4)

    network = Sure()
    loss = MACER(0.5, 2)(network, IMAGES[:2].float(), torch.tensor([0, 1]), SOURCE.take(LABELS[:2]))
    loss.backward()
    assert loss.item() == pytest.approx(50)
    assert network.factor.grad.item() == pytest.approx(0.5, rel=1e-4)


def test_smooth_adv_is_the_loss_at_the_worst_of_the_smoothed(network):
    smoothed = SmoothedClassifier(network.eval(), 0.5, 3, SOURCE)
    attack = PGD(0.3, "l2", 4, relative_step=0.5, random_start=False)
    found = attack.climb(smoothed, IMAGES, Untargeted(LABELS), SOURCE).images
    assert L2.size(found - IMAGES).max().item() == pytest.approx(0.3)
    loss = SmoothAdv(0.5, 0.3, 4, 3)(network.train(), IMAGES, LABELS, SOURCE)
    labels = LABELS.repeat_interleave(3)
    check_gradient(
        network, loss, lambda: F.cross_entropy(network(_copies(3, found)), labels, reduction="mean")
    )
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    plain = SmoothAdv(0.5, 0.0, 4, 3)(network, IMAGES, LABELS, SOURCE)
    torch.testing.assert_close(plain, F.cross_entropy(network(_copies(3)), labels))
    assert loss > plain + 0.01


@pytest.mark.parametrize("term", TERMS)
def test_a_step_along_the_gradient_lowers_the_value(term):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    before = term()(network, IMAGES, LABELS, SOURCE)
    before.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.grad.abs().max() > 0
            parameter -= 1e-3 * parameter.grad
    assert term()(network, IMAGES, LABELS, SOURCE) < before


@pytest.mark.parametrize(
    ("make", "match"),
    [
        *((lambda term=term: term(sigma=0), "sigma must be positive") for term in TERMS),
        *((lambda term=term: term(draws=0), "draws must be at least 1") for term in TERMS),
        *((lambda term=term: term(weight=-1), "weight must not be negative") for term in TERMS),
        (lambda: SmoothAdv(eps=-1), "eps"),
        (lambda: SmoothAdv(steps=0), "steps must be at least 1; got 0"),
        (lambda: MACER(regulariser=-1), "regulariser must not be negative; got -1"),
        (lambda: MACER(gamma=0), "gamma must be positive; got 0"),
        (lambda: MACER(sharpness=math.nan), "sharpness must be positive; got nan"),
        (lambda: Consistency(draws=1), "draws must be at least 2, to be compared; got 1"),
        (lambda: Consistency(entropy=-1), "entropy must not be negative; got -1"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_only_the_attack_needs_the_box():
    assert [needs_box(term()) for term in TERMS] == [True, False, False]
    assert not needs_box(SmoothAdv(box=False))
