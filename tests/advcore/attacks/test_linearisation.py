"""The closest linearised boundary: that among all goals, whether all are differentiated or those
that may be the closest.
"""

from dataclasses import replace

import oracles
import pytest
import torch
from torch import Tensor

from advcore import Targeted, Untargeted, norms
from advcore.attacks.linearisation import DRIFT, Closest, closest, logit_gaps, update_closest

NETWORK, IMAGES = oracles.softplus(classes=6), oracles.images(40)
LABELS = NETWORK(IMAGES).argmax(1)
CRITERION = Untargeted(LABELS)


def _same(one: Closest, other: Closest) -> None:
    for name in ("gap", "normal", "length"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))


def _per_class(found: Closest) -> Tensor:
    return torch.zeros(40, 6, dtype=torch.float64).scatter(1, found.goals, found.lengths)


@pytest.mark.parametrize("norm", [norms.L1, norms.L2, norms.LINF], ids=lambda norm: norm.name)
def test_the_closest_boundary_is_that_of_the_affine_classifier(norm: norms.Norm) -> None:
    affine, images = oracles.Affine(classes=6), oracles.images(40)
    criterion = Untargeted(affine(images).argmax(1))
    found = closest(norm, affine, images, criterion, 5)
    torch.testing.assert_close(found.gap / found.length, affine.margins(images, norm.name))
    torch.testing.assert_close(norm.dual(found.normal), found.length)


@pytest.mark.parametrize("norm", [norms.L1, norms.L2, norms.LINF], ids=lambda norm: norm.name)
def test_fewer_gradients_find_the_same_as_long_as_no_normal_grows_much(norm: norms.Norm) -> None:
    before = closest(norm, NETWORK, IMAGES, CRITERION, 5)
    moved = IMAGES + 0.05 * (oracles.images(40, seed=1) - 0.5)
    every, again = (
        closest(norm, NETWORK, moved, CRITERION, 5),
        update_closest(norm, NETWORK, moved, CRITERION, before),
    )
    now, then = _per_class(every), _per_class(before)
    leader = (logit_gaps(again.logits, CRITERION, before.goals) / before.lengths).argmin(
        1, keepdim=True
    )
    led = before.goals.gather(1, leader)
    growth = now.gather(1, led) / then.gather(1, led)
    others = then > 0
    steady = (now < DRIFT * growth * then)[others].view(40, 5).all(1)
    assert steady.double().mean() > 0.7
    _same(again.take(steady), every.take(steady))
    assert (every.looks == 5).all()
    assert 1 <= again.looks.double().mean() < 4
    own = _per_class(again)
    looked = others & torch.isclose(own, now, rtol=1e-9, atol=0)
    assert torch.equal(looked.sum(1), again.looks)
    torch.testing.assert_close(own[~looked], (growth * then)[~looked])


def test_lengths_of_zero_and_stretched_ones_hide_no_class() -> None:
    every = closest(norms.L2, NETWORK, IMAGES, CRITERION, 5)
    for lengths in (torch.zeros_like(every.lengths), 1e6 * every.lengths, 1e-6 * every.lengths):
        again = update_closest(
            norms.L2, NETWORK, IMAGES, CRITERION, replace(every, lengths=lengths)
        )
        _same(again, every)
        torch.testing.assert_close(again.lengths, every.lengths)


def test_a_class_whose_normal_grew_by_more_may_be_overlooked() -> None:
    every = closest(norms.L2, NETWORK, IMAGES, CRITERION, 5)
    nearest = (every.lengths == every.length[:, None]).double()
    shrunk = every.lengths * (1 - nearest * (1 - 1e-6))
    again = update_closest(norms.L2, NETWORK, IMAGES, CRITERION, replace(every, lengths=shrunk))
    assert (again.gap / again.length > every.gap / every.length).any()


def test_a_sample_alone_is_as_in_a_batch() -> None:
    last = closest(norms.L2, NETWORK, IMAGES, CRITERION, 5)
    last = replace(last, lengths=last.lengths * (1 + torch.arange(40)[:, None] % 3))
    whole = update_closest(norms.L2, NETWORK, IMAGES, CRITERION, last)
    for sample in range(0, 40, 7):
        one = torch.tensor([sample])
        alone = update_closest(norms.L2, NETWORK, IMAGES[one], CRITERION.take(one), last.take(one))
        torch.testing.assert_close(alone.normal[0], whole.normal[sample])
        assert alone.looks == whole.looks[sample]


def test_a_target_has_one_boundary_with_the_strongest_other_class() -> None:
    targets = (LABELS + 1) % 6
    criterion = Targeted(targets)
    first = closest(norms.L2, NETWORK, IMAGES, criterion, 5)
    assert torch.equal(first.goals, targets[:, None])
    again = update_closest(norms.L2, NETWORK, IMAGES, criterion, first)
    _same(again, first)
    logits = NETWORK(IMAGES).detach()
    torch.testing.assert_close(first.gap, logits.amax(1) - logits.gather(1, targets[:, None])[:, 0])
    assert (again.looks == 1).all()


def test_nothing_leads_anywhere_in_a_constant_classifier() -> None:
    constant = oracles.Constant(2, 1, 0)
    images, criterion = oracles.images(3), Untargeted(torch.zeros(3, dtype=torch.long))
    first = closest(norms.L2, constant, images, criterion, 2)
    again = update_closest(norms.L2, constant, images, criterion, first)
    _same(again, first)
    assert not again.normal.any()


@pytest.mark.parametrize("norm", [norms.L1, norms.L2, norms.LINF], ids=lambda norm: norm.name)
def test_the_room_is_how_far_the_closest_of_all_classes_is(norm: norms.Norm) -> None:
    affine, images = oracles.Affine(classes=6), oracles.images(40)
    labels = affine(images).argmax(1)
    every = closest(norm, affine, images, Untargeted(labels), 5)
    torch.testing.assert_close(every.room, affine.margins(images, norm.name))
    beyond = closest(norm, affine, images, Untargeted((labels + 1) % 6), 5)
    assert not beyond.room.any()
    few = closest(norm, affine, images, Untargeted(labels), 2)
    lack = (every.logits.amax(1, keepdim=True) - every.logits).scatter(
        1, labels[:, None], torch.inf
    )
    lengths = few.lengths.amax(1, keepdim=True).expand(40, 6).scatter(1, few.goals, few.lengths)
    torch.testing.assert_close(few.room, (lack / lengths).amin(1))
    target = closest(norm, affine, images, Targeted((labels + 1) % 6), 5)
    torch.testing.assert_close(target.room, target.gap / target.length)
