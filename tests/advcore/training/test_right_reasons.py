"""Right for the right reasons: the penalty against a slow formula and a closed form; masks."""

import oracles
import torch
from weight_slopes import check_gradient

from advcore.pixel_masks import Rectangle
from advcore.randomness import Randomness
from advcore.training import RightReasons

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))
CORNER = Rectangle(0, 1, 2, 2)


def test_the_value_and_its_gradient_are_those_of_the_slow_formula():
    network = oracles.softplus()

    def value():
        with torch.enable_grad():
            total = 0
            for image in IMAGES:
                leaf = image.clone().requires_grad_()
                answers = network(leaf[None]).log_softmax(1).sum()
                gradient = torch.autograd.grad(answers, leaf)[0]
                total += gradient[:, 0:2, 1:3].square().sum()
        return total / 6

    loss = RightReasons(CORNER)(network, IMAGES, LABELS, SOURCE)
    assert loss > 0
    check_gradient(network, loss, value)


def test_an_affine_classifier_costs_its_weights_in_the_mask():
    """Of logits `W x` the gradient is `sum_k w_k - K sum_k p_k w_k`."""
    network = oracles.Affine(4)
    value = RightReasons(CORNER)(network, IMAGES, LABELS, SOURCE)
    weight = network.weight.view(4, *IMAGES.shape[1:])
    p = network(IMAGES).softmax(1)
    slope = weight.sum(0) - 4 * torch.einsum("bk,kchw->bchw", p, weight)
    expected = slope[:, :, 0:2, 1:3].square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(value, expected)
    with torch.no_grad():
        weight[:, :, 0:2, 1:3] = 0
    assert RightReasons(CORNER)(network, IMAGES, LABELS, SOURCE).item() == 0


def test_no_labels_count():
    network = oracles.softplus()
    one, other = (
        RightReasons(CORNER)(network, IMAGES, labels, SOURCE) for labels in (LABELS, 3 - LABELS)
    )
    assert one == other
