"""Budget attacks: monotone in eps, one eps for each sample, as strong as they must be."""

import oracles
import pytest
import torch
from attack_table import BUDGET, COUNT, LABELS, run

from advcore import Untargeted, norms
from advcore.attacks import (
    PGD,
)
from advcore.attacks.attack import norm_of, with_budget


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_broken_is_monotone_in_eps_on_affine_classifiers(attack):
    affine, images = oracles.Affine(classes=2), oracles.images(40, spread=0.3)
    exact = affine.margins(images, norm_of(attack))
    before = torch.zeros(40, dtype=torch.bool)
    for eps in exact.quantile(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)).tolist():
        found = run(with_budget(attack, eps), affine, images).found
        assert not (before & ~found).any()
        assert not found[exact > eps].any()
        before = found
    assert before.any()


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_each_sample_may_have_its_own_eps(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    small, large = attack.eps / 4, 2 * attack.eps
    index = torch.arange(COUNT)
    eps = torch.where(index % 2 == 0, small, large)
    mixed = run(with_budget(attack, eps), network, images, criterion)
    for rows, radius in ((index[::2], small), (index[1::2], large)):
        alone = run(with_budget(attack, radius), network, images[rows], criterion.take(rows), rows)
        torch.testing.assert_close(mixed.images[rows], alone.images, rtol=1e-6, atol=1e-8)
        assert torch.equal(mixed.status[rows], alone.status)
    assert (
        norms.norm_by_name(norm_of(attack)).size(mixed.images - images) <= eps * (1 + 1e-6)
    ).all()


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_at_eps_0_nothing_is_broken_and_other_samples_are_as_without(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    wrong = network(images).argmax(1) != LABELS
    none = run(with_budget(attack, 0.0), network, images, criterion)
    assert torch.equal(none.found, wrong)
    eps = torch.where(torch.arange(COUNT) % 2 == 0, 0.0, attack.eps)
    some = run(with_budget(attack, eps), network, images, criterion)
    assert torch.equal(some.found[::2], wrong[::2])
    assert torch.equal(
        some.found[1::2],
        run(
            attack,
            network,
            images[1::2],
            criterion.take(torch.arange(1, COUNT, 2)),
            torch.arange(1, COUNT, 2),
        ).found,
    )


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_radii_must_fit_the_samples(attack):
    with pytest.raises(ValueError, match="one radius for each sample: 12 images, but 3 radii"):
        run(with_budget(attack, torch.full((3,), 0.1)), oracles.relu(), oracles.images(COUNT))
    with pytest.raises(
        ValueError, match="eps must not be negative, in pixel units, one for each sample"
    ):
        with_budget(attack, torch.tensor([0.1, -0.1]))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("objective", ["cross_entropy", "logit_margin"])
def test_pgd_breaks_an_affine_sample_where_eps_exceeds_its_distance(norm, objective):
    affine, images = oracles.Affine(classes=2), oracles.images(40, spread=0.3)
    exact = affine.margins(images, norm)
    for eps in exact.quantile(torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)).tolist():
        found = run(PGD(eps=eps, norm=norm, objective=objective), affine, images).found
        assert found[exact < eps / 1.05].all()
        assert not found[exact > eps].any()
