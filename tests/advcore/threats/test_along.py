"""Movement in the span of a fit's directions."""

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted
from advcore.attacks import PGD, SmallestEps
from advcore.attacks.attack import norm_of
from advcore.learnt import Learnt
from advcore.threats import Along

COUNT, DIM = 6, 5
NOISE = torch.randn(16, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
BASIS = torch.linalg.qr(NOISE).Q
FIT = Learnt("components seed=0", tensors={"directions": BASIS.mT.reshape(DIM, 1, 4, 4)})


def noise():
    return Randomness(0, torch.arange(COUNT))


def test_rest_random_and_project():
    inputs, radius = oracles.images(COUNT), torch.linspace(0.2, 1, COUNT).double()
    region = Along(FIT, DIM).around(inputs, radius, oracles.relu())
    assert torch.equal(region.apply(region.rest()), inputs)
    drawn = region.random(noise())
    assert (region.size(drawn) <= radius * (1 + 1e-6)).all()
    far = region.project(10 * region.steepest(drawn, drawn))
    torch.testing.assert_close(far.norm(dim=1), radius)
    assert (region.size(far) <= radius * (1 + 1e-6)).all()
    moved = region.apply(drawn)
    assert moved.min() >= 0
    assert moved.max() <= 1
    some = torch.tensor([4, 1])
    assert torch.equal(region.take(some).apply(drawn[some]), moved[some])


def test_no_other_direction_is_changed_inside_the_box():
    inputs = oracles.images(COUNT, spread=0.1)
    region = Along(FIT, 3).around(inputs, torch.full((COUNT,), 0.2).double(), oracles.relu())
    change = (region.apply(region.random(noise())) - inputs).flatten(1)
    leading = BASIS[:, :3]
    torch.testing.assert_close(change @ leading @ leading.mT, change)


def test_the_shortest_way_in_the_span_is_known_of_an_affine_classifier():
    network, inputs = oracles.Affine(classes=2), oracles.images(COUNT, spread=0.2)
    attack = SmallestEps(
        PGD(norm="l2", threat=Along(FIT, DIM), steps=10, random_start=False), largest=4.0, steps=14
    )
    result = attack(network, inputs, Untargeted(network(inputs).argmax(1)), noise())
    expected = network.distances(inputs, basis=BASIS).amin(1)
    inside = (
        result.found & (result.images > 0).flatten(1).all(1) & (result.images < 1).flatten(1).all(1)
    )
    assert inside.sum() >= 3
    torch.testing.assert_close(result.distance[inside], expected[inside], rtol=0.02, atol=0)
    assert norm_of(attack) == "l2"


def test_what_a_fit_lacks_is_refused():
    with pytest.raises(ValueError, match="dim must be at least 1; got 0"):
        Along(FIT, 0)
    with pytest.raises(ValueError, match="6 directions of the fit components seed=0 are wanted"):
        Along(FIT, 6).check((1, 4, 4))
    with pytest.raises(
        ValueError, match=r"directions of inputs \(1, 4, 4\); these are \(3, 4, 4\)"
    ):
        Along(FIT, 2).check((3, 4, 4))
