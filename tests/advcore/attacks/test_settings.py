"""What an attack refuses, and what is its own: steps, starts, the linearisation point."""

from dataclasses import dataclass

import oracles
import pytest
import torch

from advcore import Randomness, Targeted, Untargeted, norms
from advcore.attacks import FGSM, FMN, PGD, Adversarial, Bisected, DeepFool, Status, bisect
from advcore.attacks.linearisation import closest


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DeepFool(norm="l3"), "norm must be one of l1, l2, linf; got 'l3'"),
        (lambda: PGD(norm="l3"), "norm must be one of"),
        (lambda: FGSM(norm="l3"), "norm must be one of l2, linf; got 'l3'"),
        (lambda: FGSM(norm="l1"), "norm must be one of l2, linf; got 'l1'"),
        (lambda: PGD(objective="hinge"), "objective must be one of"),
        (lambda: DeepFool(steps=0), "steps must be at least 1; got 0"),
        (lambda: DeepFool(classes=0), "classes must be at least 1; got 0"),
        (lambda: DeepFool(overshoot=-0.1), "overshoot must not be negative; got -0.1"),
        (lambda: DeepFool(least_step=float("nan")), "least_step must not be negative; got nan"),
        (lambda: Bisected(DeepFool(), steps=0), "steps must be at least 1; got 0"),
        (lambda: Bisected(PGD()), "bisected wraps a minimal-norm attack"),
        (lambda: Bisected(FMN(norm="l0")), "norm must be one of"),
        (lambda: PGD(eps=-1), "eps must not be negative, in pixel units; got -1"),
        (lambda: FGSM(eps=-1.0), "eps must not be negative, in pixel units; got -1.0"),
        (lambda: PGD(eps=float("nan")), "eps must not be negative"),
        (lambda: PGD(steps=0), "steps must be at least 1; got 0"),
        (lambda: PGD(steps=3, relative_step=0.1), "3 steps of 0.1 eps cannot reach eps"),
        (lambda: PGD(relative_step=-1.0), "cannot reach eps"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("attack", [PGD(), FGSM()])
def test_an_attack_without_eps_asks_for_it(attack):
    images = oracles.images(2)
    with pytest.raises(ValueError, match="needs eps, a radius in pixel units"):
        attack(oracles.relu(), images, Untargeted(oracles.relu()(images).argmax(1)))


@pytest.mark.parametrize("steps", [1, 7, 40, 49, 1000])
def test_steps_that_just_reach_eps_are_enough(steps):
    assert PGD(steps=steps, relative_step=1 / steps).step == 1 / steps
    assert PGD(steps=steps).step == 2.5 / steps


@pytest.mark.parametrize("goal", [Untargeted, Targeted])
@pytest.mark.parametrize("classes", [2, 3])
def test_logit_ratio_with_few_classes(classes, goal):
    network, images = oracles.relu(classes=classes), oracles.images(30)
    prediction = network(images).argmax(1)
    criterion = (
        Untargeted(prediction) if goal is Untargeted else Targeted((prediction + 1) % classes)
    )
    result = PGD(eps=0.3, objective="logit_ratio")(network, images, criterion)
    assert result.found.any()
    assert torch.equal(
        result.found, PGD(eps=0.3, objective="logit_margin")(network, images, criterion).found
    )


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_fgsm_is_one_step_along_the_steepest_direction(norm):
    network, images = oracles.relu(), oracles.images(6, spread=0.5)
    labels = network(images).argmax(1)
    leaf = images.clone().requires_grad_()
    gradient = torch.autograd.grad(torch.nn.functional.cross_entropy(network(leaf), labels), leaf)[
        0
    ]
    result = FGSM(eps=0.2, norm=norm)(network, images, Untargeted(labels))
    torch.testing.assert_close(
        result.images, images + 0.2 * norms.norm_by_name(norm).steepest(gradient)
    )


@pytest.mark.parametrize(
    "attack", [PGD(eps=0.05, steps=3), PGD(eps=0.2, norm="l2", steps=3)], ids=repr
)
def test_pgd_starts_at_a_random_point_of_the_ball(attack):
    """A classifier that does not look at the image leaves PGD at its start."""
    images = oracles.images(50, dtype=torch.float32, spread=0.5)
    still = oracles.Constant(1.0, 0.5, dtype=torch.float32)
    labels = Untargeted(torch.zeros(50, dtype=torch.int64))
    starts = [
        attack(still, images, labels, Randomness(seed, torch.arange(50))).images - images
        for seed in (0, 0, 1)
    ]
    sizes = norms.norm_by_name(attack.norm).size(starts[0])
    assert attack.eps * 0.9 < sizes.max() <= attack.eps * (1 + 1e-5)
    assert torch.equal(starts[0], starts[1])
    assert not torch.isclose(starts[0], starts[2]).all(1).any()
    unmoved = PGD(eps=0.05, random_start=False)(still, images, labels)
    assert torch.equal(unmoved.images, images)


def test_climb_makes_all_steps_on_all_samples():
    network, images = oracles.relu(), oracles.images(6)
    wrong = Untargeted((network(images).argmax(1) + 1) % 4)
    tries = PGD(eps=0.1, steps=7).climb(network, images, wrong, Randomness(0, torch.arange(6)))
    assert (tries.queries == 7).all()
    assert (tries.gradients == 7).all()
    assert not torch.isclose(tries.images, images).flatten(1).all(1).any()


def test_pgd_stops_at_the_first_adversarial_iterate():
    affine, images = oracles.Affine(classes=2), oracles.images(10, spread=0.2)
    eps = 10 * affine.margins(images).max().item()
    result = PGD(eps=eps, norm="l2", random_start=False)(
        affine, images, Untargeted(affine(images).argmax(1))
    )
    assert (result.status == Status.BROKEN).all()
    assert result.gradients.max() < 5


def test_deepfool_linearises_without_the_overshoot():
    """From outside a sphere DeepFool makes Newton's steps on d^2 - r^2; stretched ones would end
    closer.
    """
    center, image = (
        torch.full((1, 2, 2), 0.5, dtype=torch.float64),
        torch.ones(1, 1, 2, 2, dtype=torch.float64),
    )
    radius, distance, steps = 0.2, 1.0, 0
    while 1.0 - 1.02 * (1.0 - distance) > radius:
        distance -= (distance**2 - radius**2) / (2 * distance)
        steps += 1
    result = DeepFool(box=False)(
        oracles.Sphere(radius, center), image, Untargeted(torch.tensor([1]))
    )
    assert result.gradients.item() == steps > 2
    assert result.distance.item() == pytest.approx(1.02 * (1.0 - distance))


def test_deepfool_looks_at_its_likeliest_classes_only():
    affine, images = oracles.Affine(classes=10), oracles.images(30, spread=0.3)
    labels = affine(images).argmax(1)
    result = DeepFool(classes=1)(affine, images, Untargeted(labels))
    second = affine(images).topk(2).indices[:, 1]
    toward_second = 1.02 * affine.distances(images).gather(1, second[:, None])[:, 0]
    assert (result.gradients == 2).all()  # one step, and the look that shows how near it came
    torch.testing.assert_close(result.distance, toward_second)
    assert (
        result.distance >= DeepFool()(affine, images, Untargeted(labels)).distance * (1 - 1e-9)
    ).all()


def test_deepfool_draws_back_inside_the_box_what_took_more_than_one_step():
    network, images = oracles.relu(), oracles.images(40, spread=0.7)
    criterion = Untargeted(network(images).argmax(1))
    boxed, free = (
        DeepFool()(network, images, criterion),
        DeepFool(box=False)(network, images, criterion),
    )
    same = (free.images >= 0).flatten(1).all(1) & (free.images <= 1).flatten(1).all(1)
    first = closest(norms.L2, network, images, criterion, 3)
    several = ~torch.isclose(free.distance, 1.02 * first.gap / first.length)
    assert (boxed.distance < free.distance)[same & several].all()
    torch.testing.assert_close(
        boxed.distance[same & ~several], free.distance[same & ~several], rtol=1e-9, atol=0
    )
    assert (same & several).sum() > 5
    assert (same & ~several).sum() > 5


def test_deepfool_passes_by_a_class_that_is_always_tied():
    affine, images = oracles.Affine(classes=2), oracles.images(10, spread=0.3)
    images = images[affine(images).argmax(1) == 0]

    def classifier(inputs):
        return affine(inputs)[:, [0, 0, 1]]

    result = DeepFool()(classifier, images, Untargeted(torch.zeros(len(images), dtype=torch.int64)))
    torch.testing.assert_close(result.distance, 1.02 * affine.margins(images))


def test_deepfool_takes_the_least_step_at_the_boundary():
    affine = oracles.Affine(classes=2)
    start = oracles.images(5, spread=0.2)
    labels = affine(start).argmax(1)
    edge = start + (1 - 1e-9) * (
        DeepFool(overshoot=0.0, least_step=0.0, steps=1)(affine, start, Untargeted(labels)).images
        - start
    )
    result = DeepFool()(affine, edge, Untargeted(labels))
    torch.testing.assert_close(result.distance, torch.full((5,), 1.02e-4, dtype=torch.float64))


def test_deepfool_in_a_box_that_cuts_its_way():
    affine, images = oracles.Affine(classes=2), oracles.images(20, spread=1.0)
    images = (images > 0.5).double()  # corners: half of all directions are closed
    labels = Untargeted(affine(images).argmax(1))
    boxed, free = DeepFool()(affine, images, labels), DeepFool(box=False)(affine, images, labels)
    assert boxed.images.min() >= 0
    assert boxed.images.max() <= 1
    assert boxed.found.any()
    assert (boxed.distance >= free.distance * (1 - 1e-9)).all()


def test_failed_deepfool_is_censored_not_reported():
    network, images = oracles.softplus(), oracles.images(8)
    result = DeepFool(steps=1, overshoot=0.0)(
        network, images, Untargeted(network(images).argmax(1))
    )
    failed = result.status == Status.FAILED
    assert failed.any()
    assert torch.isinf(result.distance[failed]).all()


def test_bisect_finds_the_crossing():
    affine, inside = oracles.Affine(classes=2), oracles.images(10, spread=0.2)
    criterion = Untargeted(affine(inside).argmax(1))
    outside = DeepFool(overshoot=1.0, box=False)(affine, inside, criterion).images
    share = bisect(affine, inside, outside, criterion, steps=30)
    torch.testing.assert_close(
        share, torch.full((10,), 0.5, dtype=torch.float64), rtol=0, atol=2**-29
    )
    one_step = bisect(affine, inside, outside, criterion, steps=1)
    assert ((one_step == 0.5) | (one_step == 1)).all()


def test_bisect_keeps_the_very_image_where_nothing_can_be_shortened():
    """Single precision, where `a + (b - a)` is not always b: the end of the segment is adversarial,
    all before it is not.
    """
    inside, outside = (
        oracles.images(500, dtype=torch.float32),
        oracles.images(500, dtype=torch.float32, seed=1),
    )

    @dataclass(frozen=True)
    class Given:
        norm: str = "l2"

        def __call__(self, classifier, images, criterion, randomness=None):
            ones = torch.ones(len(images), dtype=torch.int64)
            distance = norms.L2.size(outside - images)
            return Adversarial(outside, ones.bool(), distance, ones * Status.BROKEN, ones, ones)

    def classifier(images):
        there = (images == outside).flatten(1).all(1).float()
        return torch.stack([1 - 2 * there, torch.zeros(len(images))], 1)

    result = Bisected(Given(), steps=5)(
        classifier, inside, Untargeted(torch.zeros(500, dtype=torch.int64))
    )
    assert torch.equal(result.images, outside)


def test_bisect_does_not_take_nan_for_adversarial():
    def classifier(images):
        value = images.flatten(1).sum(1) - 0.75
        return torch.stack(
            [torch.where(value.abs() < 0.2, torch.nan, -value), torch.zeros_like(value)], 1
        )

    ends = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    assert bisect(classifier, *ends, Untargeted(torch.tensor([0]))).item() == pytest.approx(
        0.95, abs=1e-5
    )


@pytest.mark.parametrize("attack", [DeepFool(), Bisected(DeepFool())], ids=repr)
def test_targeted_minimal_norm_reaches_its_target(attack):
    network, images = oracles.relu(), oracles.images(8)
    targets = (network(images).argmax(1) + 1) % 4
    result = attack(network, images, Targeted(targets))
    assert torch.equal(network(result.images).argmax(1)[result.found], targets[result.found])
    assert result.found.any()
