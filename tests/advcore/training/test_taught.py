"""Terms with a teacher, the network as it began: features and input gradients that stay near it."""

import math

import oracles
import pytest
import torch
from losses import slow_gradient
from torch import nn
from weight_slopes import check_gradient

from advcore.randomness import Randomness
from advcore.training import (
    CrossEntropy,
    FeatureDistillation,
    GradientMatching,
    Recipe,
    TrainingLoop,
    fit,
)
from advcore.training.taught import Taught

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))
TERMS = [FeatureDistillation(), GradientMatching()]


def moved(network):
    """The network, its weights moved a little, in place."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            way = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter += 0.1 * way
    return network


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_at_the_start_nothing_is_to_be_changed(term):
    """Of a network without batch normalisation: the gradient, too, is 0."""
    network = oracles.softplus()
    value = term(term.prepare(network), IMAGES, LABELS, SOURCE)
    chance = term.discriminator * -2 * math.log(2) if isinstance(term, GradientMatching) else 0
    assert value.item() == pytest.approx(chance, abs=0.05)
    if isinstance(term, FeatureDistillation):
        assert value.item() == 0
    apart = GradientMatching(discriminator=0)
    assert apart(apart.prepare(network), IMAGES, LABELS, SOURCE).item() == pytest.approx(0)
    for gradient in torch.autograd.grad(value, list(network.parameters()), materialize_grads=True):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_features_are_what_goes_into_the_last_layer(norm):
    network = oracles.softplus()
    first = oracles.softplus()[:-1]
    term = FeatureDistillation(norm=norm)
    taught = term.prepare(network)
    moved(network)

    def value():
        apart = network[:-1](IMAGES) - first(IMAGES)
        return sum(own.norm(p=int(norm[1])) for own in apart) / 6

    check_gradient(network[:-1], term(taught, IMAGES, LABELS, SOURCE), value)
    early = FeatureDistillation(layer="3", norm=norm)
    apart = (network[:3](IMAGES) - first[:3](IMAGES)).norm(p=int(norm[1]), dim=1).mean()
    torch.testing.assert_close(early(taught, IMAGES, LABELS, SOURCE), apart)


def test_the_difference_of_gradients_is_that_of_the_slow_formula():
    network, first = oracles.softplus(), oracles.softplus()
    term = GradientMatching(difference=3.0, discriminator=0.0)
    taught = term.prepare(network)
    moved(network)

    def value():
        pairs = zip(IMAGES, LABELS, strict=True)
        apart = [slow_gradient(network, *own) - slow_gradient(first, *own) for own in pairs]
        return 3 * sum(own.square().sum() for own in apart) / 6

    check_gradient(network, term(taught, IMAGES, LABELS, SOURCE), value)


def test_the_discriminator_climbs_while_the_network_descends():
    """A small step down the gradient of the discriminator's weights raises the value, one down that
    of the network's lowers it; each as far as its squared length says.
    """
    term = GradientMatching(difference=0.0)
    for part, sign in (("discriminator", 1), ("network", -1)):
        network = oracles.softplus()
        matched = term.prepare(network)
        moved(network)
        weights = list((matched.discriminator if sign > 0 else network).parameters())
        before = term(matched, IMAGES, LABELS, SOURCE)
        gradients = torch.autograd.grad(before, weights, materialize_grads=True)
        rate = 1e-5
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= rate * gradient
        change = term(matched, IMAGES, LABELS, SOURCE).item() - before.item()
        squares = sum(gradient.square().sum().item() for gradient in gradients)
        assert change == pytest.approx(sign * rate * squares, rel=1e-2), part


def test_the_discriminator_learns_to_tell_gradients_apart():
    """Smooth pictures from the same ones with their rows mixed."""
    matched = GradientMatching().prepare(oracles.softplus())
    rows = torch.linspace(-1, 1, 8, dtype=torch.float64)[None, None, :, None]
    generator = torch.Generator().manual_seed(0)
    heights = torch.rand(8, 1, 1, 1, dtype=torch.float64, generator=generator)
    smooth = heights * rows.expand(8, 1, 8, 8)
    mixed = smooth[:, :, [0, 7, 1, 6, 2, 5, 3, 4]]
    climbing = torch.optim.Adam(matched.discriminator.parameters(), 0.02)
    values = []
    for _ in range(60):
        climbing.zero_grad()
        value = matched.told_apart(smooth, mixed)
        value.backward()
        climbing.step()
        values.append(value.item())
    assert values[0] == pytest.approx(-2 * math.log(2), abs=0.1)
    assert -0.5 < values[-1] <= 0


def test_a_discriminator_comes_from_its_seed_alone():
    def weights(seed):
        made = GradientMatching(seed=seed).prepare(oracles.softplus()).discriminator
        return torch.cat([weight.flatten() for weight in made.parameters()])

    torch.manual_seed(1)
    one = weights(0)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    assert torch.equal(one, weights(0))
    assert not torch.equal(one, weights(1))


def test_colours_are_told_apart_one_by_one():
    network = oracles.softplus(shape=(3, 4, 4))
    matched = GradientMatching().prepare(network)
    colours = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    own = matched.told_apart(colours, colours.flip(3))
    each = [
        matched.told_apart(colours[:, i : i + 1], colours[:, i : i + 1].flip(3)) for i in range(3)
    ]
    torch.testing.assert_close(own, torch.stack(each).mean())


def batch_normed():
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ELU(), nn.Flatten(), nn.Linear(12, 4)
    )
    return made.double().train()


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_a_step_moves_running_statistics_once_and_no_teacher(term):
    """As a step of the cross-entropy alone does, from the same statistics."""
    moved_by = []
    for objective in ({"clean": CrossEntropy()}, {"clean": CrossEntropy(), "taught": term}):
        network = batch_normed()
        loop = TrainingLoop(network, IMAGES, LABELS, Recipe(objective, epochs=1, batch_size=6))
        loop.epoch()
        moved_by.append(loop.network.get_submodule("1"))
    assert [norm.num_batches_tracked.item() for norm in moved_by] == [1, 1]
    torch.testing.assert_close(moved_by[1].running_mean, moved_by[0].running_mean)


def test_a_teacher_stays_in_evaluation_mode():
    taught = Taught(batch_normed()).train()
    assert taught.network.training
    assert not any(own.training for own in taught.teacher.modules())


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_the_teacher_stays_also_in_a_training_that_was_left(term):
    """A training resumed from its state goes on bit for bit, with the teacher of the first step."""
    recipe = Recipe({"clean": CrossEntropy(), "taught": term}, epochs=2, batch_size=3)
    network = batch_normed()
    whole = TrainingLoop(network, IMAGES, LABELS, recipe)
    first = {name: value.clone() for name, value in batch_normed().state_dict().items()}
    whole.epoch()
    state = {name: value.clone() for name, value in whole.state().items()}
    again = TrainingLoop(moved(batch_normed()), IMAGES, LABELS, recipe)
    again.resume(state)
    whole.epoch(), again.epoch()
    for loop in (whole, again):
        held = loop.state()
        teacher = {name: value for name, value in held.items() if "teacher" in name}
        assert len(teacher) == len(first)
        for name, value in teacher.items():
            assert torch.equal(value, first[name.partition("teacher.")[2]])
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])


@pytest.mark.parametrize(
    "term", [FeatureDistillation(weight=100.0), GradientMatching(weight=100.0)]
)
def test_a_training_stays_near_what_it_began_as(term):
    """Nearer than one without the term, and the network has no more weights than before."""

    def distance(objective):
        network = oracles.softplus()
        held = GradientMatching(1.0, 0.0) if isinstance(term, GradientMatching) else term
        taught = held.prepare(network)
        names = list(network.state_dict())
        recipe = Recipe(objective, epochs=15, batch_size=6, learning_rate=0.02)
        list(fit(network, IMAGES, LABELS, recipe))
        assert list(network.state_dict()) == names
        return held(taught, IMAGES, LABELS, SOURCE).item()

    clean = {"clean": CrossEntropy()}
    assert distance({**clean, "taught": term}) < 0.5 * distance(clean)


def test_what_cannot_work_is_refused():
    for term in TERMS:
        with pytest.raises(ValueError, match=r"give it what prepare\(network\) returns"):
            term(oracles.softplus(), IMAGES, LABELS, SOURCE)
    with pytest.raises(ValueError, match="norm must be l1 or l2, that of the features; got 'linf'"):
        FeatureDistillation(norm="linf")
    for name in ("difference", "discriminator"):
        with pytest.raises(ValueError, match=f"{name} must not be negative; got -1"):
            GradientMatching(**{name: -1})
    for kind in (FeatureDistillation, GradientMatching):
        with pytest.raises(ValueError, match="weight must not be negative"):
            kind(weight=-1)
    lost = FeatureDistillation(layer="nowhere")
    with pytest.raises(ValueError, match="the network has no layer 'nowhere'; it has 0, 1"):
        lost(lost.prepare(oracles.softplus()), IMAGES, LABELS, SOURCE)
    rows, table = torch.rand(6, 4, dtype=torch.float64), oracles.softplus(shape=(4,))
    pictures = GradientMatching()
    with pytest.raises(ValueError, match="gradient_matching needs pictures"):
        pictures(pictures.prepare(table), rows, LABELS, SOURCE)
