"""Flips and tokens: what regions hold to, and greedy search beside enumeration."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch import nn

from advcore import Randomness, Untargeted
from advcore.attacks import (
    APGD,
    FGSM,
    PGD,
    Enumeration,
    Greedy,
    Restarts,
    SmallestEps,
    Status,
    WorstOfK,
)
from advcore.threats import Flips, Frequency, Tokens

COUNT = 8


def noise() -> Randomness:
    return Randomness(0, torch.arange(COUNT))


def network(features: int) -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Flatten(), nn.Linear(features, 24), nn.Tanh(), nn.Linear(24, 3)).eval()


def table(features: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(COUNT, features, generator=generator) > 0.5).float()


VOCABULARY = ((0.0, 2.0), (-1.0, 0.5), (3.0, -1.0), (0.5, 0.5), (-2.0, -2.0))


def words() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.eye(4)[torch.randint(4, (COUNT, 5), generator=generator)]


def sentences(length: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.tensor(VOCABULARY)[torch.randint(5, (COUNT, length), generator=generator)]


CASES = [
    (Flips(), table()),
    (Flips(), table(16).view(COUNT, 1, 4, 4)),
    (Tokens(), words()),
    (Tokens(VOCABULARY), sentences()),
]
each = pytest.mark.parametrize(("threat", "inputs"), CASES, ids=lambda value: str(value)[:10])


@each
def test_rest_random_and_project(threat, inputs) -> None:
    radius = torch.tensor([0, 1, 1.5, 2, 2, 3, 4, 100.0])
    region = threat.around(inputs, radius, network(20))
    places = region.held.shape[1]
    torch.testing.assert_close(region.apply(region.rest()), inputs)
    assert not region.size(region.rest()).any()
    drawn = region.random(noise())
    assert torch.equal(region.size(drawn), radius.floor().clamp(max=places))
    assert torch.equal(region.project(drawn), drawn)
    far = torch.randn(region.rest().shape, generator=torch.Generator().manual_seed(3))
    near = region.project(far)
    assert (region.size(near) <= radius).all()
    assert (region.size(near)[3:5] == 2).all()
    changed = (region.apply(near) != inputs).view(COUNT, places, -1).any(2).sum(1)
    assert torch.equal(changed.float(), region.size(near))
    some = torch.tensor([6, 1])
    assert torch.equal(region.take(some).project(far[some]), near[some])


@each
def test_a_step_is_the_change_of_the_largest_gain(threat, inputs) -> None:
    region = threat.around(inputs, torch.full((COUNT,), 2.0), network(20))
    slope = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(5))
    gradient = torch.autograd.functional.vjp(region.apply, region.rest(), slope)[1]
    stepped = region.project(region.rest() + 0.01 * region.steepest(gradient, region.rest()))
    assert (region.size(stepped) == 1).all()
    score = lambda phi: (region.apply(phi) * slope).flatten(1).sum(1)  # noqa: E731
    gains = []
    for place in range(region.held.shape[1]):
        for shift in range(1, len(region.values)):
            held = region.held.clone()
            held[:, place] = (held[:, place] + shift) % len(region.values)
            gains.append(score(region.holding(held)) - score(region.rest()))
    torch.testing.assert_close(score(stepped) - score(region.rest()), torch.stack(gains).amax(0))


@each
@pytest.mark.parametrize(
    "attack",
    [
        FGSM(box=False),
        PGD(steps=5, box=False),
        APGD(steps=5, box=False),
        WorstOfK(Flips(), tries=5),
        Greedy(Flips()),
        Greedy(Flips(), candidates=3),
        Enumeration(Flips()),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_attacks_find_what_they_say(threat, inputs, attack) -> None:
    classifier = network(inputs[0].numel())
    criterion = Untargeted(classifier(inputs).argmax(1))
    result = replace(attack, threat=threat, eps=2.0)(classifier, inputs, criterion, noise())
    assert torch.equal(criterion.holds(classifier(result.images)), result.found)
    region = threat.around(result.images, torch.ones(COUNT), classifier)  # they are its inputs
    changed = (region.held != threat.around(inputs, torch.ones(COUNT), classifier).held).sum(1)
    assert torch.equal(changed[result.found].float(), result.distance[result.found])
    assert (changed <= 2).all()


def test_on_20_binary_features_enumeration_is_exact_and_greedy_no_better() -> None:
    inputs, classifier = table(), network(20)
    criterion = Untargeted(classifier(inputs).argmax(1))
    least = torch.full((COUNT,), torch.inf)
    for count in (2, 1):
        for places in combinations(range(20), count):
            tried = inputs.clone()
            tried[:, places] = 1 - tried[:, places]
            least = least.masked_fill(criterion.holds(classifier(tried)), count)
    assert set(least.tolist()) == {1, 2, torch.inf}
    for eps in (1.0, 2.0):
        whole, greedy, guided, drawn = (
            attack(classifier, inputs, criterion, noise())
            for attack in (
                Enumeration(Flips(), eps),
                Greedy(Flips(), eps),
                Greedy(Flips(), eps, candidates=20),
                WorstOfK(Flips(), eps, tries=5),
            )
        )
        assert torch.equal(whole.found, least <= eps)
        assert not (greedy.found & ~whole.found).any()
        assert not (drawn.found & ~whole.found).any()
        assert torch.equal(guided.found, greedy.found)  # all 20 are tried
        assert (whole.queries == {1.0: 23, 2.0: 213}[eps]).all()  # its check and its proof besides
    assert torch.equal(Greedy(Flips(), 1.0)(classifier, inputs, criterion).found, least <= 1)


def test_on_a_linear_network_greedy_and_its_first_candidate_are_exact() -> None:
    inputs, weight = table(), torch.linspace(-1, 1.1, 20)
    classifier = lambda x: torch.stack([x @ weight - 1, torch.zeros(len(x))], 1)  # noqa: E731
    criterion = Untargeted(classifier(inputs).argmax(1))
    exact = Enumeration(Flips(), 3.0)(classifier, inputs, criterion).found
    for candidates in (None, 1):
        attack = Greedy(Flips(), 3.0, candidates)
        result = attack(classifier, inputs, criterion)
        assert torch.equal(result.found, exact)
        assert (result.gradients.sum() > 0) == (candidates == 1)
    assert exact.any()


def test_the_smallest_number_of_changes_is_sought_among_all() -> None:
    """On a linear network that of the largest gains, taken until the score changes its sign."""
    inputs, weight = table(), torch.linspace(-1, 1.1, 20)
    classifier = lambda x: torch.stack([x @ weight - 1, torch.zeros(len(x))], 1)  # noqa: E731
    score = classifier(inputs)[:, 0]
    criterion = Untargeted((score < 0).long())
    gains = -score.sign()[:, None] * weight * (1 - 2 * inputs)
    reached = gains.sort(1, descending=True).values.cumsum(1) > score.abs()[:, None]
    exact = reached.float().argmax(1) + 1.0
    for budget in (Greedy(Flips()), Restarts(Greedy(Flips(), candidates=1), 2)):
        result = SmallestEps(budget)(classifier, inputs, criterion, noise())
        assert torch.equal(result.distance, exact)
    one = SmallestEps(Greedy(Flips()), largest=1.0)(classifier, inputs, criterion, noise())
    assert torch.equal(one.found, exact == 1)
    assert exact.max() > 1
    assert [Tokens().most((5, 4)), Flips().most((1, 4, 4))] == [5, 16]


def test_the_smallest_number_is_found_where_to_change_all_is_too_many() -> None:
    """Three to ten changes of twenty fool, whichever they are: one random try finds the least."""
    inputs = torch.zeros(COUNT, 20)
    inside = lambda x: (x.sum(1) - 2.5) * (10.5 - x.sum(1))  # noqa: E731
    classifier = lambda x: torch.stack([torch.zeros(len(x)), inside(x)], 1)  # noqa: E731
    criterion = Untargeted(torch.zeros(COUNT, dtype=torch.int64))
    for largest in (None, 3.0, 20.0):
        attack = SmallestEps(WorstOfK(Flips(), tries=1), largest)
        result = attack(classifier, inputs, criterion, noise())
        assert torch.equal(result.distance, torch.full((COUNT,), 3.0))
        assert (result.status == Status.BROKEN).all()
        assert torch.equal(result.images.sum(1), result.distance)
    result = SmallestEps(WorstOfK(Flips(), tries=1), 2.0)(classifier, inputs, criterion, noise())
    assert (result.status == Status.FAILED).all()
    assert result.distance.isinf().all()
    assert (result.images.sum(1) == 2).all()  # the last try


def test_samples_with_a_budget_each() -> None:
    inputs, classifier = table(), network(20)
    criterion = Untargeted(classifier(inputs).argmax(1))
    eps = torch.tensor([0.0, 1, 2, 1, 2, 1, 2, 0])
    result = Greedy(Flips(), eps)(classifier, inputs, criterion)
    for row in range(COUNT):
        alone = Greedy(Flips(), float(eps[row]))(
            classifier, inputs[row : row + 1], criterion.take(torch.tensor([row]))
        )
        assert torch.equal(alone.images[0], result.images[row])
        assert alone.status[0] == result.status[row]
    assert (result.status == Status.ROBUST)[[0, 7]].all()


def test_what_cannot_be_is_refused() -> None:
    inputs, classifier = table(), network(20)
    criterion = Untargeted(classifier(inputs).argmax(1))
    radius = torch.ones(COUNT)
    with pytest.raises(ValueError, match="each entry 0 or 1"):
        Flips().around(inputs + 0.5, radius, classifier)
    with pytest.raises(ValueError, match=r"sequences \(B, T, E\)"):
        Tokens().around(inputs, radius, classifier)
    with pytest.raises(ValueError, match="must be rows of the vocabulary"):
        Tokens().around(torch.rand(COUNT, 3, 4), radius, classifier)
    with pytest.raises(ValueError, match="rows of the vocabulary 2"):
        Tokens(VOCABULARY).around(torch.rand(COUNT, 3, 4), radius, classifier)
    with pytest.raises(ValueError, match="rows of one length"):
        Tokens(((1.0,), (1.0, 2.0)))
    with pytest.raises(ValueError, match="candidates must be at least 1"):
        Greedy(Flips(), candidates=0)
    pictures = torch.zeros(COUNT, 1, 4, 5)
    for attack in (Greedy(Frequency(), 1.0), Enumeration(Frequency(), 1.0)):
        with pytest.raises(ValueError, match="frequency does not count changes"):
            attack(classifier, pictures, criterion)
    with pytest.raises(ValueError, match=r"20 places make 211 sets; most is 200"):
        Enumeration(Flips(), 2.0, most=200)(classifier, inputs, criterion)
