"""Helper-based adversarial training: its value by hand, its helper, and what it is without."""

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.attacks import FGSM, PGD
from advcore.training import HAT, AdversarialTraining, Recipe, fit

IMAGES, LABELS = oracles.images(8), torch.arange(8) % 4
SOURCE = Randomness(0, torch.arange(8))


def test_the_value_is_that_of_the_formula():
    """The helper is the network at the start, not the one that is trained."""
    network, helper = oracles.softplus(), oracles.softplus()
    term = HAT(FGSM(0.2), strength=0.3, reach=1.5)
    taught = term.prepare(network)
    with torch.no_grad():
        network[-1].weight.neg_()
    moved = AdversarialTraining(FGSM(0.2)).perturbed(network, IMAGES, LABELS, SOURCE)
    told = helper(moved).argmax(1)
    assert not torch.equal(told, network(moved).argmax(1))
    beyond = network(IMAGES + 1.5 * (moved - IMAGES))
    expected = F.cross_entropy(network(moved), LABELS) + 0.3 * F.cross_entropy(beyond, told)
    torch.testing.assert_close(term(taught, IMAGES, LABELS, SOURCE), expected)


def test_without_strength_it_is_adversarial_training():
    weights = []
    for term in (HAT(PGD(0.1, steps=2), strength=0.0), AdversarialTraining(PGD(0.1, steps=2))):
        network = oracles.softplus()
        list(fit(network, IMAGES, LABELS, Recipe({"a": term}, epochs=2, batch_size=4)))
        weights.append(torch.cat([own.flatten() for own in network.parameters()]))
    assert torch.equal(*weights)


def test_what_cannot_work_is_refused():
    term = HAT(PGD(0.1, steps=2))
    with pytest.raises(ValueError, match=r"give it what prepare\(network\) returns"):
        term(oracles.softplus(), IMAGES, LABELS, SOURCE)
    for name in ("strength", "reach"):
        with pytest.raises(ValueError, match=f"{name} must be finite and not negative; got -1"):
            HAT(PGD(0.1), **{name: -1})
    with pytest.raises(ValueError, match="weight must not be negative"):
        HAT(PGD(0.1), weight=-1)
    with pytest.raises(ValueError, match=r"labels must lie in 0..3 \(4 logits\); got 0..7"):
        list(fit(oracles.softplus(), IMAGES, torch.arange(8), Recipe({"a": term})))
