"""PGD: the iterate that it hands back, and l1."""

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted, norms, objectives
from advcore.attacks import PGD, Status
from advcore.threats.ball import Ball, free_gradient


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_a_sample_that_holds_ends_at_its_highest_iterate(norm):
    network, images = oracles.softplus(), oracles.images(20)
    criterion = Untargeted(network(images).argmax(1))
    seen = []

    def classifier(inputs):
        logits = network(inputs)
        seen.append((inputs.detach(), objectives.cross_entropy(logits.detach(), criterion)))
        return logits

    eps = {"l1": 0.05, "l2": 0.02, "linf": 0.005}[norm]
    easy = PGD(eps=eps, norm=norm, steps=6)(network, images, criterion).found
    images, criterion = images[~easy], criterion.take(~easy)
    result = PGD(eps=eps, norm=norm, steps=6)(
        classifier, images, criterion, Randomness(0, torch.arange(20)[~easy])
    )
    assert (result.status == Status.ROBUST).all()
    iterates, values = zip(*seen[1:], strict=True)  # without the clean images
    assert len(iterates) == 7
    highest, which = torch.stack(values).max(0)
    assert torch.equal(result.images, torch.stack(iterates)[which, torch.arange(len(images))])
    torch.testing.assert_close(objectives.cross_entropy(network(result.images), criterion), highest)


def test_only_what_the_search_claims_is_verified_and_it_is():
    network, images = oracles.softplus(), oracles.images(20)
    labels = network(images).argmax(1)

    def liar(inputs):
        logits = network(inputs)
        lies = (
            inputs.requires_grad & (torch.arange(20) < 8)
            if len(inputs) == 20
            else torch.zeros(len(inputs), dtype=torch.bool)
        )
        return torch.where(lies[:, None], -logits, logits)

    result = PGD(eps=1e-6, steps=3)(liar, images, Untargeted(labels))
    assert (result.status == Status.ROBUST).all()
    assert (
        result.queries.tolist() == [1 + 1 + 1] * 8 + [1 + 3 + 1] * 12
    )  # clean, search, then: the verification or the last iterate


def test_infinite_logits_are_refused_where_none_is_adversarial():
    network, images = oracles.softplus(), oracles.images(4)
    labels = network(images).argmax(1)

    def classifier(inputs):
        logits = network(inputs)
        return (
            logits
            if torch.equal(inputs, images)
            else logits.scatter(1, logits.argmin(1, keepdim=True), -torch.inf)
        )

    with pytest.raises(ValueError, match="NaN or infinite logits"):
        PGD(eps=1e-6, steps=3)(classifier, images, Untargeted(labels))


def test_l1_reaches_the_boundary_of_an_affine_classifier():
    affine, images = oracles.Affine(classes=2), oracles.images(40, spread=0.1)
    labels = Untargeted(affine(images).argmax(1))
    exact = affine.margins(images, "l1")
    far = exact < 0.4  # one pixel has room enough: the distance without the box is the one inside
    for eps in (0.1, 0.3):
        found = PGD(eps=eps, norm="l1", steps=100)(affine, images, labels).found
        assert not found[exact > eps].any()
        assert found[far & (exact < eps / 1.05)].all()


def test_l1_moves_few_pixels_and_none_out_of_the_box():
    network, images = oracles.relu(shape=(1, 20, 20)), oracles.images(10, (1, 20, 20)).round()
    tries = PGD(eps=2.0, norm="l1", steps=1, relative_step=1.0, random_start=False).climb(
        network, images, Untargeted(network(images).argmax(1)), Randomness(0, torch.arange(10))
    )
    moved = (tries.images != images).flatten(1).sum(1)
    assert (moved == 4).all()  # the hundredth of 400
    torch.testing.assert_close(
        norms.L1.size(tries.images - images), torch.full((10,), 2.0, dtype=torch.float64)
    )


def test_movable_leaves_out_what_the_box_stops():
    gradient, images = (
        torch.tensor([[1.0, -1.0, 1.0, -1.0, 2.0]]),
        torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.5]]),
    )
    assert torch.equal(free_gradient(gradient, images), torch.tensor([[0.0, -1.0, 1.0, 0.0, 2.0]]))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_project_keeps_ball_and_box(norm):
    center = oracles.images(20).round(decimals=1)
    ball = Ball.of(norms.norm_by_name(norm), center, torch.full((20,), 0.7, dtype=center.dtype))
    moved = ball.project(center + 3 * (oracles.images(20, seed=1) - 0.5))
    assert (norms.norm_by_name(norm).size(moved - center) <= 0.7 * (1 + 1e-9)).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    torch.testing.assert_close(ball.project(moved), moved)
