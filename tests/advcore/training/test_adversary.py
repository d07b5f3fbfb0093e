"""The adversary of a representation: its gradient, the game, what it cannot work with."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advcore import Randomness
from advcore.training import Adversary

COUNT = 256
GENERATOR = torch.Generator().manual_seed(0)
SEX = torch.randint(0, 2, (COUNT,), generator=GENERATOR)
LABELS = torch.randint(0, 2, (COUNT,), generator=GENERATOR)
NOISE = 0.3 * torch.randn(COUNT, 2, generator=GENERATOR)
INPUTS = torch.cat([F.one_hot(SEX, 2), NOISE + F.one_hot(LABELS, 2)], 1).float()
SOURCE = Randomness(0, torch.arange(COUNT))
TERM = Adversary((0, 1), width=16)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def test_it_goes_up_where_the_network_goes_down():
    game = TERM.prepare(network())
    value = TERM(game, INPUTS, LABELS, SOURCE)
    units = game.network[:2](INPUTS)
    own = (units - units.mean(0)) / (units.std(0, correction=0) + 1e-5)
    expected = -F.cross_entropy(game.adversary(own), SEX)
    torch.testing.assert_close(value, expected)
    for part, sign in ((game.network[:2], 1), (game.adversary, -1)):
        weights = list(part.parameters())
        found = torch.autograd.grad(value, weights, retain_graph=True)
        wanted = torch.autograd.grad(expected, weights, retain_graph=True)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, sign * other)
    twice = Adversary((0, 1), width=16, rate=2.0)(game, INPUTS, LABELS, SOURCE)
    own_weights = list(game.adversary.parameters())
    slow, fast = (
        torch.autograd.grad(one, own_weights, retain_graph=True) for one in (value, twice)
    )
    for one, other in zip(slow, fast, strict=True):
        torch.testing.assert_close(2 * one, other)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Adversary((0,)), "entries must be at least 2 different numbers"),
        (lambda: Adversary((0, 1), rate=0), "rate a positive number; got 64 and 0"),
        (lambda: TERM.prepare(nn.Linear(4, 2)), "a representation before its last linear layer"),
        (lambda: TERM(network(), INPUTS, LABELS, SOURCE), "give it what prepare"),
        (
            lambda: Adversary((0, 9))(TERM.prepare(network()), INPUTS, LABELS, SOURCE),
            "below 4 for inputs",
        ),
        (
            lambda: TERM(TERM.prepare(network()), 0 * INPUTS, LABELS, SOURCE),
            f"{COUNT} of {COUNT} samples have no category",
        ),
    ],
)
def test_what_it_cannot_work_with_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()
