"""AdvProp: the auxiliary batch norms' numbers, and theirs alone, for adversarial images."""

import oracles
import pytest
import torch
from torch import nn

from advcore.attacks import FGSM, PGD
from advcore.randomness import Randomness
from advcore.training import AdversarialTraining, AdvProp, CrossEntropy, Recipe, fit

IMAGES, SOURCE = oracles.images(40), Randomness(0, torch.arange(40))
LABELS = oracles.Affine(4)(IMAGES).argmax(1)
TERM = AdvProp(PGD(eps=0.1, steps=3))


def _network():
    return (
        nn.Sequential(nn.BatchNorm2d(1), oracles.relu(), nn.BatchNorm1d(4, affine=False))
        .double()
        .train()
    )


class _Spy(AdvProp):
    """The term, which shows what it made of the network."""

    def __init__(self, made, weight=1.0):
        super().__init__(TERM.attack, weight)
        object.__setattr__(self, "made", made)

    def prepare(self, network):
        self.made.append(super().prepare(network))
        return self.made[-1]


def test_it_is_adversarial_training_of_the_network_with_the_auxiliary_numbers():
    """Value, gradients and statistics of a second network into which they are written; the first
    one does not move.
    """
    network, other = _network(), _network()
    auxiliary = TERM.prepare(network)
    stem, tail = auxiliary.norms
    with torch.no_grad():
        for number, value in zip(
            (stem.weight, stem.bias, stem.running_mean, stem.running_var),
            (1.5, -0.2, 0.4, 0.2),
            strict=True,
        ):
            number.fill_(value)
    other[0].load_state_dict(stem.state_dict())
    before = oracles.state(network)
    ours, theirs = (
        TERM(auxiliary, IMAGES, LABELS, SOURCE),
        AdversarialTraining(TERM.attack)(other, IMAGES, LABELS, SOURCE),
    )
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(dict(stem.named_buffers()), dict(other[0].named_buffers()))
    torch.testing.assert_close(dict(tail.named_buffers()), dict(other[2].named_buffers()))
    assert stem.num_batches_tracked == 1
    assert oracles.state(network) == before
    gradients = torch.autograd.grad(ours, [*network[1].parameters(), *stem.parameters()])
    torch.testing.assert_close(
        gradients, torch.autograd.grad(theirs, [*other[1].parameters(), *other[0].parameters()])
    )


def test_the_auxiliary_numbers_are_trained_and_never_in_the_network():
    network, made = _network(), []
    names = list(network.state_dict())
    list(
        fit(
            network,
            IMAGES,
            LABELS,
            Recipe({"clean": CrossEntropy(), "advprop": _Spy(made)}, epochs=6, batch_size=10),
        )
    )
    (stem, _), main = made[0].norms, network[0]
    for name in ("weight", "running_mean", "running_var"):
        ours, theirs = getattr(stem, name), getattr(main, name)
        assert not torch.allclose(ours, getattr(_network()[0], name), atol=1e-3)
        assert not torch.allclose(ours, theirs, atol=1e-4)
    assert list(network.state_dict()) == names
    assert (network(IMAGES).argmax(1) == LABELS).double().mean() > 0.8


def test_the_gradient_is_clipped_with_that_of_the_auxiliary_numbers():
    """One step without momentum and weight decay is as long as the learning rate times the
    limit.
    """
    network, made = _network(), []
    start = [parameter.detach().clone() for parameter in network.parameters()]

    recipe = Recipe(
        {"advprop": _Spy(made, 1e4)},
        epochs=1,
        batch_size=40,
        momentum=0.0,
        weight_decay=0.0,
        gradient_clip=0.5,
    )
    (epoch,) = fit(network, IMAGES, LABELS, recipe)
    start += [torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)]
    moves = zip([*network.parameters(), *made[0].norms.parameters()], start, strict=True)
    length = sum((now - then).square().sum() for now, then in moves).sqrt()
    assert length.item() == pytest.approx(0.5 * epoch.learning_rate, rel=1e-4)


def test_clean_images_alone_move_the_main_statistics():
    """Those of the first step, momentum 0.1, at a learning rate that moves nothing."""
    network = _network()
    recipe = Recipe(
        {"clean": CrossEntropy(), "advprop": TERM}, epochs=1, batch_size=40, learning_rate=1e-12
    )
    list(fit(network, IMAGES, LABELS, recipe))
    torch.testing.assert_close(network[0].running_mean, 0.1 * IMAGES.mean((0, 2, 3)))
    assert network[0].num_batches_tracked == 1


def test_what_cannot_work_is_refused():
    with pytest.raises(
        ValueError, match="advprop needs a network with batch normalisation, and this one has none"
    ):
        next(fit(oracles.relu(), IMAGES, LABELS, Recipe({"advprop": TERM}, epochs=1)))
    with pytest.raises(
        ValueError, match=r"auxiliary batch norms: give it what prepare\(network\) returns"
    ):
        TERM(_network(), IMAGES, LABELS, SOURCE)
    with pytest.raises(ValueError, match="needs eps, a radius in pixel units"):
        AdvProp(FGSM())
