"""Robust accuracy over a grid: exact where it is known, monotone, and never weaker than the attacks
alone.
"""

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted
from advcore.attacks import FGSM, PGD, Bisected, DeepFool, MinimalNorm, Status
from advcore.robust_accuracy import attack_over, robust_accuracy, robust_accuracy_curve

COUNT = 40
EPS = (0.02, 0.05, 0.1, 0.2, 0.4)
STRONG = PGD(norm="l2", steps=100, random_start=False)


def _case(network=None):
    network = network or oracles.relu()
    images = oracles.images(COUNT)
    labels = network(images).argmax(1)
    labels[::5] = (labels[::5] + 1) % 4
    return network, images, labels


def test_the_curve_is_that_of_all_attacks_together():
    network, images, labels = _case()
    attacks = (DeepFool(), FGSM())
    curve = robust_accuracy_curve(attacks, network, images, labels, EPS)
    broken_at = attack_over(attacks, network, images, labels, EPS)[-1].broken_at
    assert curve == [(broken_at > eps).double().mean().item() for eps in EPS]
    assert 1 > curve[0] > curve[-1]
    assert curve == sorted(curve, reverse=True)


class _Counting:
    def __init__(self, network):
        self.network, self.images = network, 0

    def __call__(self, images):
        self.images += len(images)
        return self.network(images)


@pytest.mark.parametrize(
    "attacks",
    [(Bisected(DeepFool(), steps=20),), (DeepFool(overshoot=1.0), STRONG), (STRONG,)],
    ids=["minimal", "both", "budget"],
)
def test_the_curve_of_an_affine_classifier_is_the_exact_one(attacks):
    affine, images = oracles.Affine(2), oracles.images(COUNT, spread=0.3)
    exact = affine.margins(images)
    labels = affine(images).argmax(1)
    labels[::7] = 1 - labels[::7]
    ordered = exact.sort().values
    eps = ((ordered[9:39:10] + ordered[10:40:10]) / 2).tolist()
    known = attack_over(attacks, affine, images, labels, eps)[-1]
    right = affine(images).argmax(1) == labels
    assert robust_accuracy(known.broken_at, eps) == [
        ((exact > radius) & right).double().mean().item() for radius in eps
    ]


@pytest.mark.parametrize(
    "attacks",
    [
        (DeepFool(), PGD(norm="l2", steps=10)),
        (PGD(norm="l2", steps=3), MinimalNorm(), PGD(norm="l2")),
    ],
)
def test_bounds_only_fall_and_stand_for_their_images(attacks):
    network, images, labels = _case()
    history = attack_over(attacks, network, images, labels, EPS)
    prediction = network(images).argmax(1)
    wrong = prediction != labels
    before = torch.full((COUNT,), torch.inf, dtype=images.dtype)
    for known in history:
        assert (known.broken_at <= before).all()
        before = known.broken_at
        assert torch.equal(known.prediction, prediction)
        assert torch.equal(known.broken_at == 0, wrong)
        assert torch.equal(known.status == Status.ALREADY_WRONG, wrong)
        found = torch.isfinite(known.distance)
        assert torch.equal(Untargeted(prediction).holds(network(known.images)), found)
        sizes = (known.images - images).flatten(1).norm(dim=1)
        torch.testing.assert_close(sizes[found], known.distance[found])
        ends = torch.tensor([*EPS, torch.inf], dtype=images.dtype)
        assert (known.broken_at <= ends[torch.searchsorted(ends, known.distance)]).all()
        assert (known.distance <= known.broken_at * (1 + 1e-6))[
            torch.isfinite(known.broken_at) & ~wrong
        ].all()
        assert torch.equal(known.images[~found], images[~found])
        assert (found | (known.status != Status.BROKEN)).all()


def test_a_budget_attack_after_a_minimal_one_looks_just_below_what_is_known():
    network, images, labels = _case()
    minimal, budget = DeepFool(overshoot=1.0), PGD(norm="l2", steps=10)
    first, both = attack_over((minimal, budget), network, images, labels, EPS)
    right = first.status != Status.ALREADY_WRONG
    below = right & (first.broken_at > EPS[0])
    assert (both.queries[~below] == 0).all()
    lowered = both.broken_at < first.broken_at
    assert lowered.any()
    held = below & ~lowered
    assert (both.queries[held] == 10 + 2).all()  # once, at the largest eps below
    for row in held.nonzero()[:, 0]:
        radius = max(eps for eps in EPS if eps < first.broken_at[row])
        index = torch.tensor([row])
        alone = PGD(eps=radius, norm="l2", steps=10)(
            network, images[index], Untargeted(labels[index]), Randomness(0, index)
        )
        assert not alone.found.any()


def test_it_costs_little_more_than_its_attacks_at_one_eps():
    network, images, labels = _case(oracles.softplus())
    eps = tuple(0.02 * 1.5**i for i in range(8))
    costs = []
    for grid in (eps, eps[3:4]):
        counting = _Counting(network)
        attack_over((MinimalNorm(), PGD(norm="l2")), counting, images, labels, grid)
        costs.append(counting.images)
    assert costs[0] <= 3 * costs[1]


def test_alone_a_budget_attack_climbs_the_grid_on_what_stands():
    network, images, labels = _case()
    (known,) = attack_over((FGSM(norm="l2"),), network, images, labels, EPS)
    expected = torch.full((COUNT,), torch.inf, dtype=images.dtype)
    for eps in reversed(EPS):
        expected[FGSM(eps=eps, norm="l2")(network, images, Untargeted(labels)).found] = eps
    wrong = network(images).argmax(1) != labels
    assert torch.equal(known.broken_at, expected.masked_fill(wrong, 0))
    assert (known.queries[wrong] == 0).all()


def test_where_the_minimal_attack_fails_the_budget_attack_climbs():
    network, images, labels = _case()
    failing = DeepFool(steps=1, overshoot=0.0, least_step=0.0, classes=1)
    first, both = attack_over((failing, PGD(norm="l2", steps=20)), network, images, labels, EPS)
    failed = first.status == Status.FAILED
    assert failed.any()
    (alone,) = attack_over((PGD(norm="l2", steps=20),), network, images, labels, EPS)
    assert torch.equal(both.broken_at[failed], alone.broken_at[failed])


def test_eps_0_need_not_be_asked_for():
    with pytest.raises(ValueError, match="leave 0 out: it is always measured"):
        attack_over((DeepFool(),), *_case(), (0.0, 0.1))


@pytest.mark.parametrize("eps", [(), (0.0, 0.1), (0.2, 0.1), (float("nan"),)])
def test_bad_grids_are_refused(eps):
    with pytest.raises(
        ValueError, match="eps must be a growing list of finite positive radii in pixel units"
    ):
        attack_over((DeepFool(),), *_case(), eps)
