"""Auto-PGD: what it refuses, targets, checkpoints, few classes."""

import oracles
import pytest
import torch

from advcore import Targeted, Untargeted, norms, objectives
from advcore.attacks import APGD, APGDT, PGD, Status
from advcore.attacks.adaptive import State, _Halving
from advcore.threats.ball import Ball


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: APGD(norm="l3"), "norm must be one of"),
        (lambda: APGD(objective="hinge"), "objective must be one of"),
        (lambda: APGD(eps=-1.0), "eps must not be negative"),
        (lambda: APGD(steps=0), "steps must be at least 1; got 0"),
        (lambda: APGD(rho=1.5), r"rho, a share of the steps, must lie in \[0, 1\]; got 1.5"),
        (lambda: APGD(rho=float("nan")), "rho, a share of the steps"),
        (lambda: APGDT(steps=0), "steps must be at least 1; got 0"),
        (lambda: APGDT(targets=0), "targets must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("attack", [APGD(), APGDT()])
def test_without_eps_it_asks_for_it(attack):
    images = oracles.images(2)
    with pytest.raises(ValueError, match="needs eps, a radius in pixel units"):
        attack(oracles.relu(), images, Untargeted(oracles.relu()(images).argmax(1)))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize("attack", [APGD(), APGD(objective="logit_ratio"), APGDT(steps=50)])
def test_breaks_an_affine_sample_where_eps_exceeds_its_distance(attack, norm):
    classes = (
        3 if isinstance(attack, APGDT) else 2
    )  # without targets the steepest way may lead to a class further off
    affine, images = oracles.Affine(classes=classes), oracles.images(40, spread=0.05)
    exact = affine.margins(images, norm)
    for eps in exact.quantile(torch.tensor([0.2, 0.5], dtype=torch.float64)).tolist():
        found = type(attack)(**{**vars(attack), "eps": eps, "norm": norm})(
            affine, images, Untargeted(affine(images).argmax(1))
        ).found
        inside = exact < min(eps / 1.02, 0.45)  # with room for it in the box
        assert inside.any()
        assert found[inside].all()
        assert not found[exact > eps].any()


@pytest.mark.parametrize("classes", [2, 3, 4, 9, 10])
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
@pytest.mark.parametrize(
    "attack", [APGD(eps=0.3, objective="logit_ratio", steps=20), APGDT(eps=0.3, steps=10)]
)
def test_any_number_of_classes(attack, goal, classes):
    network, images = oracles.relu(classes=classes), oracles.images(12)
    prediction = network(images).argmax(1)
    result = attack(
        network,
        images,
        Untargeted(prediction) if goal is Untargeted else Targeted((prediction + 1) % classes),
    )
    assert result.found.any()
    assert torch.isfinite(result.images).all()


def test_as_many_targets_as_there_are_other_classes():
    constant, images = oracles.Constant(2.0, 1.0, 0.0), oracles.images(2)
    labels = Untargeted(torch.zeros(2, dtype=torch.int64))
    steps = 4
    assert (
        APGDT(eps=0.1, steps=steps)(constant, images, labels).gradients == 2 * (steps + 1)
    ).all()
    assert (
        APGDT(eps=0.1, steps=steps, targets=1)(constant, images, labels).gradients == steps + 1
    ).all()
    assert (
        APGDT(eps=0.1, steps=steps)(constant, images, Targeted(torch.tensor([1, 2]))).gradients
        == steps + 1
    ).all()


def test_the_targets_find_what_the_likeliest_class_does_not():
    network, images = oracles.softplus(classes=10), oracles.images(60)
    labels = Untargeted(network(images).argmax(1))
    one, all_of_them = (
        APGDT(eps=0.08, steps=20, targets=count)(network, images, labels).found for count in (1, 9)
    )
    assert (all_of_them | ~one).all()
    assert all_of_them.sum() > one.sum()


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_climbs_at_least_as_high_as_pgd(norm):
    network, images = oracles.softplus(), oracles.images(40)
    criterion = Untargeted(network(images).argmax(1))
    eps = {"l1": 0.1, "l2": 0.05, "linf": 0.01}[norm]
    plain, auto = (
        kind(eps=eps, norm=norm, steps=100)(network, images, criterion) for kind in (PGD, APGD)
    )
    held = (plain.status == Status.ROBUST) & (auto.status == Status.ROBUST)
    assert held.any()
    height = [
        objectives.cross_entropy(network(result.images), criterion)[held]
        for result in (plain, auto)
    ]
    assert (height[1] >= height[0] - 1e-3).all()


def _state(**fields):
    image, number = torch.full((2, 1, 2, 2), 0.5), torch.zeros(2)
    state = State(
        Ball.of(norms.LINF, image, torch.full((2,), 0.5)),
        image + 0.1,
        image,
        image,
        number,
        image + 0.2,
        image + 0.3,
        number,
        torch.ones(2),
    )
    for name, value in fields.items():
        setattr(state, name, value)
    return state


def test_a_checkpoint_halves_and_returns_where_the_objective_oscillates():
    state, pace = _state(rises=torch.tensor([16, 17])), _Halving(100, 0.75)
    pace.check(state, 21)
    assert state.step.tolist() == [1, 1]
    pace.check(state, 22)
    assert state.step.tolist() == [0.5, 1]
    assert torch.equal(state.current[0], state.best[0])
    assert torch.equal(state.gradient[0], state.best_gradient[0])
    assert (state.current[1] == 0.6).all()
    assert state.halved.tolist() == [True, False]
    assert (pace.span, pace.next) == (19, 41)
    state.rises = torch.tensor([19, 19])
    state.highest = torch.tensor([1.0, 0.0])
    pace.check(state, 41)  # the second has neither halved nor risen
    assert state.step.tolist() == [0.5, 0.5]
    assert state.halved.tolist() == [False, True]
