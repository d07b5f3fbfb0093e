"""Several counterfactuals of one input, and their distances."""

import oracles
import torch

from advcore import Randomness, Targeted
from advcore.attacks import FMN, MinimalNorm
from advcore.explain.counterfactuals import Movable, diverse, mean_distance, nearest_distances


def test_what_may_not_move_stays():
    """The shortest way of an affine classifier without some entries is that of its other ones."""
    network, inputs = oracles.Affine(), oracles.images(6, spread=0.2)
    movable = (torch.arange(16).view(1, 4, 4) % 2 == 0).expand(6, 1, 4, 4)
    within = Movable(network, inputs, movable)
    targets = (network(inputs).argmax(1) + 1) % 3
    result = MinimalNorm(box=False)(within, inputs, Targeted(targets))
    change = within.kept(result.images) - inputs
    assert not change[~movable].any()
    assert torch.equal(network(inputs + change).argmax(1), targets)
    basis = torch.eye(16, dtype=torch.float64)[:, movable[0].flatten()]
    bound = network.distances(inputs, basis=basis).gather(1, targets[:, None])[:, 0]
    assert (change.flatten(1).norm(dim=1) >= bound * (1 - 1e-6)).all()
    free = MinimalNorm(box=False)(network, inputs, Targeted(targets))
    assert (result.distance >= free.distance * (1 - 1e-4)).all()


def test_further_ones_change_the_label_elsewhere():
    network, inputs = oracles.relu(), oracles.images(8)
    before = network(inputs).argmax(1)
    targets = (before + 1) % network(inputs).shape[1]
    noise = Randomness(0, torch.arange(8))
    attack = FMN(norm="l0", steps=60)
    first, second = diverse(attack, network, inputs, targets, 2, noise)
    for made, valid in (first, second):
        assert torch.equal(network(made).argmax(1) == targets, valid)
    assert first[1].any()
    plain = attack(network, inputs, Targeted(targets), noise.stream("counterfactual", 0))
    assert torch.equal(first[0], plain.images)
    one, two = ((made - inputs).flatten(1) for made, _ in (first, second))
    shared = (one.square() * (two != 0)).sum(1)
    assert (shared <= 0.5 * one.square().sum(1) + 1e-12).all()


def test_distances_by_hand():
    samples = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
    labels = torch.tensor([0, 1, 0])
    inputs = torch.tensor([[0.0, 0.0], [3.0, 3.0]])
    near, wanted = nearest_distances(inputs, samples, labels, torch.tensor([1, 2]))
    assert near.tolist() == [0.0, 1.0]
    assert wanted.tolist() == [5.0, torch.inf]
    several = samples[:, None].expand(3, 2, 2)
    valid = torch.tensor([[True, True], [True, False], [False, False]])
    apart = mean_distance(several, valid)
    assert apart[0] == 5.0
    assert apart[1].isnan()
    whole = mean_distance(several, torch.ones(3, 2, dtype=torch.bool))
    expected = torch.pdist(samples).mean()
    torch.testing.assert_close(whole, expected.expand(2))
