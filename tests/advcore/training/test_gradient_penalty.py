"""The input-gradient penalty against a slow formula and a closed form."""

import oracles
import pytest
import torch
from losses import affine_loss, slow_gradient
from weight_slopes import check_gradient

from advcore.randomness import Randomness
from advcore.training import GradientPenalty

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_the_value_and_its_gradient_are_those_of_the_slow_formula(norm):
    network = oracles.softplus()

    def value():
        gradients = [
            slow_gradient(network, image, label)
            for image, label in zip(IMAGES, LABELS, strict=True)
        ]
        return sum(g.square().sum() if norm == "l2" else g.abs().sum() for g in gradients) / 6

    check_gradient(network, GradientPenalty(norm)(network, IMAGES, LABELS, SOURCE), value)


@pytest.mark.parametrize(
    ("norm", "expected"), [("l2", sum(i**2 for i in range(17))), ("l1", sum(range(17)))]
)
def test_an_affine_loss_costs_its_slope(norm, expected):
    value = GradientPenalty(norm)(affine_loss(), IMAGES, torch.zeros_like(LABELS), SOURCE)
    assert value.item() == pytest.approx(expected)


def test_confident_samples_keep_their_gradient_in_single_precision():
    """Torch's own cross-entropy has the gradient 0 where the label leads by 20."""
    network = oracles.Affine(2, dtype=torch.float32)
    with torch.no_grad():
        network.bias += torch.tensor([60.0, 0.0])
    value = GradientPenalty("l1")(network, IMAGES.float(), torch.zeros_like(LABELS), SOURCE)
    lead = network(IMAGES.float()).diff(dim=1)[:, 0].double()
    expected = (lead.exp() * network.weight.diff(dim=0).abs().sum()).mean()
    assert 0 < value.item() == pytest.approx(expected.item(), rel=1e-4)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"norm must be l2 \(squared\) or l1 .*got 'linf'"):
        GradientPenalty("linf")
