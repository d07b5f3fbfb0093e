"""CCAT against a slow formula, sample by sample, and the closed form of two affine logits."""

import oracles
import pytest
import torch
from weight_slopes import check_gradient

from advcore import norms
from advcore.randomness import Randomness
from advcore.training import CCAT

IMAGES, SOURCE = oracles.images(8), Randomness(0, torch.arange(8))
LABELS = torch.arange(8) % 4


def _slow(network, term, image, label, start):
    """The inner maximisation for one image `(1, C, H, W)`, written out."""
    current = (image + start).clamp(0, 1)
    for _ in range(term.steps):
        current.requires_grad_()
        wrong = network(current).softmax(1)[0, torch.arange(4) != label].max()
        (gradient,) = torch.autograd.grad(wrong, current)
        stride = term.relative_step * term.eps
        if term.norm == "linf":
            r = (current + stride * gradient.sign() - image).clamp(-term.eps, term.eps)
        else:
            r = current + stride * gradient / gradient.norm() - image
            r = r * min(1, term.eps / r.norm().item())
        current = (image + r).clamp(0, 1).detach()
    return current


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_value_and_its_gradient_are_those_of_the_slow_formula(norm):
    network, term = (
        oracles.softplus(),
        CCAT(eps=0.2, norm=norm, rho=3.0, steps=5, relative_step=0.2),
    )
    starts = term._start(IMAGES, SOURCE)
    moved = torch.cat(
        [_slow(network, term, IMAGES[i : i + 1], LABELS[i], starts[i : i + 1]) for i in range(8)]
    )
    torch.testing.assert_close(term.perturbed(network, IMAGES, LABELS, SOURCE), moved)

    def value():
        total = torch.zeros((), dtype=torch.float64)
        for i, log_p in enumerate(network(moved).log_softmax(1)):
            r = (moved[i] - IMAGES[i]).flatten()
            share = max(0, 1 - (r.abs().max() if norm == "linf" else r.norm()) / 0.2) ** 3
            for k in range(4):
                total -= (share * (k == LABELS[i]) + (1 - share) / 4) * log_p[k]
        return total / 8

    check_gradient(network, term(network, IMAGES, LABELS, SOURCE), value)


def test_what_is_left_of_the_label_falls_from_1_to_0():
    r = torch.tensor([0.0, 0.1, -0.2, 0.4, 0.5]).view(5, 1, 1, 1).expand(5, 1, 4, 4)
    assert CCAT(eps=0.4).kept(r).tolist() == pytest.approx([1, 0.75**10, 0.5**10, 0, 0])
    assert CCAT(eps=1.6, norm="l2", rho=2.0).kept(r).tolist() == pytest.approx(
        [1, 0.75**2, 0.25, 0, 0]
    )


def test_two_affine_logits_at_the_corner_are_trained_to_be_even():
    network = oracles.Affine(2)
    labels, source = torch.arange(8) % 2, SOURCE
    normal = (network.weight[1] - network.weight[0]).sign().view(1, 4, 4)
    corner = IMAGES + 0.1 * normal * (1 - 2 * labels).view(-1, 1, 1, 1)
    expected = -network(corner).log_softmax(1).mean()
    torch.testing.assert_close(CCAT(eps=0.1, box=False)(network, IMAGES, labels, source), expected)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_half_the_samples_start_at_x_and_the_others_at_any_radius(norm):
    start = CCAT(eps=0.5, norm=norm)._start(oracles.images(1000), Randomness(1, torch.arange(1000)))
    sizes = norms.norm_by_name(norm).size(start)
    assert (sizes == 0).double().mean() == pytest.approx(0.5, abs=0.06)
    moved = sizes[sizes > 0].sort().values
    assert (moved - torch.linspace(0, 0.5, len(moved), dtype=torch.float64)).abs().max() < 0.04


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": -0.1}, "eps must not be negative, in pixel units; got -0.1"),
        ({"eps": 0.1, "rho": 0.0}, "rho must be positive; got 0.0"),
        ({"eps": 0.1, "steps": 2, "relative_step": 0.1}, "2 steps of 0.1 eps cannot reach eps"),
        ({"eps": 0.1, "weight": -1.0}, "weight must not be negative"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        CCAT(**settings)
