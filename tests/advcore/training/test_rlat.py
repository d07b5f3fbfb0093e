"""RLAT against a network written out, whose layers are moved by hand."""

import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from weight_slopes import check_gradient

from advcore.attacks import FGSM
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from advcore.training import RLAT, CrossEntropy, Recipe, fit

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 3
SOURCE = Randomness(0, torch.arange(6))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(24, 5), nn.Tanh(), nn.Linear(5, 3),
    ).double()  # fmt: skip


def test_it_is_the_loss_behind_moved_layers(network):
    first, _, _, second, _, last = network

    def loss(moves):
        images = (IMAGES + moves[0]).clamp(0, 1)
        hidden = torch.relu(first(images) + moves[1]).flatten(1)
        return F.cross_entropy(
            last(torch.tanh(second(hidden) + moves[2])), LABELS, reduction="none"
        )

    still = [
        torch.zeros(6, *shape).double().requires_grad_() for shape in ((1, 4, 4), (6, 2, 2), (5,))
    ]
    moves = []
    for place, gradient in enumerate(torch.autograd.grad(loss(still).sum(), still)):
        length = 0.3 * (16, 24, 5)[place] / 16 / (place + 1)
        norms = gradient.flatten(1).norm(dim=1).view(-1, *[1] * (gradient.dim() - 1))
        moves.append(length * gradient / norms)
    term = RLAT(0.3)
    torch.testing.assert_close(term.perturbations(network, IMAGES, LABELS), moves)
    check_gradient(network, term(network, IMAGES, LABELS, SOURCE), lambda: loss(moves).mean())


def test_one_layer_is_l2_fgsm_and_eps_0_is_plain(network):
    network, images = nn.Sequential(nn.Flatten(), network[5:][0]), torch.rand(6, 5).double()
    images.clamp_(0.2, 0.8)
    eps = 0.1
    moved = FGSM(eps, "l2").climb(network, images, Untargeted(LABELS), SOURCE).images
    ours = RLAT(eps)(network, images, LABELS, SOURCE)
    torch.testing.assert_close(ours, F.cross_entropy(network(moved), LABELS))
    plain = RLAT(0.0)(network, images, LABELS, SOURCE)
    assert torch.equal(plain, CrossEntropy()(network, images, LABELS, SOURCE))


def test_modes_and_hooks_are_as_they_were():
    network = oracles.Moody()
    before = oracles.state(network)
    RLAT().perturbations(network, IMAGES, LABELS)
    assert oracles.state(network) == before
    assert not any(module._forward_hooks for module in network.modules())


def test_a_training_with_it_learns():
    images = oracles.images(60)
    labels = oracles.Affine(4)(images).argmax(1)
    recipe = Recipe({"rlat": RLAT(0.05)}, epochs=8, batch_size=20)
    epochs = list(fit(oracles.softplus(), images, labels, recipe))
    assert epochs[-1].loss < 0.9 * epochs[0].loss


def test_settings():
    with pytest.raises(ValueError, match="eps"):
        RLAT(-1.0)
    with pytest.raises(ValueError, match="weight must not be negative"):
        RLAT(weight=-1)
