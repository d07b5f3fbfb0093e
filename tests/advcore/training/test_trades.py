"""TRADES against a slow formula, sample by sample, and the closed form of two affine logits."""

import oracles
import pytest
import torch
import torch.nn.functional as F
from weight_slopes import check_gradient

from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.training import TRADES, CrossEntropy, Recipe, fit
from advcore.training.trades import divergence

IMAGES, SOURCE = oracles.images(6), Randomness(0, torch.arange(6))
LABELS = torch.arange(6) % 4


def _slow(network, term, image, noise):
    """The inner maximisation for one image `(1, C, H, W)`, written out."""
    probabilities = network(image).softmax(1).detach()
    current = (image + 0.001 * noise).clamp(0, 1)
    for _ in range(term.steps):
        current.requires_grad_()
        divergence = F.kl_div(network(current).log_softmax(1), probabilities, reduction="sum")
        (gradient,) = torch.autograd.grad(divergence, current)
        stride = 2.5 / term.steps * term.eps
        if term.norm == "linf":
            r = (current + stride * gradient.sign() - image).clamp(-term.eps, term.eps)
        else:
            r = current + stride * gradient / gradient.norm() - image
            r = r * min(1, term.eps / r.norm().item())
        current = (image + r).clamp(0, 1).detach()
    return current


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_value_and_its_gradient_are_those_of_the_slow_formula(norm):
    """On a network with batch normalisation, in its two modes; through both arguments of the
    divergence.
    """
    network = torch.nn.Sequential(
        torch.nn.BatchNorm2d(1, momentum=0.0, dtype=torch.float64), oracles.softplus()
    )
    network[0].running_mean += 0.3
    term = TRADES(eps=0.2, norm=norm, steps=4)
    noise = SOURCE.stream("start").normal((1, 4, 4)).double()
    network.eval()
    moved = torch.cat([_slow(network, term, IMAGES[i : i + 1], noise[i : i + 1]) for i in range(6)])
    network.train()
    torch.testing.assert_close(term.perturbed(network, IMAGES, LABELS, SOURCE), moved)
    loss = term(network, IMAGES, LABELS, SOURCE)
    assert loss > 0.01

    def value():
        p, q = network(IMAGES).softmax(1), network(moved).softmax(1)
        return (
            sum(
                (p[i, k] * (p[i, k] / q[i, k]).log() for i in range(6) for k in range(4)),
                torch.zeros(()),
            )
            / 6
        )

    check_gradient(network, loss, value)


def test_two_affine_logits_move_to_the_corner_to_which_the_noise_leans():
    network = oracles.Affine(2)
    normal = network.weight[1] - network.weight[0]
    side = (SOURCE.stream("start").normal((16,)).double() @ normal).sign()
    assert len(side.unique()) == 2
    moved = IMAGES + 0.1 * per_sample(side, IMAGES) * normal.sign().view(1, 4, 4)
    term = TRADES(eps=0.1, steps=3, box=False)
    torch.testing.assert_close(term.perturbed(network, IMAGES, LABELS, SOURCE), moved)


def test_the_divergence_has_a_gradient_where_single_precision_is_sure():
    clean = torch.tensor([[25.0, 0.0, -1.0]])
    logits = torch.tensor([[24.0, 0.1, -1.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(divergence(clean, logits).sum(), logits)
    exact = (logits.detach().double().softmax(1) - clean.double().softmax(1)).float()
    assert exact[0, 0] < 0
    torch.testing.assert_close(gradient, exact, rtol=1e-4, atol=0)


def test_without_weight_it_is_plain_training():
    runs = []
    for objective in (
        {"clean": CrossEntropy()},
        {"clean": CrossEntropy(), "trades": TRADES(eps=0.1, weight=0.0)},
    ):
        network = oracles.relu()
        list(fit(network, IMAGES, LABELS, Recipe(objective, epochs=2, batch_size=4)))
        runs.append([parameter.tolist() for parameter in network.parameters()])
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": -0.1}, "eps must not be negative, in pixel units; got -0.1"),
        ({"eps": 0.1, "norm": "l3"}, "norm must be one of l1, l2, linf; got 'l3'"),
        ({"eps": 0.1, "steps": 2, "relative_step": 0.1}, "2 steps of 0.1 eps cannot reach eps"),
        ({"eps": 0.1, "weight": -1.0}, "weight must not be negative"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        TRADES(**settings)


def test_images_outside_the_box_by_request_alone():
    network = oracles.relu()
    with pytest.raises(
        ValueError, match=r"keeps to the box \[0, 1\]: it needs images in it and box=True"
    ):
        next(
            fit(
                network,
                IMAGES - 0.5,
                LABELS,
                Recipe({"trades": TRADES(eps=0.1)}, epochs=1),
                box=False,
            )
        )
    next(
        fit(
            network,
            IMAGES - 0.5,
            LABELS,
            Recipe({"trades": TRADES(eps=0.1, box=False)}, epochs=1),
            box=False,
        )
    )
