"""Adversarial training and validation in any threat model, and on the worst of several."""

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness, Untargeted, objectives
from advcore.attacks import PGD, DeepFool, FrankWolfe, GridSearch, Within, WorstOfK, WorstOfThreats
from advcore.networks import perceptron
from advcore.threats import Colour, Feature, Flow, Frequency, Spatial, Wasserstein
from advcore.training import AdversarialTraining, Recipe, Validation, fit

COUNT = 24
IMAGES = torch.zeros(COUNT, 1, 12, 12)
IMAGES[:, :, 3:9, 3:9] = torch.rand(COUNT, 1, 6, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(COUNT) % 3
SOURCE = Randomness(0, torch.arange(COUNT))
STEPS = {"steps": 3, "relative_step": 0.5}
EVERY = [
    WorstOfK(Spatial(), eps=1.0, tries=10),
    GridSearch(Spatial(), eps=1.0, points=2),
    PGD(eps=1.0, threat=Flow(nodes=4), **STEPS),
    PGD(eps=0.2, threat=Colour(), **STEPS),
    PGD(eps=1.0, threat=Frequency(0, 4), **STEPS),
    PGD(eps=0.2, threat=Wasserstein(), **STEPS),
    PGD(eps=0.3, threat=Feature(), **STEPS),
    FrankWolfe(Wasserstein(), eps=0.2, steps=3),
    WorstOfThreats((PGD(**STEPS), PGD(norm="l2", **STEPS)), limits=(0.1, 1.0), eps=1.0),
    WorstOfThreats((WorstOfK(Spatial(), tries=3), PGD(**STEPS)), limits=(1.0, 0.1), eps=1.0),
]
every = pytest.mark.parametrize("attack", EVERY, ids=lambda attack: repr(attack)[:60])


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return perceptron(num_classes=3, side=12, width=16)


@every
def test_what_is_trained_on_is_inside_and_no_better_classified(attack) -> None:
    own = network()
    images = AdversarialTraining(attack).perturbed(own, IMAGES, LABELS, SOURCE)
    assert images.shape == IMAGES.shape
    assert not torch.equal(images, IMAGES)
    assert not images.requires_grad
    loss = [F.cross_entropy(own(own_images), LABELS).item() for own_images in (IMAGES, images)]
    assert loss[1] > loss[0]
    assert own.training


@every
def test_validation_is_by_the_same_images(attack) -> None:
    own = network().eval()
    found = Validation(attack=attack, seed=5).measure(own, IMAGES, LABELS)
    noise = Randomness(5, torch.arange(COUNT)).stream("validation")
    images = AdversarialTraining(attack).perturbed(own, IMAGES, LABELS, noise)
    assert found["validation/robust_loss"] == pytest.approx(
        F.cross_entropy(own(images), LABELS).item(), rel=1e-4
    )
    assert found["validation/robust_loss"] > found["validation/loss"]


def test_validation_takes_what_cannot_climb_and_refuses_what_has_no_budget() -> None:
    own = oracles.Affine(4)
    images = oracles.images(12, spread=0.5)
    labels = own(images).argmax(1)
    attack = Within(DeepFool(box=False), eps=0.05)
    found = Validation(attack=attack).measure(own, images, labels)
    standing = (own.margins(images) > 0.05 / 1.02).double().mean().item()
    assert found["validation/robust_accuracy"] == pytest.approx(standing)
    with pytest.raises(ValueError, match="validation needs an attack with a budget; deepfool-l2"):
        Validation(attack=DeepFool())


def test_the_worst_of_threats_is_the_one_of_the_largest_loss() -> None:
    own = network().eval()
    parts, limits = (PGD(**STEPS), PGD(norm="l2", **STEPS)), (0.0625, 0.5)
    worst = AdversarialTraining(WorstOfThreats(parts, limits, eps=0.8)).perturbed(
        own, IMAGES, LABELS, SOURCE
    )
    losses = torch.stack(
        [
            F.cross_entropy(
                own(AdversarialTraining(part).perturbed(own, IMAGES, LABELS, SOURCE)),
                LABELS,
                reduction="none",
            )
            for part in (PGD(eps=0.05, **STEPS), PGD(eps=0.4, norm="l2", **STEPS))
        ]
    )
    assert len(losses.argmax(0).unique()) == 2  # neither is always the worse
    torch.testing.assert_close(
        F.cross_entropy(own(worst), LABELS, reduction="none"), losses.amax(0)
    )


def test_the_worst_of_k_is_the_one_of_the_largest_margin() -> None:
    own, criterion = network().eval(), Untargeted(LABELS)
    threat = Spatial(rotation=90, translation=3)
    attack = WorstOfK(threat, eps=1.0, tries=6)
    worst = attack.climb(own, IMAGES, criterion, SOURCE).images
    region = threat.around(IMAGES, torch.ones(COUNT), own)
    tried = [own(region.apply(region.random(SOURCE.stream("try", place)))) for place in range(6)]
    margins = torch.stack([objectives.logit_margin(logits, criterion) for logits in tried])
    torch.testing.assert_close(objectives.logit_margin(own(worst), criterion), margins.amax(0))
    assert ((margins > 0).sum(0) > 1).any()  # several wrong ones, of which the first is not taken
    assert not torch.equal(margins.argmax(0), (margins > 0).int().argmax(0))


@pytest.mark.slow
@every
def test_a_network_learns_by_it(attack) -> None:
    recipe = Recipe(objective={"adversarial": AdversarialTraining(attack)}, epochs=30)
    own = network()
    before = AdversarialTraining(attack)(own, IMAGES, LABELS, SOURCE).item()
    assert len(list(fit(own, IMAGES, LABELS, recipe))) == 30
    after = AdversarialTraining(attack)(own, IMAGES, LABELS, SOURCE).item()
    assert after < before
