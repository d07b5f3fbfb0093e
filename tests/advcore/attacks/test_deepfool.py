"""DeepFool asks whether it has arrived only where it may have, and ends where it would have ended
by asking after every step.
"""

import oracles
import pytest
import torch

from advcore import Targeted, Untargeted
from advcore.attacks import DeepFool, Status, deepfool

IMAGES = oracles.images(400)
NETWORKS = {
    "relu": oracles.relu(classes=10),
    "softplus": oracles.softplus(classes=10),
    "affine": oracles.Affine(classes=10),
}


def _each_step(attack, network, images, criterion, monkeypatch):
    """The published loop: the question after every step."""
    with monkeypatch.context() as patch:
        patch.setattr(deepfool, "ARRIVAL_OVERSHOOTS", torch.inf)
        return attack(network, images, criterion)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("box", [True, False], ids=["box", "no-box"])
@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_it_ends_where_asking_after_each_step_ends(name, box, norm, monkeypatch):
    network, attack = NETWORKS[name], DeepFool(norm=norm, box=box)
    criterion = Untargeted(network(IMAGES).argmax(1))
    ours, theirs = (
        attack(network, IMAGES, criterion),
        _each_step(attack, network, IMAGES, criterion, monkeypatch),
    )
    torch.testing.assert_close(ours.images, theirs.images, rtol=1e-9, atol=1e-9)
    assert torch.equal(ours.status, theirs.status)


@pytest.mark.parametrize("overshoot", [1e-3, 0.02, 0.5])
def test_it_does_for_targets_few_classes_and_any_overshoot(overshoot, monkeypatch):
    network = NETWORKS["relu"]
    labels = network(IMAGES).argmax(1)
    for criterion in (Targeted((labels + 1) % 10), Untargeted(labels)):
        attack = DeepFool(box=False, overshoot=overshoot, classes=2, steps=30)
        ours, theirs = (
            attack(network, IMAGES, criterion),
            _each_step(attack, network, IMAGES, criterion, monkeypatch),
        )
        torch.testing.assert_close(ours.images, theirs.images, rtol=1e-9, atol=1e-9)
        assert torch.equal(ours.status, theirs.status)


def test_it_asks_less_on_the_way(monkeypatch):
    """Forward passes without a gradient are questions; one to begin with is not."""
    network, asked = oracles.relu(classes=10, width=200), [0]

    def counting(images):
        asked[0] += 0 if images.requires_grad else len(images)
        return network(images)

    criterion, attack = Untargeted(network(IMAGES).argmax(1)), DeepFool(norm="l2", box=False)
    seldom = attack(counting, IMAGES, criterion)
    few, asked[0] = asked[0], 0
    often = _each_step(attack, counting, IMAGES, criterion, monkeypatch)
    assert few < asked[0]
    assert seldom.found.all()
    assert (seldom.queries >= 3).all()
    assert often.queries.sum() - asked[0] <= seldom.queries.sum() - few


def test_a_sample_that_runs_out_of_steps_has_been_asked_last():
    network = NETWORKS["relu"]
    result = DeepFool(norm="l2", box=False, steps=2, overshoot=1e-6)(
        network, IMAGES, Untargeted(network(IMAGES).argmax(1))
    )
    failed = result.status == Status.FAILED
    assert failed.any()
    assert torch.equal(network(result.images).argmax(1) != network(IMAGES).argmax(1), result.found)
    assert (result.images[failed] != IMAGES[failed]).flatten(1).any(1).all()
