"""Square: what it refuses, its squares, what it finds without gradients."""

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted, norms
from advcore.attacks import Square
from advcore.attacks.square_patches import flip, shift, stripes, tiles


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Square(norm="l1"), "norm must be one of l2, linf; got 'l1'"),
        (lambda: Square(norm="l3"), "norm must be one of"),
        (lambda: Square(eps=-0.1), "eps must not be negative"),
        (lambda: Square(queries=0), "queries must be at least 1; got 0"),
        (lambda: Square(p=0.0), r"p, a share of the pixels, must lie in \(0, 1\]; got 0"),
        (lambda: Square(p=1.5), "p, a share of the pixels"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_the_squares_shrink_as_published():
    attack = Square(queries=10_000)
    sides = [
        attack._side(query, 100, 100)
        for query in (1, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)
    ]
    assert sides == [
        round((0.8e4 / 2**halvings) ** 0.5) for halvings in (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    ]
    assert attack._side(1, 3, 50) == 3
    assert attack._side(9999, 2, 2) == 1


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 1, 1), (2, 5, 12)])
@pytest.mark.parametrize("side", [1, 2, 5])
def test_proposals_stay_in_ball_and_box_and_change_squares(shape, side):
    side = min(side, *shape[1:])
    center, source = oracles.images(20, shape).round(decimals=1), Randomness(0, torch.arange(20))
    draws = source.uniform((5 + shape[0],)).double()
    radius = torch.full((20,), 0.3, dtype=center.dtype)
    for norm, start, propose in ((norms.LINF, stripes, flip), (norms.L2, tiles, shift)):
        best = start(center, radius, source)
        tried = propose(center, best, radius, side, draws)
        for images in (best, tried):
            assert (norm.size(images - center) <= 0.3 * (1 + 1e-6)).all()
            assert images.min() >= 0
            assert images.max() <= 1
        if norm is norms.LINF:
            changed = (tried != best).any(1)
            assert (changed.flatten(1).sum(1) <= side**2).all()
            assert (changed.any(1).sum(1) <= side).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_breaks_most_affine_samples_within_reach(norm):
    affine, images = oracles.Affine(classes=2), oracles.images(60, spread=0.1)
    exact = affine.margins(images, norm)
    eps = exact.quantile(0.5).item()
    found = Square(eps=eps, norm=norm, queries=1000)(
        affine, images, Untargeted(affine(images).argmax(1))
    ).found
    assert not found[exact > eps].any()
    assert found[exact < eps / 1.2].double().mean() > 0.9


def test_sees_no_gradient_and_stays_within_its_queries():
    network, images = oracles.relu(), oracles.images(20)

    def blind(inputs):
        assert not torch.is_grad_enabled()
        return network(inputs.detach()).detach()

    result = Square(eps=0.1, queries=70)(blind, images, Untargeted(network(images).argmax(1)))
    assert result.found.any()
    assert result.queries.max() <= 72  # the check before and the one after
    assert (result.gradients == 0).all()


def test_squares_that_change_nothing_are_not_sent_forward():
    sent, image = [], oracles.images(1, (1, 4, 4)).round()

    def flat(images):
        sent.append(images)
        return torch.tensor([[2.0, 0.0]]).expand(len(images), 2)

    result = Square(eps=0.1, queries=200)(
        flat, image, Untargeted(torch.zeros(1, dtype=torch.int64))
    )
    _, start, *later, last = (
        sent  # the check before comes first; no square helps, so the start stays
    )
    assert torch.equal(last, start)
    assert all((images != start).any() for images in later)
    assert 20 < len(later) < 180
    assert result.queries.item() == len(sent)
