"""Free adversarial training: the published loop, written out."""

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore.norms import L2, LINF
from advcore.randomness import Randomness
from advcore.training import CrossEntropy, Free, Recipe, fit
from advcore.training.term import values_of_steps

IMAGES, SOURCE = oracles.images(8), Randomness(0, torch.arange(8))
LABELS = torch.arange(8) % 4


@pytest.mark.parametrize(
    ("norm", "unit"), [("linf", torch.sign), ("l2", lambda g: g / L2.size(g)[:, None, None, None])]
)
def test_weights_and_images_move_by_the_gradients_of_one_pass(norm, unit):
    term, ball = (
        Free(eps=0.2, norm=norm, replays=4, relative_step=0.5),
        {"linf": LINF, "l2": L2}[norm],
    )
    network, expected = oracles.relu(), oracles.relu()
    current = (IMAGES + ball.random(SOURCE.stream("start"), (1, 4, 4), 0.2).double()).clamp(0, 1)
    losses = []
    for _ in range(4):
        current.requires_grad_()
        loss = sum(-expected(current)[i].log_softmax(0)[LABELS[i]] for i in range(8)) / 8
        losses.append(loss.item())
        gradient, *gradients = torch.autograd.grad(loss, [current, *expected.parameters()])
        with torch.no_grad():
            for parameter, slope in zip(expected.parameters(), gradients, strict=True):
                parameter -= 0.1 * slope
            current = (IMAGES + ball.project(current + 0.1 * unit(gradient) - IMAGES, 0.2)).clamp(
                0, 1
            )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    values = []
    for value in term.replay(network, IMAGES, LABELS, SOURCE):
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values == pytest.approx(losses)
    torch.testing.assert_close(list(network.parameters()), list(expected.parameters()))


def test_the_loop_takes_a_step_for_each_replay_and_one_pass_for_each_step():
    passes = []
    network = oracles.relu()
    network.register_forward_hook(lambda *_: passes.append(network.training))
    objective = {"clean": CrossEntropy(), "free": Free(eps=0.1, replays=3)}
    (epoch,) = fit(network, IMAGES, LABELS, Recipe(objective, epochs=1, batch_size=4))
    assert passes == [False] + [True] * 2 * 3 * 2
    assert epoch.loss == pytest.approx(sum(epoch.terms.values()))


def test_its_loss_is_the_mean_over_replays():
    recipe = Recipe({"free": Free(eps=0.1, replays=3)}, epochs=1, batch_size=8, learning_rate=1e-12)
    (epoch,) = fit(oracles.relu(), IMAGES, LABELS, recipe)
    assert 0.5 < epoch.loss / F.cross_entropy(oracles.relu()(IMAGES), LABELS).item() < 2


def test_training_lowers_the_loss_and_learns():
    images = oracles.images(60)
    labels, network = oracles.Affine(3)(images).argmax(1), oracles.relu(classes=3)
    epochs = list(
        fit(
            network,
            images,
            labels,
            Recipe({"free": Free(eps=0.03, replays=4)}, epochs=8, batch_size=16),
        )
    )
    assert epochs[-1].loss < 0.7 * epochs[0].loss
    assert (network(images).argmax(1) == labels).double().mean() > 0.8


def test_called_by_itself_it_is_the_first_replay():
    network, term = oracles.relu(), Free(eps=0.1)
    assert (
        term(network, IMAGES, LABELS, SOURCE).item()
        == next(term.replay(network, IMAGES, LABELS, SOURCE)).item()
    )


def test_a_replay_needs_the_backward_pass_before():
    values = Free(eps=0.1).replay(oracles.relu(), IMAGES, LABELS, SOURCE)
    next(values)
    with pytest.raises(
        RuntimeError,
        match=r"needs the backward pass of the one before: call backward\(\) on the value",
    ):
        next(values)


def test_terms_must_replay_equally_often():
    objective = {"a": Free(eps=0.1, replays=2), "b": Free(eps=0.1, replays=3)}
    with pytest.raises(ValueError, match=r"must do so equally often; got replays \[2, 3\]"):
        next(
            values_of_steps(
                objective, dict.fromkeys(objective, oracles.relu()), IMAGES, LABELS, SOURCE
            )
        )


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": -0.1}, "eps must not be negative, in pixel units; got -0.1"),
        ({"eps": 0.1, "replays": 0}, "replays of a minibatch must be at least 1; got 0"),
        ({"eps": 0.1, "replays": 2, "relative_step": 0.1}, "2 steps of 0.1 eps cannot reach eps"),
        ({"eps": 0.1, "weight": -1.0}, "weight must not be negative"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Free(**settings)
