"""Adversarial weight perturbation: the step of each tensor, and the gradient where it leads."""

import math

import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advcore import Randomness
from advcore.attacks import PGD
from advcore.training import AdversarialTraining, CrossEntropy, Recipe, WeightPerturbation, fit
from advcore.training.weight_perturbation import ascent_of_weights

IMAGES, LABELS = oracles.images(10, dtype=torch.float32), torch.arange(10) % 4
SOURCE = Randomness(0, torch.arange(10))
STILL = PGD(0.0, steps=2)


class _OneWeight(nn.Module):
    """Logits `(w x, 0)` of the mean x of an image."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.layer.weight.fill_(weight)

    def forward(self, images):
        score = self.layer(images.flatten(1).mean(1, keepdim=True))
        return torch.cat([score, torch.zeros_like(score)], 1)


@pytest.mark.parametrize("weight", [2.0, -0.5])
def test_of_one_weight_in_closed_form(weight):
    """Label 0, so the loss `log(1 + exp(-w x))` falls with w: v = -gamma |w|."""
    network, gamma, x = _OneWeight(weight), 0.1, 0.7
    images = torch.full((1, 1, 2, 2), x, dtype=torch.float64)
    term = WeightPerturbation(STILL, gamma)
    value = term(network, images, torch.tensor([0]), Randomness(0, torch.tensor([0])))
    there = weight - gamma * abs(weight)
    assert value.item() == pytest.approx(math.log1p(math.exp(-there * x)))
    value.backward()
    slope = -x / (1 + math.exp(there * x))
    assert network.layer.weight.grad.item() == pytest.approx(slope)
    assert network.layer.weight.item() == weight


def test_each_matrix_goes_up_its_own_slope_and_no_vector_moves():
    network = oracles.relu()
    images = oracles.images(10)
    steps = ascent_of_weights(network, images, LABELS, 0.02)
    loss = F.cross_entropy(network(images), LABELS)
    own = dict(network.named_parameters())
    slopes = dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
    assert set(steps) == {name for name, weight in own.items() if weight.ndim > 1} < set(own)
    for name, step in steps.items():
        length = 0.02 * own[name].detach().norm()
        torch.testing.assert_close(step, length * slopes[name] / slopes[name].norm())


def test_frozen_tensors_stay_and_a_flat_loss_moves_none():
    network = _OneWeight(1.0).requires_grad_(False)
    images = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    assert ascent_of_weights(
        nn.Sequential(network, nn.Linear(2, 2).double()), images, LABELS[:1], 0.1
    ).keys() == {"1.weight"}
    flat = ascent_of_weights(_OneWeight(1.0), images, LABELS[:1], 0.1)
    assert flat["layer.weight"].item() == 0


def _trained(term, **settings):
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(12, 4),
    )
    recipe = Recipe({"term": term}, epochs=2, batch_size=4, **settings)
    return [epoch.loss for epoch in fit(network, IMAGES, LABELS, recipe)], network.state_dict()


@pytest.mark.parametrize(
    ("term", "other"),
    [
        (WeightPerturbation(PGD(0.1, steps=2), 0.0), AdversarialTraining(PGD(0.1, steps=2))),
        (WeightPerturbation(STILL, 0.0), CrossEntropy()),
    ],
    ids=["adversarial", "plain"],
)
def test_at_gamma_0_it_is_training_without_it_bit_for_bit(term, other):
    (losses, weights), (expected, wanted) = _trained(term), _trained(other)
    assert losses == expected
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


def test_statistics_of_batch_normalisation_move_once_a_step():
    """They are those of the pass with perturbed weights alone."""
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))
    WeightPerturbation(STILL, 0.01)(network.train(), IMAGES, LABELS, SOURCE)
    assert network[1].num_batches_tracked == 1


def _frozen_but_for_biases():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    network[1].weight.requires_grad_(False)
    return network


class _Scaled(nn.Module):
    """The first four pixels, each times a weight of its own: one tensor of one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0]))

    def forward(self, images):
        return images.flatten(1)[:, :4] * self.scale


@pytest.mark.parametrize("made", [_Scaled, _frozen_but_for_biases])
def test_a_network_without_a_matrix_to_move_is_trained_as_without_it(made):
    network, attack = made(), PGD(0.1, steps=2)
    values = [
        term(network, IMAGES, LABELS, SOURCE)
        for term in (WeightPerturbation(attack, 0.1), AdversarialTraining(attack))
    ]
    assert ascent_of_weights(network, IMAGES, LABELS, 0.1) == {}
    own = [weight for weight in network.parameters() if weight.requires_grad]
    slopes = [torch.autograd.grad(value, own) for value in values]
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(slopes[0], slopes[1])


@pytest.mark.parametrize("gamma", [-0.1, math.inf, math.nan])
def test_a_gamma_that_is_no_length_is_refused(gamma):
    with pytest.raises(ValueError, match=f"finite and not negative; got {gamma}"):
        WeightPerturbation(STILL, gamma)


def test_an_attack_without_eps_is_refused():
    with pytest.raises(ValueError, match="eps"):
        WeightPerturbation(PGD())
