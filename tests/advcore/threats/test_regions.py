"""What every threat model must hold to."""

from dataclasses import replace

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness, Untargeted
from advcore.attacks import APGD, FGSM, PGD, GridSearch, SmallestEps, Status, WorstOfK
from advcore.attacks.attack import norm_of
from advcore.rectangle import Rectangle
from advcore.threats import (
    THREATS,
    Additive,
    Along,
    Colour,
    Embedding,
    Feature,
    Flips,
    Flow,
    Frequency,
    Neighbours,
    Sequence,
    Spatial,
    Sphere,
    Tabular,
    Tokens,
    Wasserstein,
    Window,
)

SIZED = [
    (Additive("l2"), 0.8),
    (Spatial(), 0.7),
    (Spatial(rotation=0, translation=0, shear=0.3, scale=0.2), 1.0),
    (Flow(nodes=4), 1.5),
    (Colour(), 0.2),
    (Frequency(0, 3), 1.0),
    (Wasserstein(), 0.3),
    (Feature(), 0.3),
    (Sphere(), 0.8),
    (Window(Rectangle(3, 2, 6, 7)), 0.8),
    (Sequence((Spatial(), Colour(), Additive("linf")), (1.0, 0.1, 0.05)), 0.8),
]
"""Every threat model with a size that reaches some of the small images here, and not all."""

every = pytest.mark.parametrize(("threat", "eps"), SIZED, ids=lambda value: str(value)[:30])
COUNT = 6


def network(channels: int = 1) -> nn.Module:
    torch.manual_seed(5)
    layers = [nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4)]
    own = nn.Sequential(*layers)
    own(torch.zeros(1, channels, 12, 12))
    return own.eval()


def pictures(channels: int = 1) -> torch.Tensor:
    """Blobs with a dark margin."""
    torch.manual_seed(2)
    whole = torch.zeros(COUNT, channels, 12, 12)
    whole[:, :, 3:9, 3:9] = torch.rand(COUNT, channels, 6, 6)
    return whole


def noise(count: int = COUNT) -> Randomness:
    return Randomness(0, torch.arange(count))


def test_every_named_threat_model_is_in_the_table() -> None:
    # see test_discrete.py, test_along.py, test_words.py, test_table.py
    elsewhere = {Flips, Tokens, Along, Embedding, Neighbours, Tabular}
    assert set(THREATS.values()) == {type(threat) for threat, _ in SIZED} | elsewhere


@every
def test_rest_random_and_project(threat, eps) -> None:
    inputs, radius = pictures(), torch.linspace(0.5, 1, COUNT) * eps
    region = threat.around(inputs, radius, network())
    torch.testing.assert_close(region.apply(region.rest()), inputs)
    assert region.size(region.rest()).abs().max() < 1e-5
    for parameters in (region.random(noise()), region.edge(noise())):
        assert (region.size(parameters) <= radius * (1 + 1e-3) + 1e-5).all()
        torch.testing.assert_close(region.project(parameters), parameters, atol=1e-4, rtol=1e-3)
    far = region.rest() + 10 * region.steepest(torch.randn_like(region.rest()), region.rest())
    inside = region.project(far)
    assert (region.size(inside) <= radius * (1 + 1e-3) + 1e-5).all()
    changed = region.apply(inside)
    assert changed.shape == inputs.shape
    assert not torch.equal(changed, inputs)


@every
def test_a_row_is_its_own(threat, eps) -> None:
    inputs, radius = pictures(), torch.linspace(0.5, 1, COUNT) * eps
    whole = threat.around(inputs, radius, network())
    some = torch.tensor([4, 1])
    gradient = torch.randn_like(whole.rest())
    stepped = whole.rest() + eps * whole.steepest(gradient, whole.rest())
    part = whole.take(some)
    alone = part.rest() + eps * part.steepest(gradient[some], part.rest())
    torch.testing.assert_close(alone, stepped[some])
    torch.testing.assert_close(
        part.apply(part.project(alone)), whole.apply(whole.project(stepped))[some]
    )
    torch.testing.assert_close(part.random(noise().take(some)), whole.random(noise())[some])


@every
def test_gradients_are_finite_also_at_black(threat, eps) -> None:
    for channels in (1, 3):
        inputs = torch.cat([pictures(channels)[:2], torch.zeros(1, channels, 12, 12)])
        region = threat.around(inputs, torch.full((3,), eps), network(channels))
        parameters = region.rest().requires_grad_()
        (slope,) = torch.autograd.grad(region.apply(parameters).square().sum(), parameters)
        assert slope.isfinite().all()


@every
@pytest.mark.parametrize(
    "attack",
    [FGSM(), PGD(steps=10, relative_step=0.3), APGD(steps=10), WorstOfK(Additive())],
    ids=lambda attack: type(attack).__name__,
)
def test_attacks_find_what_they_say(threat, eps, attack) -> None:
    inputs, classifier = pictures(), network()
    criterion = Untargeted(classifier(inputs).argmax(1))
    own = replace(attack, threat=threat, eps=eps)
    result = own(classifier, inputs, criterion, noise())
    assert torch.equal(criterion.holds(classifier(result.images)), result.found)
    assert torch.equal(torch.isfinite(result.distance), result.found)
    assert (result.distance[result.found] <= eps * (1 + 1e-3)).all()
    assert (result.distance[result.found] > 0).all()
    assert norm_of(own) == threat.name
    if isinstance(attack, PGD):
        assert result.found.any()


def test_a_ball_by_name_and_as_a_threat_model_are_alike() -> None:
    inputs, classifier = 0.4 + 0.2 * pictures(), network()  # nothing meets the box
    criterion = Untargeted(classifier(inputs).argmax(1))
    by_norm, by_threat = (
        attack(classifier, inputs, criterion, noise())
        for attack in (
            PGD(eps=0.5, norm="l2", random_start=False),
            PGD(eps=0.5, threat=Additive("l2"), random_start=False),
        )
    )
    assert torch.equal(by_norm.found, by_threat.found)
    assert by_norm.found.any()
    torch.testing.assert_close(by_norm.images, by_threat.images)


@pytest.mark.parametrize("threat", [Spatial(rotation=180, translation=0), Additive("linf")])
def test_the_smallest_eps_is_a_success_that_no_smaller_one_was(threat) -> None:
    inputs, classifier = pictures(), network()
    criterion = Untargeted(classifier(inputs).argmax(1))
    attack = PGD(steps=10, relative_step=0.3, threat=threat, random_start=False)
    whole = replace(attack, eps=1.0)(classifier, inputs, criterion, noise())
    result = SmallestEps(attack)(classifier, inputs, criterion, noise())
    assert torch.equal(result.found, whole.found)
    assert torch.equal(criterion.holds(classifier(result.images)), result.found)
    assert (result.distance[result.found] <= whole.distance[result.found]).all()
    assert (result.queries[whole.status == Status.BROKEN] > 8).all()
    assert norm_of(SmallestEps(attack)) == threat.name


def test_on_a_linear_network_the_smallest_eps_is_the_distance() -> None:
    weight = torch.linspace(-1, 1, 144)[None]
    classifier = lambda x: torch.cat([x.flatten(1) @ weight.T, torch.zeros(len(x), 1)], 1)  # noqa: E731
    inputs = 0.5 + 0.01 * torch.randn(COUNT, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    score = classifier(inputs)[:, 0]
    exact = score.abs() / weight.abs().sum()
    criterion = Untargeted((score < 0).long())
    attack = SmallestEps(PGD(steps=5, random_start=False), largest=0.1, steps=12)
    result = attack(classifier, inputs, criterion, noise())
    torch.testing.assert_close(result.distance, exact, rtol=0.01, atol=1e-5)


def test_the_worst_of_a_grid_is_misclassified_first() -> None:
    inputs, classifier = pictures(), network()
    criterion = Untargeted(classifier(inputs).argmax(1))
    threat = Spatial(rotation=90, translation=2)
    attack = GridSearch(threat, points=5, eps=1.0)
    result = attack(classifier, inputs, criterion, noise())
    region = threat.around(inputs, torch.ones(COUNT), classifier)
    every_point = torch.stack(
        [
            criterion.holds(classifier(region.apply(point.expand(COUNT, -1))))
            for point in region.grid(5)
        ]
    )
    assert len(every_point) == 125
    assert torch.equal(result.found, every_point.any(0))
    assert result.found.any()
    assert not result.gradients.any()
    assert (result.queries[result.status != Status.ALREADY_WRONG] >= 125).all()


def test_what_cannot_be_is_refused() -> None:
    classifier, inputs = network(), pictures()
    tables, radius = torch.rand(2, 9), torch.ones(2)
    for threat in (Spatial(), Flow(), Colour(), Frequency(), Wasserstein()):
        with pytest.raises(ValueError, match="pictures"):
            threat.around(tables, radius, classifier)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        Colour().around(torch.rand(2, 2, 8, 8), radius, classifier)
    with pytest.raises(ValueError, match="frequencies below 12"):
        Frequency(low=12).around(inputs, torch.ones(COUNT), classifier)
    with pytest.raises(ValueError, match="shows none"):
        Feature().around(inputs, torch.ones(COUNT), lambda x: x.flatten(1)[:, :4])
    with pytest.raises(ValueError, match="cannot be a part"):
        Sequence((Feature(),), (1.0,)).around(inputs, torch.ones(COUNT), classifier)
    with pytest.raises(ValueError, match="has no grid"):
        GridSearch(Flow(), eps=1.0)(classifier, inputs, Untargeted(classifier(inputs).argmax(1)))
    with pytest.raises(ValueError, match="budget"):
        SmallestEps(SmallestEps(PGD()))
    for refused in (
        lambda: Spatial(rotation=0, translation=0),
        lambda: Spatial(rotation=-1),
        lambda: Flow(nodes=1),
        lambda: Colour(nodes=1),
        lambda: Frequency(3, 3),
        lambda: Wasserstein(window=4),
        lambda: Feature(halvings=0),
        lambda: Sequence((Spatial(),), ()),
        lambda: Additive("l3"),
    ):
        with pytest.raises(ValueError, match=r"must|needs|one of"):
            refused()


def test_weights_of_the_network_stay() -> None:
    inputs, classifier = pictures(), network()
    before = oracles.state(classifier)
    criterion = Untargeted(classifier(inputs).argmax(1))
    PGD(eps=0.3, steps=3, relative_step=0.4, threat=Feature())(classifier, inputs, criterion)
    after = oracles.state(classifier)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True) if torch.is_tensor(a))
    assert not any(layer._forward_hooks for layer in classifier.modules())
