"""What every attack must do. A new attack is one line in the table."""

import oracles
import pytest
import torch
from torch import Tensor, nn

from advcore import Randomness, Targeted, Untargeted, norms
from advcore.attacks import (
    APGD,
    APGDT,
    DDN,
    FGSM,
    FMN,
    PGD,
    Bisected,
    CarliniWagner,
    DeepFool,
    MinimalNorm,
    Restarts,
    Rounded,
    SparseFool,
    Square,
    StandardEnsemble,
    Status,
    Within,
    Worst,
    l0,
)
from advcore.attacks.attack import attack_name, has_budget, norm_of, with_budget

ATTACKS = [
    FGSM(eps=0.1),
    FGSM(eps=0.4, norm="l2"),
    PGD(eps=0.1, steps=10),
    PGD(eps=0.4, norm="l2", steps=10),
    PGD(eps=1.0, norm="l1", steps=10),
    PGD(eps=0.4, norm="l2", steps=10, random_start=False, objective="logit_margin"),
    PGD(eps=0.4, norm="l2", steps=10, box=False),
    PGD(eps=1.0, norm="l1", steps=10, box=False),
    FGSM(eps=0.1, box=False),
    APGD(eps=1.0, norm="l1", steps=20, box=False),
    APGD(eps=0.1, steps=20, box=False),
    APGDT(eps=0.4, norm="l2", steps=10, targets=2, box=False),
    APGD(eps=0.1, steps=20),
    APGD(eps=0.4, norm="l2", steps=20, objective="logit_ratio"),
    APGD(eps=1.0, norm="l1", steps=20),
    APGDT(eps=0.1, steps=10),
    APGDT(eps=0.4, norm="l2", steps=10, targets=2),
    Square(eps=0.1, queries=200),
    Square(eps=0.4, norm="l2", queries=200),
    Restarts(PGD(eps=0.05, steps=5), 3),
    Worst((FGSM(eps=0.4, norm="l2"), Restarts(PGD(eps=0.4, norm="l2", steps=5), 2))),
    Within(DeepFool(), eps=0.4),
    StandardEnsemble(eps=0.05, steps=10, queries=100),
    StandardEnsemble(eps=0.3, norm="l2", steps=10, queries=100),
    DeepFool(),
    DeepFool(norm="linf"),
    DeepFool(box=False),
    MinimalNorm(),
    MinimalNorm(norm="linf"),
    MinimalNorm(norm="l1", box=False),
    Bisected(DeepFool(), steps=20),
    Bisected(DeepFool(norm="linf"), steps=20),
    DDN(steps=30),
    DDN(steps=30, levels=256),
    DDN(steps=30, box=False, spread=20.0),
    FMN(steps=30),
    FMN(steps=30, norm="l0"),
    FMN(steps=30, norm="l1"),
    FMN(steps=30, norm="linf"),
    FMN(steps=30, box=False),
    CarliniWagner(steps=30, searches=4, learning_rate=0.05, weight=0.1),
    CarliniWagner(steps=30, searches=4, learning_rate=0.05, weight=0.1, box=False),
    SparseFool(),
    SparseFool(norm="l0", control=3.0),
    SparseFool(norm="pixels"),
    Rounded(PGD(eps=0.1, steps=10)),
    Rounded(PGD(eps=0.4, norm="l2", steps=10), levels=64),
    Rounded(DeepFool(box=False)),
]
BUDGET = [attack for attack in ATTACKS if has_budget(attack)]
MINIMAL = [attack for attack in ATTACKS if not has_budget(attack)]
EXACT = [attack for attack in MINIMAL if isinstance(attack, DeepFool | MinimalNorm | Bisected)]
"""Those that are exact on affine classifiers; the others come close, see test_walks.py."""

every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=repr)
COUNT = 12
LABELS = torch.arange(COUNT) % 4


def _run(attack, classifier, images, criterion=None, indices=None):
    criterion = criterion or Untargeted(classifier(images).argmax(1))
    return attack(classifier, images, criterion, Randomness(0, torch.arange(len(images)) if indices is None else indices))


def _in_box(attack) -> bool:
    return getattr(getattr(attack, "attack", attack), "box", True)


def _assert_consistent(attack, classifier, images, criterion, result) -> None:
    """The record agrees with itself, with a forward pass of its images, with the ball and with the box."""
    norm = l0.get(norm_of(attack))
    assert torch.equal(criterion.holds(classifier(result.images)), result.found)
    assert torch.equal(result.found, result.status < Status.ROBUST)
    assert torch.equal(torch.isfinite(result.distance), result.found)
    torch.testing.assert_close(result.distance[result.found], norm.size(result.images - images)[result.found])
    assert not result.images.requires_grad
    assert result.images.dtype == images.dtype
    if has_budget(attack):
        assert (norm.size(result.images - images) <= attack.eps * (1 + 1e-6)).all()
    if _in_box(attack):
        assert result.images.min() >= 0
        assert result.images.max() <= 1


class Counting(nn.Module):
    """Counts the images that go forward; fails at the call number `fail_at`."""

    def __init__(self, network: nn.Module, fail_at: int = -1) -> None:
        super().__init__()
        self.network, self.fail_at, self.calls, self.images = network, fail_at, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        self.images += len(images)
        if self.calls == self.fail_at:
            raise RuntimeError("out of memory")
        return self.network(images)


@every_attack
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
@pytest.mark.parametrize("network", [oracles.relu(), oracles.softplus()], ids=["relu", "softplus"])
def test_results_are_verified_inside_box_and_ball(attack, goal, network):
    images = oracles.images(COUNT).round(decimals=1)  # some pixels are on the faces of the box
    criterion = goal(LABELS)
    result = _run(attack, network, images, criterion)
    _assert_consistent(attack, network, images, criterion, result)
    assert (result.status == Status.BROKEN).any()
    already = criterion.holds(network(images))
    assert already.any()
    assert torch.equal(result.status == Status.ALREADY_WRONG, already)


@every_attack
@pytest.mark.parametrize(
    ("classes", "shape", "count", "dtype"),
    [
        (2, (1, 4, 4), 5, torch.float64), (3, (1, 1, 1), 5, torch.float64), (3, (2, 1, 1), 4, torch.float32),
        (4, (3, 4, 4), 1, torch.float64), (12, (1, 3, 5), 4, torch.float32),
    ],
)  # fmt: skip
def test_shapes_classes_and_dtypes(attack, classes, shape, count, dtype):
    network = oracles.relu(classes=classes, shape=shape, dtype=dtype)
    images = oracles.images(count, shape, dtype)
    criterion = Untargeted(network(images).argmax(1))
    _assert_consistent(attack, network, images, criterion, _run(attack, network, images, criterion))


@every_attack
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
def test_already_adversarial_samples_are_untouched(attack, goal):
    network, images = oracles.relu(), oracles.images(COUNT)
    prediction = network(images).argmax(1)
    result = _run(attack, network, images, goal(prediction) if goal is Targeted else goal((prediction + 1) % 4))
    assert torch.equal(result.images, images)
    assert result.found.all()
    assert (result.status == Status.ALREADY_WRONG).all()
    assert (result.distance == 0).all()
    assert (result.queries == 1).all()
    assert (result.gradients == 0).all()


@every_attack
@pytest.mark.parametrize("logits", [(1.0, 0.5), (2.0, 0.5, -1.0), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("plain", [False, True], ids=["module", "callable"])
def test_a_constant_classifier_is_never_broken(attack, logits, plain):
    constant = oracles.Constant(*logits)
    images = oracles.images(3)
    result = _run(attack, constant.forward if plain else constant, images, Untargeted(torch.zeros(3, dtype=torch.int64)))
    assert not result.found.any()
    assert torch.isinf(result.distance).all()
    assert torch.isfinite(result.images).all()
    assert (result.status == (Status.ROBUST if has_budget(attack) else Status.FAILED)).all()


@every_attack
def test_nan_logits_on_the_way_do_not_pass_for_adversarial(attack):
    network, images = oracles.relu(), oracles.images(4)

    def broken(inputs):
        return network(inputs) if torch.equal(inputs, images) else network(inputs) * torch.nan

    with pytest.raises(ValueError, match="NaN or infinite logits"):
        _run(attack, broken, images)


@every_attack
def test_a_row_does_not_depend_on_its_batch(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    whole = _run(attack, network, images, criterion)
    for row in range(COUNT):
        index = torch.tensor([row])
        alone = _run(attack, network, images[index], criterion.take(index), index)
        torch.testing.assert_close(alone.images, whole.images[index], rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(alone.distance, whole.distance[index], rtol=1e-6, atol=1e-8)
        for name in ("found", "status", "queries", "gradients"):
            assert torch.equal(getattr(alone, name), getattr(whole, name)[index])


@every_attack
def test_permuting_the_batch_permutes_the_rows(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    whole = _run(attack, network, images, criterion)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    permuted = _run(attack, network, images[order], criterion.take(order), order)
    torch.testing.assert_close(permuted.images, whole.images[order], rtol=1e-6, atol=1e-8)
    assert torch.equal(permuted.status, whole.status[order])


@every_attack
def test_without_randomness_the_place_in_the_batch_keys_it(attack):
    network, images = oracles.relu(), oracles.images(COUNT)
    result = attack(network, images, Untargeted(LABELS))
    assert torch.equal(result.images, _run(attack, network, images, Untargeted(LABELS)).images)


@every_attack
def test_non_contiguous_images(attack):
    network, images = oracles.relu(shape=(2, 4, 4)), oracles.images(5, (2, 4, 4))
    contiguous = _run(attack, network, images)
    for layout in (images.to(memory_format=torch.channels_last), images.transpose(2, 3).contiguous().transpose(2, 3)):
        assert not layout.is_contiguous()
        torch.testing.assert_close(_run(attack, network, layout).images, contiguous.images)


@every_attack
@pytest.mark.parametrize("fail_at", [-1, 2, 3], ids=["returns", "raises-early", "raises-late"])
def test_model_inputs_and_random_state_are_left_alone(attack, fail_at):
    network = Counting(oracles.Moody(), fail_at)
    images = oracles.images(COUNT).requires_grad_()
    labels = LABELS.clone()
    pixels, before = images.detach().clone(), oracles.state(network)
    if fail_at < 0:
        assert not attack(network, images, Untargeted(labels)).images.requires_grad
    else:
        with pytest.raises(RuntimeError, match="out of memory"):
            attack(network, images, Untargeted(labels))
    assert oracles.state(network) == before
    assert torch.equal(images, pixels)
    assert images.requires_grad
    assert images.grad is None
    assert torch.equal(labels, LABELS)


@every_attack
def test_works_where_gradients_are_off(attack):
    with torch.no_grad():
        result = _run(attack, oracles.relu(), oracles.images(COUNT))
    assert torch.equal(result.images, _run(attack, oracles.relu(), oracles.images(COUNT)).images)


@every_attack
def test_every_image_sent_forward_is_counted(attack):
    network = Counting(oracles.relu())
    result = attack(network, oracles.images(COUNT), Untargeted(LABELS))
    assert result.queries.sum() == network.images
    sees_gradients = not isinstance(attack, Square)
    assert torch.equal(result.gradients > 0, (result.status != Status.ALREADY_WRONG) & sees_gradients)


@every_attack
def test_unpacks_as_foolbox_does(attack):
    result = _run(attack, oracles.relu(), oracles.images(4))
    raw, clipped, success = result
    assert raw is result.images
    assert torch.equal(clipped, raw.clamp(0, 1))
    assert success is result.found


@every_attack
@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (torch.full((2, 1, 4, 4), 3.0, dtype=torch.float64), [0, 1], r"must lie in \[0, 1\]"),
        (oracles.images(2), [0, 4], "labels must lie in 0..3"),
        (oracles.images(2), [0], "labels must be whole numbers"),
    ],
    ids=["pixels", "classes", "count"],
)
def test_bad_input_is_refused(attack, images, labels, match):
    if match.startswith("must lie") and not _in_box(attack):
        images = images.unsqueeze(1).repeat(1, 1, 1, 1, 1)  # anything finite may be a coordinate; the labels are checked still
        labels, match = [0], "labels must be whole numbers"
    with pytest.raises(ValueError, match=match):
        attack(oracles.relu(), images, Untargeted(torch.tensor(labels)))


@every_attack
@pytest.mark.parametrize(
    ("classifier", "match"),
    [
        (oracles.Constant(0.25, 0.75), "look like probabilities"),
        (oracles.Constant(torch.nan, 0.0), "NaN or infinite logits"),
        (oracles.Constant(0.5), "K >= 2"),
    ],
)
def test_bad_logits_are_refused(attack, classifier, match):
    with pytest.raises(ValueError, match=match):
        attack(classifier, oracles.images(2), Untargeted(torch.tensor([0, 0])))


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_broken_is_monotone_in_eps_on_affine_classifiers(attack):
    affine, images = oracles.Affine(classes=2), oracles.images(40, spread=0.3)
    exact = affine.margins(images, norm_of(attack))
    before = torch.zeros(40, dtype=torch.bool)
    for eps in exact.quantile(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)).tolist():
        found = _run(with_budget(attack, eps), affine, images).found
        assert not (before & ~found).any()
        assert not found[exact > eps].any()
        before = found
    assert before.any()


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_each_sample_may_have_its_own_eps(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    small, large = attack.eps / 4, 2 * attack.eps
    index = torch.arange(COUNT)
    eps = torch.where(index % 2 == 0, small, large)
    mixed = _run(with_budget(attack, eps), network, images, criterion)
    for rows, radius in ((index[::2], small), (index[1::2], large)):
        alone = _run(with_budget(attack, radius), network, images[rows], criterion.take(rows), rows)
        torch.testing.assert_close(mixed.images[rows], alone.images, rtol=1e-6, atol=1e-8)
        assert torch.equal(mixed.status[rows], alone.status)
    assert (norms.get(norm_of(attack)).size(mixed.images - images) <= eps * (1 + 1e-6)).all()


@pytest.mark.parametrize("attack", BUDGET, ids=repr)
def test_radii_must_fit_the_samples(attack):
    with pytest.raises(ValueError, match="one radius for each sample: 12 images, but 3 radii"):
        _run(with_budget(attack, torch.full((3,), 0.1)), oracles.relu(), oracles.images(COUNT))
    with pytest.raises(ValueError, match="eps must be positive, in pixel units, one for each sample"):
        with_budget(attack, torch.tensor([0.1, 0.0]))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("objective", ["cross_entropy", "logit_margin"])
def test_pgd_breaks_an_affine_sample_where_eps_exceeds_its_distance(norm, objective):
    affine, images = oracles.Affine(classes=2), oracles.images(40, spread=0.3)
    exact = affine.margins(images, norm)
    for eps in exact.quantile(torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)).tolist():
        found = _run(PGD(eps=eps, norm=norm, objective=objective), affine, images).found
        assert found[exact < eps / 1.05].all()
        assert not found[exact > eps].any()


@pytest.mark.parametrize("attack", EXACT, ids=repr)
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_minimal_norm_attacks_are_exact_on_affine_classifiers(attack, classes, scale):
    affine, images = oracles.Affine(classes=classes, scale=scale), oracles.images(20, spread=0.3)
    result = _run(attack, affine, images)
    exact = affine.margins(images, norm_of(attack))
    assert result.found.all()
    factor = 1 + getattr(attack, "overshoot", 0)
    torch.testing.assert_close(result.distance, factor * exact, rtol=1e-4 if factor == 1 else 1e-9, atol=0)


@pytest.mark.parametrize("attack", EXACT, ids=repr)
def test_targeted_minimal_norm_attacks_are_exact_for_two_classes(attack):
    affine, images = oracles.Affine(classes=2), oracles.images(20, spread=0.3)
    result = _run(attack, affine, images, Targeted(1 - affine(images).argmax(1)))
    factor = 1 + getattr(attack, "overshoot", 0)
    torch.testing.assert_close(result.distance, factor * affine.margins(images, norm_of(attack)), rtol=1e-4, atol=0)


@pytest.mark.parametrize("attack", [DeepFool(box=False), Bisected(DeepFool(box=False), steps=20)], ids=repr)
def test_deepfool_reaches_the_sphere_from_both_sides(attack):
    center = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
    images = oracles.images(20, spread=0.9)
    sphere = oracles.Sphere((images - center).flatten(1).norm(dim=1).median().item() * 1.1, center)
    result = _run(attack, sphere, images)
    exact = sphere.margins(images)
    assert result.found.all()
    assert (result.distance >= exact * (1 - 1e-9)).all()
    if isinstance(attack, Bisected):  # its direction is radial, hence right
        torch.testing.assert_close(result.distance, exact, rtol=1e-5, atol=1e-5)
    outside = sphere(images)[:, 0] < 0  # Newton's steps come from outside and do not overshoot
    assert outside.any()
    assert not outside.all()
    assert (result.distance <= 1.02 * exact + 2e-4)[outside].all()  # 1e-4 is the shortest step


@pytest.mark.parametrize(
    ("outer", "inner"),
    [(Bisected(DeepFool(), steps=20), DeepFool()), (Bisected(DeepFool(norm="linf"), steps=20), DeepFool(norm="linf"))],
)
def test_bisected_is_never_longer_and_lies_on_the_boundary(outer, inner):
    network, images = oracles.relu(), oracles.images(COUNT)
    drawn, plain = _run(outer, network, images), _run(inner, network, images)
    assert (drawn.distance <= plain.distance * (1 + 1e-9)).all()
    assert (drawn.distance < plain.distance).any()
    inside = images + (1 - 1e-5) * (drawn.images - images)
    assert not Untargeted(network(images).argmax(1)).holds(network(inside)).any()


def test_names():
    assert [attack_name(attack) for attack in (FGSM(), PGD(norm="l2"), Bisected(DeepFool()))] == [
        "fgsm-linf",
        "pgd-l2",
        "bisected-deepfool-l2",
    ]
    assert norm_of(Bisected(DeepFool(norm="linf"))) == "linf"
    assert has_budget(PGD())
    assert not has_budget(Bisected(DeepFool()))


def test_attacks_are_values():
    assert DeepFool() == DeepFool()
    assert len({PGD(eps=0.1), PGD(eps=0.1), PGD(eps=0.2)}) == 2
