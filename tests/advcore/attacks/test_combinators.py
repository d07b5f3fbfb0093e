"""Restarts, Worst, Within and the standard ensemble: what they add up, keep and refuse."""

from dataclasses import dataclass, replace

import oracles
import pytest
import torch

from advcore import Randomness, Targeted, Untargeted
from advcore.attacks import (
    APGD,
    FGSM,
    FMN,
    PGD,
    Bisected,
    DeepFool,
    Restarts,
    Rounded,
    Square,
    StandardEnsemble,
    Status,
    Within,
    Worst,
    WorstOfThreats,
    kind_and_norm,
)
from advcore.attacks.attack import (
    Attack,
    WrapperAttack,
    has_budget,
    norm_of,
    with_budget,
)
from advcore.box import keeps_box

NETWORK, IMAGES = oracles.softplus(), oracles.images(60)
LABELS = Untargeted(NETWORK(IMAGES).argmax(1))
SOURCE = Randomness(0, torch.arange(60))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Restarts(PGD(), 0), "count must be at least 1; got 0"),
        (lambda: Worst(()), "worst needs at least one attack; got none"),
        (lambda: Worst((PGD(), PGD(norm="l2"))), "must share a norm; got l2, linf"),
        (
            lambda: Worst((PGD(norm="l2"), DeepFool())),
            r"not both; put the latter into Within\(attack, eps\)",
        ),
        (lambda: Worst((PGD(eps=0.1), PGD(eps=0.2))), r"must share eps; got \[0.1, 0.2\]"),
        (lambda: WorstOfThreats((PGD(),), ()), "one limit for each; got 1 and 0"),
        (lambda: WorstOfThreats((PGD(),), (0.0,)), "limits must be above 0"),
        (lambda: WorstOfThreats((DeepFool(),), (1.0,)), "takes attacks with a budget"),
        (lambda: WorstOfThreats((PGD(eps=0.1),), (1.0,)), "leave their own out: got 0.1"),
        (lambda: Within(PGD()), "within takes a minimal-norm attack"),
        (lambda: Within(DeepFool(), eps=-0.1), "eps must not be negative"),
        (lambda: StandardEnsemble(minimal=PGD()), "minimal must be a minimal-norm attack"),
        (
            lambda: StandardEnsemble(minimal=DeepFool()),
            "minimal must measure in linf, the ensemble's norm; it measures in l2",
        ),
        (lambda: StandardEnsemble(norm="l1"), "norm must be one of l2, linf; got 'l1'"),
        (lambda: StandardEnsemble(steps=0), "steps must be at least 1; got 0"),
        (
            lambda: with_budget(DeepFool(), 0.1),
            "DeepFool looks for the shortest way and takes no eps",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    "attack",
    [
        Restarts(PGD()),
        Worst((PGD(), FGSM())),
        WorstOfThreats((PGD(),), (1.0,)),
        Within(DeepFool()),
        StandardEnsemble(),
    ],
)
def test_without_eps_they_ask_for_it(attack):
    with pytest.raises(ValueError, match="needs eps, a radius in pixel units"):
        attack(NETWORK, IMAGES, LABELS)


@pytest.mark.parametrize("eps", [0.7, torch.linspace(0, 1, 60)], ids=["one", "each"])
def test_the_worst_of_threats_breaks_what_any_of_them_breaks(eps):
    parts, limits = (PGD(steps=5), Within(DeepFool())), (0.05, 0.2)
    attack = WorstOfThreats(parts, limits, eps)
    assert has_budget(attack)
    assert kind_and_norm(attack) == "worst_of_threats-linf+l2"
    result = attack(NETWORK, IMAGES, LABELS, SOURCE)
    one, other = (
        with_budget(part, eps * limit)(NETWORK, IMAGES, LABELS, SOURCE)
        for part, limit in zip(parts, limits, strict=True)
    )
    assert torch.equal(result.found, one.found | other.found)
    assert (other.found & ~one.found).any()
    expected = torch.where(one.found, one.distance / 0.05, other.distance / 0.2)
    torch.testing.assert_close(result.distance, expected)
    bound = torch.as_tensor(eps, dtype=result.distance.dtype).expand(60) + 1e-6
    assert (result.distance <= bound)[result.found].all()
    spent = torch.where(one.found, one.gradients, one.gradients + other.gradients)
    assert torch.equal(result.gradients, spent)


def test_wrappers_of_budget_attacks_have_a_budget():
    budget = Restarts(Worst((PGD(), Restarts(FGSM(), 2))), 3)
    assert has_budget(budget)
    assert budget.eps is None
    assert with_budget(budget, 0.2) == Restarts(
        Worst((PGD(eps=0.2), Restarts(FGSM(eps=0.2), 2))), 3
    )
    assert with_budget(Within(DeepFool()), 0.2) == Within(DeepFool(), eps=0.2)
    assert with_budget(Restarts(Within(DeepFool())), 0.2) == Restarts(Within(DeepFool(), eps=0.2))
    assert with_budget(StandardEnsemble(), 0.2) == StandardEnsemble(eps=0.2)
    minimal = Worst((DeepFool(), Bisected(DeepFool())))
    assert not has_budget(minimal)
    assert not has_budget(Restarts(minimal))
    assert norm_of(Restarts(minimal)) == "l2"
    assert kind_and_norm(budget) == "restarts-worst-pgd-linf+restarts-fgsm-linf"
    assert kind_and_norm(Within(DeepFool())) == "within-l2"


def test_restarts_draw_new_noise_for_what_still_stands():
    once = PGD(eps=0.03, steps=3)(NETWORK, IMAGES, LABELS, SOURCE)
    same = Restarts(PGD(eps=0.03, steps=3), 1)(NETWORK, IMAGES, LABELS, SOURCE)
    often = Restarts(PGD(eps=0.03, steps=3), 5)(NETWORK, IMAGES, LABELS, SOURCE)
    assert torch.equal(same.images, once.images)
    assert torch.equal(often.images[once.found], once.images[once.found])
    assert torch.equal(often.queries[once.found], once.queries[once.found])
    held = ~often.found
    assert held.any()
    assert torch.equal(often.gradients[held], 5 * once.gradients[held])
    still, first = oracles.Constant(2.0, 1.0), Untargeted(torch.zeros(60, dtype=torch.int64))
    starts = [
        Restarts(PGD(eps=0.03, steps=3), count)(still, IMAGES, first, SOURCE).images
        for count in (1, 2, 3)
    ]
    for one, other in zip(starts, [*starts[1:], starts[0]], strict=True):
        assert not torch.isclose(one, other).flatten(1).all(1).any()


def test_restarts_break_what_one_start_does_not():
    """A classifier that is wrong in two thin layers of one pixel and flat elsewhere: only the start
    decides.
    """

    def classifier(images):
        inside = ((images[:, 0, 0, 0] - 0.5).abs() - 0.05).abs() < 0.01
        return torch.stack(
            [2 - 4 * inside.double(), torch.zeros(len(images), dtype=images.dtype)], 1
        )

    images, labels = (
        torch.full((200, 1, 2, 2), 0.5, dtype=torch.float64),
        Untargeted(torch.zeros(200, dtype=torch.int64)),
    )
    once, often = (
        Restarts(PGD(eps=0.1, steps=3), count)(classifier, images, labels).found.double().mean()
        for count in (1, 8)
    )
    assert 0.1 < once < 0.4
    assert often > 0.7


def test_worst_of_budget_attacks_goes_on_with_what_stands():
    weak, strong = Square(eps=0.05, queries=2), APGD(eps=0.05, steps=20)
    worst = Worst((weak, strong))(NETWORK, IMAGES, LABELS, SOURCE)
    first, second = (attack(NETWORK, IMAGES, LABELS, SOURCE) for attack in (weak, strong))
    assert torch.equal(worst.found, first.found | second.found)
    assert second.found.sum() > first.found.sum() > 0
    assert torch.equal(worst.images[first.found], first.images[first.found])
    torch.testing.assert_close(
        worst.images[~first.found], second.images[~first.found], rtol=1e-6, atol=1e-8
    )
    assert torch.equal(worst.queries, first.queries + second.queries * ~first.found)


def test_worst_of_minimal_attacks_keeps_the_shortest():
    parts = DeepFool(overshoot=0.5), DeepFool(classes=1), DeepFool(steps=1)
    worst = Worst(parts)(NETWORK, IMAGES, LABELS, SOURCE)
    results = [attack(NETWORK, IMAGES, LABELS, SOURCE) for attack in parts]
    assert torch.equal(worst.distance, torch.stack([result.distance for result in results]).amin(0))
    assert torch.equal(worst.queries, sum(result.queries for result in results))
    assert len({tuple(result.distance.tolist()) for result in results}) == 3


def test_within_counts_what_is_near_enough():
    minimal = DeepFool()(NETWORK, IMAGES, LABELS)
    eps = minimal.distance.median().item()
    result = Within(DeepFool(), eps)(NETWORK, IMAGES, LABELS)
    assert torch.equal(result.found, minimal.distance <= eps)
    assert (result.status[~result.found] == Status.ROBUST).all()
    assert torch.equal(result.images[~result.found], IMAGES[~result.found])


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("classes", [2, 3, 9, 10])
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
def test_the_ensemble_with_any_number_of_classes(norm, classes, goal):
    network, images = oracles.relu(classes=classes), oracles.images(12)
    prediction = network(images).argmax(1)
    criterion = (
        Untargeted(prediction) if goal is Untargeted else Targeted((prediction + 1) % classes)
    )
    attack = StandardEnsemble(eps={"l2": 0.3, "linf": 0.08}[norm], norm=norm, steps=10, queries=20)
    result = attack(network, images, criterion)
    assert torch.equal(criterion.holds(network(result.images)), result.found)
    for stage in attack.stages():
        assert (result.found | ~stage(network, images, criterion).found).all()
    assert result.found.any()


def test_the_ensemble_passes_a_mask_on_the_gradients():
    """Logits rounded to steps have no gradient at all; random search still finds a way."""
    network = oracles.relu()

    def masked(images):
        return (network(images) * 20).round() / 20

    result = StandardEnsemble(eps=0.15, steps=5, queries=300)(
        masked, IMAGES, Untargeted(masked(IMAGES).argmax(1))
    )
    assert result.found.double().mean() > 0.5
    assert isinstance(StandardEnsemble().stages()[-1], Square)


@pytest.mark.parametrize(
    "wrapper",
    [
        Restarts(PGD(), 3),
        Worst((PGD(), FGSM())),
        Within(DeepFool(), 0.1),
        Bisected(DeepFool()),
        Rounded(FMN()),
    ],
    ids=lambda wrapper: type(wrapper).__name__,
)
def test_a_wrapper_names_what_it_wraps_and_takes_others(wrapper):
    assert isinstance(wrapper, WrapperAttack)
    assert wrapper.with_wrapped(wrapper.wrapped) == wrapper
    others = tuple(replace(attack, norm="l2") for attack in wrapper.wrapped)
    changed = wrapper.with_wrapped(others)
    assert (changed.wrapped, changed.norm) == (others, "l2")
    assert not isinstance(wrapper.wrapped[0], WrapperAttack)


@dataclass(frozen=True)
class Halved:
    """A wrapper of one's own, whose radius is that of what it wraps."""

    inner: Attack

    @property
    def norm(self):
        return self.inner.norm

    @property
    def eps(self):
        return self.inner.eps

    def __call__(self, classifier, images, criterion, randomness=None):
        return self.inner(classifier, images, criterion, randomness)


class Whole(Halved):
    @property
    def wrapped(self):
        return (self.inner,)

    def with_wrapped(self, attacks):
        return replace(self, inner=attacks[0])


def test_a_wrapper_of_ones_own_hands_its_budget_on():
    assert with_budget(Whole(PGD()), 0.2) == Whole(PGD(eps=0.2))
    assert kind_and_norm(Whole(PGD())) == "Whole-pgd-linf"
    assert not has_budget(Whole(DeepFool()))
    with pytest.raises(TypeError, match=r"Halved has an eps that is no field.*define wrapped"):
        with_budget(Halved(PGD()), 0.2)


@pytest.mark.parametrize("box", [True, False])
def test_the_worst_of_threats_keeps_to_the_box_where_any_part_does(box: bool) -> None:
    attack = WorstOfThreats((PGD(box=False), PGD(norm="l2", box=box)), (0.1, 1.0))
    assert keeps_box(attack) is box
