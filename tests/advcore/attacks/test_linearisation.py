"""The closest linearised boundary: that among all goals, whether all are differentiated or those that may be the closest."""

import oracles
import pytest
import torch
from torch import Tensor

from advcore import Targeted, Untargeted, norms
from advcore.attacks.linearisation import DRIFT, Closest, closest, closest_again

NETWORK, IMAGES = oracles.softplus(classes=6), oracles.images(40)
LABELS = NETWORK(IMAGES).argmax(1)
CRITERION = Untargeted(LABELS)
GOALS = CRITERION.goals(NETWORK(IMAGES), 5)
EVERYONE = torch.arange(40)


def _same(one: Closest, other: Closest) -> None:
    for name in ("gap", "normal", "length"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("norm", [norms.L1, norms.L2, norms.LINF], ids=lambda norm: norm.name)
def test_the_closest_boundary_is_that_of_the_affine_classifier(norm: norms.Norm) -> None:
    affine, images = oracles.Affine(classes=6), oracles.images(40)
    criterion = Untargeted(affine(images).argmax(1))
    found = closest(norm, affine, images, criterion, criterion.goals(affine(images), 5))
    torch.testing.assert_close(found.gap / found.length, affine.margins(images, norm.name))
    torch.testing.assert_close(norm.dual(found.normal), found.length)


@pytest.mark.parametrize("norm", [norms.L1, norms.L2, norms.LINF], ids=lambda norm: norm.name)
def test_fewer_gradients_find_the_same_as_long_as_no_normal_doubles(norm: norms.Norm) -> None:
    before = closest(norm, NETWORK, IMAGES, CRITERION, GOALS)
    moved = IMAGES + 0.1 * oracles.images(40, seed=1)
    every = closest(norm, NETWORK, moved, CRITERION, GOALS)
    assert (every.lengths < DRIFT * before.lengths).all()
    again = closest_again(norm, NETWORK, moved, CRITERION, GOALS, before.lengths)
    _same(again, every)
    assert (every.looks == 5).all()
    assert 1 <= again.looks.double().mean() < 4
    fresh = again.lengths != before.lengths
    torch.testing.assert_close(again.lengths[fresh], every.lengths[fresh])
    assert torch.equal(fresh.sum(1), again.looks)


def test_lengths_of_zero_and_much_too_large_ones_hide_no_class() -> None:
    every = closest(norms.L2, NETWORK, IMAGES, CRITERION, GOALS)
    for lengths in (torch.zeros_like(every.lengths), 1e6 * torch.ones_like(every.lengths)):
        again = closest_again(norms.L2, NETWORK, IMAGES, CRITERION, GOALS, lengths)
        _same(again, every)
        torch.testing.assert_close(again.lengths, every.lengths)


def test_a_class_whose_normal_grew_by_more_may_be_overlooked() -> None:
    every = closest(norms.L2, NETWORK, IMAGES, CRITERION, GOALS)
    nearest = (every.lengths == every.length[:, None]).double()
    again = closest_again(norms.L2, NETWORK, IMAGES, CRITERION, GOALS, every.lengths * (1 - nearest * (1 - 1e-6)))
    assert (again.gap / again.length > every.gap / every.length).any()


def test_a_sample_alone_is_as_in_a_batch() -> None:
    lengths = closest(norms.L2, NETWORK, IMAGES, CRITERION, GOALS).lengths * (1 + EVERYONE[:, None] % 3)
    whole = closest_again(norms.L2, NETWORK, IMAGES, CRITERION, GOALS, lengths)
    for sample in range(0, 40, 7):
        one = torch.tensor([sample])
        alone = closest_again(norms.L2, NETWORK, IMAGES[one], CRITERION.take(one), GOALS[one], lengths[one])
        torch.testing.assert_close(alone.normal[0], whole.normal[sample])
        assert alone.looks == whole.looks[sample]


def test_a_target_has_one_boundary_with_the_strongest_other_class() -> None:
    targets = (LABELS + 1) % 6
    criterion = Targeted(targets)
    first = closest(norms.L2, NETWORK, IMAGES, criterion, targets[:, None])
    again = closest_again(norms.L2, NETWORK, IMAGES, criterion, targets[:, None], first.lengths)
    _same(again, first)
    logits = NETWORK(IMAGES).detach()
    torch.testing.assert_close(first.gap, logits.amax(1) - logits.gather(1, targets[:, None])[:, 0])
    assert (again.looks == 1).all()


def test_nothing_leads_anywhere_in_a_constant_classifier() -> None:
    constant = oracles.Constant(2, 1, 0)
    images, criterion, goals = oracles.images(3), Untargeted(torch.zeros(3, dtype=torch.long)), torch.tensor([[1, 2]]).repeat(3, 1)
    first = closest(norms.L2, constant, images, criterion, goals)
    again = closest_again(norms.L2, constant, images, criterion, goals, first.lengths)
    _same(again, first)
    normal: Tensor = again.normal
    assert not normal.any()
