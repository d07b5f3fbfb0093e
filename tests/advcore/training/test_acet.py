"""ACET: its noise against a slow formula, its adversary where the maximum is known, its value and
gradient.
"""

import math

import numpy as np
import oracles
import pytest
import torch
from scipy.ndimage import gaussian_filter
from weight_slopes import check_gradient

from advcore.box import needs_box
from advcore.low_pass_noise import low_passed, noise_images
from advcore.norms import LINF
from advcore.objectives import log_confidence
from advcore.randomness import Randomness
from advcore.training import ACET

COUNT = 12
SHAPE = (3, 9, 5)
IMAGES, LABELS = oracles.images(COUNT, SHAPE), torch.zeros(COUNT, dtype=torch.int64)
SOURCE = Randomness(0, torch.arange(COUNT))


def test_the_low_pass_is_scipys():
    """Also for images smaller than the filter."""
    deviations = torch.linspace(1, 2.5, COUNT, dtype=torch.float64)
    for row, image, std in zip(
        low_passed(IMAGES, deviations), IMAGES.numpy(), deviations.tolist(), strict=True
    ):
        expected = np.stack(
            [gaussian_filter(channel, std, mode="reflect", radius=7) for channel in image]
        )
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-12)


def test_noise_images_are_those_of_the_slow_formula():
    kinds = set()
    for i, (image, noise) in enumerate(zip(IMAGES, noise_images(IMAGES, SOURCE), strict=True)):
        own = SOURCE.take(torch.tensor([i]))
        if own.stream("half").uniform(())[0] < 0.5:
            order = own.stream("permutation").uniform((45,))[0].argsort()
            assert len(order.unique()) == 45
            raw = torch.stack([channel.flatten()[order].view(9, 5) for channel in image])
            kinds.add("permuted")
        else:
            raw = own.stream("uniform").uniform(SHAPE)[0].double()
            kinds.add("uniform")
        std = (1 + 1.5 * own.stream("blur").uniform(())[0]).item()
        smooth = torch.stack(
            [
                torch.from_numpy(gaussian_filter(c.numpy(), std, mode="reflect", radius=7))
                for c in raw
            ]
        )
        torch.testing.assert_close(
            noise, (smooth - smooth.min()) / (smooth.max() - smooth.min()), atol=1e-6, rtol=0
        )
    assert kinds == {"permuted", "uniform"}


def test_noise_of_black_images_is_finite():
    noise = noise_images(torch.zeros_like(IMAGES), SOURCE)
    assert {image.max().item() for image in noise} == {0.0, 1.0}  # permuted ones, and uniform ones


@pytest.mark.parametrize("eps", [0.1, None])
def test_the_value_and_its_gradient_are_those_of_the_slow_formula(eps):
    network, term = oracles.softplus(shape=SHAPE), ACET(eps, steps=4)
    worst = []
    for i, noise in enumerate(noise_images(IMAGES, SOURCE)):
        if eps is None:
            worst.append(noise)
            continue
        own = SOURCE.take(torch.tensor([i]))
        scale = 0.1 * own.stream("scale").uniform(()).double()
        moved = (noise + LINF.random(own.stream("start"), SHAPE, scale)[0]).clamp(0, 1)
        for _ in range(4):
            moved.requires_grad_()
            (way,) = torch.autograd.grad(network(moved[None]).softmax(1).max(), moved)
            r = (moved + 2.5 / 4 * 0.1 * way.sign() - noise).clamp(-0.1, 0.1)
            moved = (noise + r).clamp(0, 1).detach()
        worst.append(moved)

    def value():
        return sum(network(image[None]).softmax(1).max().log() for image in worst) / COUNT

    check_gradient(network, term(network, IMAGES, LABELS, SOURCE), value)


def test_the_adversary_of_two_affine_logits_reaches_the_corner():
    """Class 0 leads everywhere: the largest confidence in the ball and the box is at `clip(n + eps
    sign(w_0 - w_1))`.
    """
    network = oracles.Affine(2, SHAPE, scale=0.05)
    with torch.no_grad():
        network.bias[0] += 5
    way = (network.weight[0] - network.weight[1]).sign().view(SHAPE)
    best = log_confidence(network((noise_images(IMAGES, SOURCE) + 0.3 * way).clamp(0, 1))).mean()
    plain = ACET(None)(network, IMAGES, LABELS, SOURCE)
    found = ACET(0.3)(network, IMAGES, LABELS, SOURCE)
    assert plain < found
    torch.testing.assert_close(found, best)


def test_a_network_that_is_sure_of_nothing_has_the_least_value():
    assert ACET(None)(
        oracles.Constant(2.0, 2.0, 2.0), IMAGES, LABELS, SOURCE
    ).item() == pytest.approx(-math.log(3))


def test_only_the_adversary_needs_the_box():
    assert [needs_box(ACET(eps)) for eps in (0.3, None)] == [True, False]
    with pytest.raises(ValueError, match=r"eps must not be negative, in pixel units; got -1.0"):
        ACET(-1.0)


def test_cross_entropy_to_the_uniform_distribution_on_the_same_noise():
    network = oracles.softplus(shape=SHAPE)
    logits = network(noise_images(IMAGES, SOURCE))
    expected = -logits.log_softmax(1).mean(1).mean()
    torch.testing.assert_close(
        ACET(None, loss="cross_entropy")(network, IMAGES, LABELS, SOURCE), expected
    )
    unsure = ACET(None, loss="cross_entropy")(
        oracles.Constant(2.0, 2.0, 2.0), IMAGES, LABELS, SOURCE
    )
    assert unsure.item() == pytest.approx(math.log(3))


def test_where_the_network_is_sure_only_cross_entropy_has_a_gradient():
    """That of the logarithm of the largest confidence p is 1 - p in the leading logit."""
    logits = torch.tensor([[40.0, 0.0, 0.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(log_confidence(logits).sum(), logits)
    assert slope.abs().max() < 1e-6
    (slope,) = torch.autograd.grad(-logits.log_softmax(1).mean(), logits)
    assert slope.abs().max() == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="loss must be one of log_confidence, cross_entropy"):
        ACET(loss="uniform")
