"""Any attack in training: what a sample is trained on, the value and its gradient."""

from dataclasses import replace

import oracles
import pytest
import torch
import torch.nn.functional as F
from weight_slopes import check_gradient

from advcore import Randomness, Untargeted
from advcore.attacks import (
    APGD,
    FGSM,
    FMN,
    PGD,
    DeepFool,
    MinimalNorm,
    Restarts,
    SparseFool,
    Within,
)
from advcore.norms import L2, LINF
from advcore.training import CCAT, TRADES, AdversarialTraining, CrossEntropy, Recipe, fit

IMAGES, SOURCE = oracles.images(12, spread=0.5), Randomness(0, torch.arange(12))


def _labels(network):
    return network(IMAGES).argmax(1)


@pytest.mark.parametrize("cap", [None, 0.05])
def test_deepfool_on_an_affine_network_goes_to_the_boundary_or_to_the_cap(cap):
    network = oracles.Affine(4)
    labels = _labels(network)
    labels[0] = (labels[0] + 1) % 4
    images = AdversarialTraining(DeepFool(box=False), cap=cap).perturbed(
        network, IMAGES, labels, SOURCE
    )
    expected = 1.02 * network.margins(IMAGES)
    expected[0] = 0
    assert cap is None or 0 < (expected > cap).sum() < 11
    torch.testing.assert_close(
        L2.size(images - IMAGES), expected if cap is None else expected.clamp(max=cap)
    )


def test_a_capped_perturbation_keeps_its_direction():
    network = oracles.relu()
    labels = _labels(network)
    free, capped = (
        AdversarialTraining(MinimalNorm(), cap=cap).perturbed(network, IMAGES, labels, SOURCE)
        - IMAGES
        for cap in (None, 0.03)
    )
    torch.testing.assert_close(
        capped, free * (0.03 / L2.size(free)).clamp(max=1)[:, None, None, None]
    )


def test_where_a_minimal_norm_attack_fails_the_clean_image_is_trained_on():
    network, attack = oracles.softplus(), DeepFool(steps=1, overshoot=0.0, box=False)
    labels = _labels(network)
    failed = ~attack(network, IMAGES, Untargeted(labels)).found
    assert 0 < failed.sum() < 12
    for cap in (None, 10.0):
        images = AdversarialTraining(attack, cap=cap).perturbed(network, IMAGES, labels, SOURCE)
        assert torch.equal((images == IMAGES).flatten(1).all(1), failed)


@pytest.mark.parametrize(
    "attack",
    [APGD(eps=0.05, steps=5), Restarts(PGD(eps=0.05, steps=3), 2), Within(DeepFool(), eps=0.05)],
    ids=repr,
)
def test_other_budget_attacks_are_called_as_in_measurement(attack):
    network = oracles.relu()
    labels = _labels(network)
    result = attack(network, IMAGES, Untargeted(labels), SOURCE)
    assert 0 < result.found.sum() < 12
    assert torch.equal(
        AdversarialTraining(attack).perturbed(network, IMAGES, labels, SOURCE), result.images
    )


def test_fgsm_with_a_random_start_is_pgd_of_one_long_step():
    network, eps = oracles.relu(), 0.1
    labels = _labels(network)
    start = (
        (IMAGES + LINF.random(SOURCE.stream("start"), (1, 4, 4), eps).double())
        .clamp(0, 1)
        .requires_grad_()
    )
    (gradient,) = torch.autograd.grad(F.cross_entropy(network(start), labels), start)
    expected = (IMAGES + (start + 1.25 * eps * gradient.sign() - IMAGES).clamp(-eps, eps)).clamp(
        0, 1
    )
    term = AdversarialTraining(PGD(eps, steps=1, relative_step=1.25))
    torch.testing.assert_close(term.perturbed(network, IMAGES, labels, SOURCE), expected.detach())


def test_pgd_goes_on_where_a_sample_is_broken_or_was_wrong():
    network = oracles.Affine(2)
    labels = _labels(network)
    labels[0] = 1 - labels[0]
    images = AdversarialTraining(PGD(eps=0.4, box=False)).perturbed(network, IMAGES, labels, SOURCE)
    normal = (network.weight[1] - network.weight[0]).sign().view(1, 4, 4) * (1 - 2 * labels).view(
        -1, 1, 1, 1
    )
    torch.testing.assert_close(images, IMAGES + 0.4 * normal)


def test_the_value_and_its_gradient_are_those_at_the_perturbed_images():
    network, term = (
        oracles.softplus(),
        AdversarialTraining(PGD(eps=0.1, norm="l2", steps=3), share=0.5),
    )
    labels = _labels(network)
    images = term.perturbed(network, IMAGES, labels, SOURCE)
    loss = term(network, IMAGES, labels, SOURCE)
    check_gradient(
        network, loss, lambda: -network(images).log_softmax(1)[torch.arange(12), labels].sum() / 12
    )


def test_a_share_of_the_samples_is_attacked_the_same_ones_in_any_batch():
    images, source = oracles.images(400, spread=0.5), Randomness(0, torch.arange(400))
    network = oracles.relu()
    labels = network(images).argmax(1)
    whole, term = AdversarialTraining(FGSM(eps=0.1)), AdversarialTraining(FGSM(eps=0.1), share=0.3)
    moved = term.perturbed(network, images, labels, source)
    chosen = (moved != images).flatten(1).any(1)
    assert chosen.double().mean() == pytest.approx(0.3, abs=0.07)
    torch.testing.assert_close(
        moved[chosen], whole.perturbed(network, images, labels, source)[chosen]
    )
    rows = torch.arange(400).flip(0)
    torch.testing.assert_close(
        term.perturbed(network, images[rows], labels[rows], source.take(rows)), moved[rows]
    )
    alone = (~chosen).nonzero()[:1, 0]
    assert torch.equal(
        term.perturbed(network, images[alone], labels[alone], source.take(alone)), images[alone]
    )


def test_mixed_batches_are_two_terms():
    network = oracles.relu()
    labels, attack = _labels(network), FGSM(eps=0.1)
    clean, attacked = (
        term(network, IMAGES, labels, SOURCE).item()
        for term in (CrossEntropy(), AdversarialTraining(attack))
    )
    recipe = Recipe(
        {"clean": CrossEntropy(weight=0.5), "attacked": AdversarialTraining(attack, weight=0.5)},
        epochs=1,
        batch_size=12,
    )
    (epoch,) = fit(network, IMAGES, labels, recipe)
    assert epoch.loss == pytest.approx(0.5 * clean + 0.5 * attacked)


TERMS = [
    AdversarialTraining(PGD(eps=0.1, steps=3)),
    AdversarialTraining(DeepFool(), cap=0.1, share=0.5),
    TRADES(eps=0.1, steps=3),
    TRADES(eps=0.3, norm="l2", steps=3),
    CCAT(eps=0.1, steps=3),
    CCAT(eps=0.3, norm="l2", steps=3),
]


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_rows_do_not_mix_and_stay_in_the_box(term):
    network = oracles.relu()
    images = oracles.images(12)
    labels = network(images).argmax(1)
    together = term.perturbed(network, images, labels, SOURCE)
    each = [
        term.perturbed(
            network, images[i : i + 1], labels[i : i + 1], Randomness(0, torch.tensor([i]))
        )
        for i in range(12)
    ]
    torch.testing.assert_close(together, torch.cat(each))
    assert together.min() >= 0
    assert together.max() <= 1
    assert not torch.equal(together, images)


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_the_attack_leaves_the_network_as_it_was(term):
    network = oracles.Moody()
    before = oracles.state(network)
    term.perturbed(network, IMAGES, torch.arange(12) % 4, SOURCE)
    assert oracles.state(network) == before


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"attack": APGD()}, "needs eps, a radius in pixel units"),
        ({"share": 0.0}, r"share must lie in \(0, 1\], 1 to attack every sample; got 0.0"),
        (
            {"cap": 0.1},
            (
                "cap shortens what a minimal-norm attack finds; this attack has a budget: set "
                "its eps, leave cap out"
            ),
        ),
        (
            {"attack": DeepFool(), "cap": -0.1},
            "cap must not be negative, in pixel units, or None for no limit; got -0.1",
        ),
        (
            {"attack": SparseFool(norm="l0"), "cap": 1.0},
            "cap needs a norm in which r can be shortened, l1, l2, linf; got l0",
        ),
        ({"attack": FMN(norm="l0"), "cap": 1.0}, "cap needs a norm in which r can be shortened"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        replace(AdversarialTraining(PGD(eps=0.1)), **settings)


@pytest.mark.parametrize(
    "term",
    [
        AdversarialTraining(PGD(eps=0.05, steps=2)),
        AdversarialTraining(DeepFool(), cap=0.05),
        *TERMS[2:],
    ],
    ids=repr,
)
def test_a_network_learns_by_it(term):
    images = oracles.images(60)
    labels = oracles.Affine(3)(images).argmax(1)
    network = oracles.relu(classes=3)
    list(
        fit(
            network,
            images,
            labels,
            Recipe(
                {"clean": CrossEntropy(), "term": replace(term, weight=1.0)},
                epochs=12,
                batch_size=16,
            ),
        )
    )
    assert (network(images).argmax(1) == labels).double().mean() > 0.8


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_the_linear_loss_is_minus_the_margin_of_what_is_trained_on(eps):
    network = oracles.softplus()
    labels = _labels(network)
    term = AdversarialTraining(FGSM(eps=eps, box=False), loss="logit_margin")
    seen = term.perturbed(network, IMAGES, labels, SOURCE)
    assert torch.equal(seen, IMAGES) == (eps == 0)

    def value():
        logits, own = network(seen), labels[:, None]
        others = logits.scatter(1, own, -torch.inf).amax(1)
        return (others - logits.gather(1, own)[:, 0]).mean()

    check_gradient(network, term(network, IMAGES, labels, SOURCE), value)
    with pytest.raises(ValueError, match="loss must be one of cross_entropy, logit_margin; got"):
        replace(term, loss="hinge")
