"""The Lagrangian perceptual attack, on small convolutions and where the way is known."""

import pytest
import torch
from torch import nn

from advcore import Randomness, Untargeted
from advcore.attacks import LPA, Status
from advcore.threats import Feature

COUNT = 12


def network() -> nn.Module:
    torch.manual_seed(5)
    layers = [nn.Conv2d(1, 6, 3), nn.Softplus(), nn.Flatten(), nn.Linear(6 * 36, 4)]
    return nn.Sequential(*layers).eval()


def pictures() -> torch.Tensor:
    torch.manual_seed(2)
    return 0.2 + 0.6 * torch.rand(COUNT, 1, 8, 8)


def attacked(attack: LPA, count: int = COUNT):
    classifier, images = network(), pictures()[:count]
    labels = classifier(images).argmax(1)
    noise = Randomness(0, torch.arange(count))
    return attack(classifier, images, Untargeted(labels), noise), images


def distance(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    region = Feature().around(images, torch.ones(len(images)), network())
    return region.size(others)


def test_it_finds_inside_only_and_more_with_more_eps() -> None:
    few, images = attacked(LPA(eps=0.05))
    many, _ = attacked(LPA(eps=0.4))
    for result, eps in ((few, 0.05), (many, 0.4)):
        size = distance(images, result.images)
        assert (size <= eps * (1 + 1e-4)).all()
        torch.testing.assert_close(result.distance[result.found], size[result.found])
        predicted = network()(result.images).argmax(1)
        assert ((predicted != network()(images).argmax(1)) == result.found).all()
        assert set(result.status.tolist()) <= {Status.BROKEN, Status.ROBUST}
        assert (result.images >= 0).all()
        assert (result.images <= 1).all()
    assert few.found.sum() < many.found.sum()
    assert many.found.all()


def test_the_gradient_is_of_margin_and_distance() -> None:
    """Against central differences in double precision."""
    classifier, images = network().double(), pictures().double()[:2]
    region = Feature().around(images, torch.full((2,), 0.1).double(), classifier)
    moved = images + 0.1 * torch.rand_like(images)

    def value(logits: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        return logits[:, 0] - 3 * sizes

    gradient, sizes, logits = region.slope(moved, value)
    torch.testing.assert_close(sizes, region.size(moved))
    torch.testing.assert_close(logits, classifier(moved).detach())
    way = torch.randn_like(moved)
    ends = [moved + step * way for step in (1e-5, -1e-5)]
    above, below = (value(classifier(end), region.size(end)) for end in ends)
    torch.testing.assert_close(
        (gradient * way).flatten(1).sum(1), ((above - below) / 2e-5).detach(), rtol=1e-5, atol=1e-7
    )


def test_a_heavy_weight_brings_a_sample_back() -> None:
    """At the first weight alone the ascent ends outside; with further rounds inside."""
    free, images = attacked(LPA(eps=0.02, rounds=1, weight=1e-9))
    held, _ = attacked(LPA(eps=0.02, rounds=5, weight=1.0))
    both = ~free.found & ~held.found
    assert both.any()
    assert (distance(images, held.images) <= 0.02 * (1 + 1e-4)).all()


def test_it_does_not_depend_on_batch_mates() -> None:
    whole, _ = attacked(LPA(eps=0.2))
    part, _ = attacked(LPA(eps=0.2), 4)
    assert torch.equal(whole.found[:4], part.found)
    torch.testing.assert_close(whole.images[:4], part.images, atol=1e-4, rtol=1e-3)


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="rounds and steps must be at least 1"):
        LPA(rounds=0)
    bare = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval()
    labels = bare(pictures()).argmax(1)
    with pytest.raises(ValueError, match="before its last one"):
        LPA(eps=0.1)(bare, pictures(), Untargeted(labels))


def test_the_step_of_ppgd_is_along_the_gradient_per_distance() -> None:
    """Against the features' Jacobian, dense, in double precision."""
    torch.manual_seed(3)
    classifier = nn.Sequential(nn.Conv2d(1, 8, 2), nn.Softplus(), nn.Flatten(), nn.Linear(72, 3))
    classifier = classifier.double().eval()
    image, gradient = 0.2 + 0.6 * torch.rand(2, 1, 4, 4).double(), torch.randn(2, 1, 4, 4).double()
    threat = Feature(conjugate_steps=60)
    region = threat.around(image, torch.ones(2).double(), classifier)
    way = region.steepest(gradient, image).flatten(1)
    for row in range(2):

        def of_one(x: torch.Tensor) -> torch.Tensor:
            outputs = classifier[0](x.view(1, 1, 4, 4))
            unit = outputs / (outputs.norm(dim=1, keepdim=True) + 1e-10)
            return unit.flatten() / 3

        jacobian = torch.autograd.functional.jacobian(of_one, image[row].flatten())
        wanted = torch.linalg.solve(jacobian.mT @ jacobian, gradient[row].flatten())
        cosine = torch.nn.functional.cosine_similarity(way[row], wanted, dim=0)
        assert cosine > 0.999
    plain = Feature().around(image, torch.ones(2).double(), classifier)
    assert not torch.allclose(plain.steepest(gradient, image).flatten(1), way, rtol=0.1)
    with pytest.raises(ValueError, match="conjugate_steps must not be negative"):
        Feature(conjugate_steps=-1)
