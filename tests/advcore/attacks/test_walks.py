"""DDN, FMN, Carlini and Wagner: close to the exact margins in the box whatever the logits' scale;
steps, radii and refusals.
"""

import boxed
import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Targeted, Untargeted, norms
from advcore.attacks import DDN, FMN, CarliniWagner, Status, l0
from advcore.attacks.attack import norm_of
from advcore.attacks.ddn import soft_margin

inf = float("inf")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DDN(steps=1), "steps must be at least 2"),
        (lambda: FMN(steps=1), "steps must be at least 2"),
        (lambda: CarliniWagner(steps=1), "steps must be at least 2"),
        (lambda: DDN(init_norm=0.0), "init_norm must be positive and finite; got 0.0"),
        (lambda: DDN(spread=inf), "spread must be positive and finite; got inf"),
        (lambda: DDN(gamma=1.0), "gamma must lie between 0 and 1"),
        (lambda: DDN(levels=1), "levels must be at least 2, and need box=True; got levels=1"),
        (lambda: DDN(levels=256, box=False), "levels must be at least 2, and need box=True"),
        (lambda: FMN(norm="l3"), "norm must be one of l0, l1, l2, linf; got 'l3'"),
        (lambda: FMN(gamma=0.01, last_gamma=0.02), "0 < last_gamma <= gamma < 1 is needed"),
        (lambda: FMN(step=-1.0), "step must be positive and finite; got -1.0"),
        (lambda: FMN(last_step=float("nan")), "last_step must be positive and finite; got nan"),
        (lambda: CarliniWagner(searches=0), "searches must be at least 1; got 0"),
        (lambda: CarliniWagner(weight=0.0), "weight must be positive and finite; got 0.0"),
        (
            lambda: CarliniWagner(confidence=-1.0),
            "confidence must be finite and not negative; got -1.0",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def _ratios(attack, classes, scale, in_box, least=0.05):
    """Found over exact norms, of the samples that are not on the boundary already: a walk's
    resolution is absolute.
    """
    affine, images = boxed.problem(classes, scale, in_box)
    result = attack(affine, images, Untargeted(affine(images).argmax(1)))
    assert result.found.all()
    exact = boxed.margins(affine, images, norm_of(attack), in_box)
    return (result.distance.double() / exact)[exact > least]


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(
    ("attack", "median", "largest"),
    [
        (DDN(spread=20.0), 1.003, 1.06),
        (FMN(), 1.001, 1.06),
        (FMN(norm="linf"), 1.001, 1.1),
        (FMN(norm="l1"), 1.003, 1.25),
        (FMN(norm="l0"), 1.0, 1.0),
    ],
    ids=repr,
)
def test_walks_are_close_to_the_exact_margin_in_the_box(attack, median, largest, classes, scale):
    ratios = _ratios(attack, classes, scale, True, 0.05 if attack.norm != "linf" else 0.005)
    assert ratios.min() >= 1 - 1e-4
    assert ratios.median() <= median
    assert ratios.max() <= largest


@pytest.mark.parametrize(
    "attack", [DDN(spread=20.0, box=False), FMN(box=False), FMN(norm="l1", box=False)], ids=repr
)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_walks_are_close_to_the_exact_margin_without_a_box(attack, scale):
    assert _ratios(attack, 10, scale, False, 0.02).median() <= 1.003


@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_carlini_wagner_is_close_to_the_exact_margin_whatever_the_scale(scale):
    ratios = _ratios(CarliniWagner(steps=300, searches=8, weight=0.001), 3, scale, True)
    assert ratios.median() <= 1.005
    assert ratios.max() <= 1.1


@pytest.mark.parametrize("goal", [Untargeted, Targeted])
def test_the_soft_margin_points_where_the_cross_entropy_does(goal):
    logits = 3 * torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    leaf, classes = logits.requires_grad_(), torch.arange(6) % 5
    sign = 1 if goal is Untargeted else -1
    published = torch.autograd.grad(sign * F.cross_entropy(leaf, classes, reduction="sum"), leaf)[0]
    ours = torch.autograd.grad(soft_margin(leaf, goal(classes)).sum(), leaf)[0]
    probability = logits.softmax(1).gather(1, classes[:, None])
    torch.testing.assert_close((1 - probability) * ours, published)


def test_ddn_finds_its_way_where_the_cross_entropy_underflows():
    affine, images = (
        oracles.Affine(classes=4, scale=1e5, dtype=torch.float32),
        oracles.images(20, dtype=torch.float32),
    )
    labels = affine(images).argmax(1)
    leaf = images.clone().requires_grad_()
    assert (
        (torch.autograd.grad(F.cross_entropy(affine(leaf), labels, reduction="sum"), leaf)[0] == 0)
        .flatten(1)
        .all(1)
        .any()
    )
    assert DDN()(affine, images, Untargeted(labels)).found.all()


def test_ddn_with_levels_ends_on_them():
    network, images = oracles.relu(), (oracles.images(8) * 7).round() / 7
    result = DDN(levels=8)(network, images, Untargeted(network(images).argmax(1)))
    assert result.found.any()
    torch.testing.assert_close(result.images * 7, (result.images * 7).round())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_ddn_with_spread_does_not_see_the_scale(scale):
    network, images = oracles.relu(), oracles.images(8)
    labels = Untargeted(network(images).argmax(1))
    plain = DDN(spread=20.0)(network, images, labels)
    scaled = DDN(spread=20.0)(lambda inputs: scale * network(inputs), images, labels)
    torch.testing.assert_close(scaled.distance, plain.distance)


@pytest.mark.parametrize("norm", ["l0", "l1", "l2", "linf"])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_fmn_does_not_see_the_scale(norm, scale):
    network, images = oracles.relu(), oracles.images(8)
    labels = Untargeted(network(images).argmax(1))
    scaled = FMN(norm=norm)(lambda inputs: scale * network(inputs), images, labels)
    torch.testing.assert_close(
        scaled.distance, FMN(norm=norm)(network, images, labels).distance, rtol=1e-3, atol=0
    )


@pytest.mark.parametrize("attack", [DDN(), FMN(), FMN(norm="l0")], ids=repr)
def test_walks_keep_the_shortest_adversarial_iterate(attack):
    network, images = oracles.softplus(), oracles.images(8)
    criterion, seen = Untargeted(network(images).argmax(1)), []

    def spy(inputs):
        seen.append(inputs.detach())
        return network(inputs)

    result = attack(spy, images, criterion)
    sizes = [
        l0.size_by_name(attack.norm)
        .size(at - images)
        .masked_fill(~criterion.holds(network(at)), inf)
        for at in seen[1:-1]
    ]
    assert result.found.all()
    torch.testing.assert_close(result.distance, torch.stack(sizes).amin(0))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_fmn_crosses_a_far_boundary_in_two_steps(norm):
    """From the linearised distance and a little more: not by growing from nothing."""
    affine, images = oracles.Affine(classes=2), oracles.images(20, spread=0.3)
    result = FMN(norm=norm, steps=2, box=False)(
        affine, images, Untargeted(affine(images).argmax(1))
    )
    assert result.found.all()
    torch.testing.assert_close(
        result.distance, 1.05 * affine.margins(images, norm), rtol=1e-6, atol=0
    )


def test_carlini_wagner_starts_on_the_faces_of_the_box():
    affine, images = oracles.Affine(classes=2), (oracles.images(10) > 0.5).double()
    attack = CarliniWagner(steps=200, searches=6, learning_rate=0.05, weight=0.1)
    result = attack(affine, images, Untargeted(affine(images).argmax(1)))
    assert result.found.all()
    assert (result.distance / boxed.margins(affine, images, "l2")).median() <= 1.001


def test_carlini_wagner_with_confidence_leads_by_it():
    network, images = oracles.relu(), oracles.images(10)
    labels = network(images).argmax(1)
    result = CarliniWagner(steps=60, searches=4, learning_rate=0.05, weight=0.1, confidence=0.5)(
        network, images, Untargeted(labels)
    )
    logits = network(result.images)
    own = logits.gather(1, labels[:, None])
    assert result.found.any()
    assert ((logits - own).amax(1) >= 0.5)[result.found].all()


def test_carlini_wagner_leaves_early_at_little_loss():
    network, images = oracles.relu(), oracles.images(10)
    criterion = Untargeted(network(images).argmax(1))
    patient, early = (
        CarliniWagner(steps=100, searches=4, weight=0.1, abort_early=early)(
            network, images, criterion
        )
        for early in (False, True)
    )
    assert (patient.gradients == 400).all()
    assert (early.gradients < 400).all()
    assert torch.equal(early.found, patient.found)
    assert (early.distance / patient.distance)[early.found].median() < 1.01


def test_what_no_weight_breaks_is_censored():
    network, images = oracles.relu(), oracles.images(10)
    result = CarliniWagner(steps=5, searches=1, weight=1e-9)(
        network, images, Untargeted(network(images).argmax(1))
    )
    assert (result.status == Status.FAILED).all()


def test_keep_best_is_the_closest_point_of_box_and_l0_ball():
    """Against all supports."""
    generator = torch.Generator().manual_seed(0)
    r = 3 * torch.randn(30, 1, 2, 3, dtype=torch.float64, generator=generator)
    low, high = (
        -torch.rand(r.shape, dtype=r.dtype, generator=generator),
        torch.rand(r.shape, dtype=r.dtype, generator=generator),
    )
    count = torch.arange(30) % 7
    found = l0.keep_best(r, count.double(), low, high)
    masks = torch.tensor(
        [[bool(number >> bit & 1) for bit in range(6)] for number in range(64)]
    ).view(64, 1, 1, 2, 3)
    errors = (r.clamp(low, high) * masks - r).flatten(2).square().sum(2)
    allowed = masks.flatten(1).sum(1)[:, None] <= count
    torch.testing.assert_close(
        (found - r).flatten(1).square().sum(1), errors.masked_fill(~allowed, inf).amin(0)
    )
    assert (l0.L0.size(found) <= count).all()
    assert (found >= low).all()
    assert (found <= high).all()


def test_l0_projection_keeps_the_largest_of_each_sample():
    r = torch.tensor([[[[3.0, -5.0, 1.0, 4.0]]], [[[3.0, -5.0, 1.0, 4.0]]]])
    kept = l0.L0.project(r, torch.tensor([1.0, 3.0]))
    assert kept.flatten(1).tolist() == [[0, -5, 0, 0], [3, -5, 0, 4]]
    assert torch.equal(
        l0.L0.project(r, 2), torch.tensor([[[[0, -5.0, 0, 4.0]]]]).expand(2, -1, -1, -1)
    )


def test_l0_counts_coordinates_and_pixels_count_pixels():
    r = torch.zeros(2, 3, 2, 2)
    r[0, :, 0, 0] = 1
    r[1, 0, 0, 1], r[1, 2, 1, 1] = -1, 1e-9
    assert l0.size_by_name("l0").size(r).tolist() == [3, 2]
    assert l0.size_by_name("pixels").size(r).tolist() == [1, 2]
    assert l0.size_by_name("l2") is norms.L2
    with pytest.raises(ValueError, match="norm must be one of"):
        l0.size_by_name("l7")


@pytest.mark.parametrize(
    "ask", [lambda: l0.L0.dual(torch.ones(1, 2)), lambda: l0.L0.random(None, (1,), 1.0)]
)
def test_what_l0_has_not_is_said(ask):
    with pytest.raises(ValueError, match="l0 has no"):
        ask()


def test_fewest_counts_the_coordinates_that_a_gap_needs():
    gains = torch.tensor([[1.0, 4.0, 2.0]]).expand(4, -1)
    assert l0.fewest(gains, torch.tensor([3.0, 4.0, 6.5, 9.0])).tolist() == [1, 1, 3, 3]
