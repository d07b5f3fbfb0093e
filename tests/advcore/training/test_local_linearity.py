"""Local linearity regularisation against a slow formula, and where its inner maximum is known."""

import oracles
import pytest
import torch
import torch.nn.functional as F
from losses import QuadraticLoss, affine_loss, slow_gradient
from weight_slopes import check_gradient

from advcore import norms
from advcore.randomness import Randomness
from advcore.training import LocalLinearity

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
ZEROS, SOURCE = torch.zeros_like(LABELS), Randomness(0, torch.arange(6))


def _farthest(network, term, image, label, noise):
    """The inner maximisation for one image `(C, H, W)`, written out; gives d."""
    loss, slope = (
        F.cross_entropy(network(image[None]), label[None]).detach(),
        slow_gradient(network, image, label),
    )
    moved = (image + noise).clamp(0, 1)
    for _ in range(term.steps):
        moved.requires_grad_()
        gamma = (
            F.cross_entropy(network(moved[None]), label[None])
            - loss
            - ((moved - image) * slope).sum()
        ).abs()
        (way,) = torch.autograd.grad(gamma, moved)
        stride = 2.5 / term.steps * term.eps
        if term.norm == "linf":
            d = (moved + stride * way.sign() - image).clamp(-term.eps, term.eps)
        else:
            d = moved + stride * way / way.norm() - image
            d = d * min(1, term.eps / d.norm().item())
        moved = (image + d).clamp(0, 1).detach()
    return moved - image


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_value_and_its_gradient_are_those_of_the_slow_formula(norm):
    network, term = oracles.softplus(), LocalLinearity(eps=0.3, norm=norm, share=0.5, steps=4)
    noise = norms.norm_by_name(norm).random(SOURCE.stream("start"), (1, 4, 4), 0.3).double()
    ds = [_farthest(network, term, IMAGES[i], LABELS[i], noise[i]) for i in range(6)]

    def value():
        total = torch.zeros(())
        for image, label, d in zip(IMAGES, LABELS, ds, strict=True):
            rise = (d * slow_gradient(network, image, label)).sum()
            here, there = (
                F.cross_entropy(network(x[None]), label[None]) for x in (image, image + d)
            )
            total = total + (there - here - rise).abs() + 0.5 * rise.abs()
        return total / 6

    loss = term(network, IMAGES, LABELS, SOURCE)
    assert loss > 0.01
    check_gradient(network, loss, value)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_error_of_a_parabola_is_found(sign):
    """Loss `c x^T x / 2`: the error is `c d^T d / 2`, largest in the corners of the ball, whether c
    is positive or not.
    """
    network = QuadraticLoss(sign * 3 * torch.eye(16, dtype=torch.float64))
    term = LocalLinearity(eps=0.1, share=0.0, box=False)
    assert term(network, IMAGES, ZEROS, SOURCE).item() == pytest.approx(
        3 * 16 * 0.1**2 / 2, rel=1e-9
    )


def test_an_affine_loss_costs_its_slope_alone():
    assert LocalLinearity(eps=0.1, share=0.0)(
        affine_loss(), IMAGES, ZEROS, SOURCE
    ).item() == pytest.approx(0, abs=1e-10)
    steep = LocalLinearity(eps=0.1)(affine_loss(), IMAGES, ZEROS, SOURCE)
    assert 0 < steep.item() <= 0.75 * 0.1 * sum(range(17))


def test_the_points_stay_in_the_box():
    """And in the ball, at images in the box's corners."""
    network, corner, seen = oracles.softplus(), IMAGES.round(), []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    LocalLinearity(eps=0.2)(network, corner, ZEROS, SOURCE)
    assert all(
        ((x >= 0) & (x <= 1)).all() and ((x - corner).abs() <= 0.2 + 1e-12).all() for x in seen
    )
    assert len(seen) == 12


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": -0.1}, "eps must not be negative, in pixel units; got -0.1"),
        ({"eps": 0.1, "share": -1.0}, "share, mu / lambda, must not be negative; got -1.0"),
        ({"eps": 0.1, "steps": 0}, "steps must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        LocalLinearity(**settings)
