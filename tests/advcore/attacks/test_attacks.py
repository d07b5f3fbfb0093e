"""What every attack must do."""

from functools import cache

import oracles
import pytest
import torch
from attack_table import (
    ATTACKS,
    COUNT,
    GRADIENT_FREE,
    LABELS,
    every_attack,
    every_kind,
    in_box,
    run,
)
from torch import Tensor, nn

from advcore import Targeted, Untargeted, attacks
from advcore.attacks import (
    FGSM,
    PGD,
    Bisected,
    DeepFool,
    Status,
    kind_and_norm,
    l0,
)
from advcore.attacks.attack import has_budget, norm_of


def _assert_consistent(attack, classifier, images, criterion, result) -> None:
    """The record agrees with itself, with a forward pass of its images, with the ball and with the
    box.
    """
    norm = l0.size_by_name(norm_of(attack))
    assert torch.equal(criterion.holds(classifier(result.images)), result.found)
    assert torch.equal(result.found, result.status < Status.ROBUST)
    assert torch.equal(torch.isfinite(result.distance), result.found)
    torch.testing.assert_close(
        result.distance[result.found], norm.size(result.images - images)[result.found]
    )
    assert not result.images.requires_grad
    assert result.images.dtype == images.dtype
    if has_budget(attack):
        assert (norm.size(result.images - images) <= attack.eps * (1 + 1e-6)).all()
    if in_box(attack):
        assert result.images.min() >= 0
        assert result.images.max() <= 1


@cache
def _undisturbed(attack):
    """What an attack finds on the network of most tests here."""
    return run(attack, oracles.relu(), oracles.images(COUNT), Untargeted(LABELS))


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


def test_every_named_attack_is_in_the_table() -> None:
    """But those without a norm, of inputs of 0 and 1 alone, or of a fit, which have tests of their
    own.
    """
    missing = set(attacks.ATTACKS.values()) - {type(attack) for attack in ATTACKS} - {attacks.LPA}
    missing -= {attacks.GridSearch, attacks.Greedy, attacks.Enumeration, attacks.ShortestPath}
    missing -= {attacks.NearestUnlike}
    assert not missing, "give each a line in tests/attack_table.py"


@every_attack
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
@pytest.mark.parametrize("network", [oracles.relu(), oracles.softplus()], ids=["relu", "softplus"])
def test_results_are_verified_inside_box_and_ball(attack, goal, network):
    images = oracles.images(COUNT).round(decimals=1)  # some pixels are on the faces of the box
    criterion = goal(LABELS)
    result = run(attack, network, images, criterion)
    _assert_consistent(attack, network, images, criterion, result)
    assert (result.status == Status.BROKEN).any()
    already = criterion.holds(network(images))
    assert already.any()
    assert torch.equal(result.status == Status.ALREADY_WRONG, already)


@every_kind
@pytest.mark.parametrize(
    ("classes", "shape", "count", "dtype"),
    [
        (2, (1, 4, 4), 5, torch.float64), (3, (1, 1, 1), 5, torch.float64),
        (3, (2, 1, 1), 4, torch.float32),
        (4, (3, 4, 4), 1, torch.float64), (12, (1, 3, 5), 4, torch.float32),
    ],
)  # fmt: skip
def test_shapes_classes_and_dtypes(attack, classes, shape, count, dtype):
    network = oracles.relu(classes=classes, shape=shape, dtype=dtype)
    images = oracles.images(count, shape, dtype)
    criterion = Untargeted(network(images).argmax(1))
    _assert_consistent(attack, network, images, criterion, run(attack, network, images, criterion))


@every_kind
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
def test_already_adversarial_samples_are_untouched(attack, goal):
    network, images = oracles.relu(), oracles.images(COUNT)
    prediction = network(images).argmax(1)
    result = run(
        attack,
        network,
        images,
        goal(prediction) if goal is Targeted else goal((prediction + 1) % 4),
    )
    assert torch.equal(result.images, images)
    assert result.found.all()
    assert (result.status == Status.ALREADY_WRONG).all()
    assert (result.distance == 0).all()
    assert (result.queries == 1).all()
    assert (result.gradients == 0).all()


@every_kind
@pytest.mark.parametrize(
    ("logits", "plain"),
    [
        ((1.0, 0.5), False),
        ((2.0, 0.5, -1.0), False),
        ((2.0, 0.5, -1.0), True),
        ((0.0, 0.0, 0.0), False),
    ],
    ids=["2-module", "3-module", "3-callable", "equal-module"],
)
def test_a_constant_classifier_is_never_broken(attack, logits, plain):
    constant = oracles.Constant(*logits)
    images = oracles.images(3)
    result = run(
        attack,
        constant.forward if plain else constant,
        images,
        Untargeted(torch.zeros(3, dtype=torch.int64)),
    )
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
        run(attack, broken, images)


@every_attack
def test_a_row_does_not_depend_on_its_batch(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    whole = _undisturbed(attack)
    for row in range(0, COUNT, 3):  # of each label one
        index = torch.tensor([row])
        alone = run(attack, network, images[index], criterion.take(index), index)
        torch.testing.assert_close(alone.images, whole.images[index], rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(alone.distance, whole.distance[index], rtol=1e-6, atol=1e-8)
        for name in ("found", "status", "queries", "gradients"):
            assert torch.equal(getattr(alone, name), getattr(whole, name)[index])


@every_attack
def test_permuting_the_batch_permutes_the_rows(attack):
    network, images, criterion = oracles.relu(), oracles.images(COUNT), Untargeted(LABELS)
    whole = _undisturbed(attack)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    permuted = run(attack, network, images[order], criterion.take(order), order)
    torch.testing.assert_close(permuted.images, whole.images[order], rtol=1e-6, atol=1e-8)
    assert torch.equal(permuted.status, whole.status[order])


@every_kind
def test_without_randomness_the_place_in_the_batch_keys_it(attack):
    result = attack(oracles.relu(), oracles.images(COUNT), Untargeted(LABELS))
    assert torch.equal(result.images, _undisturbed(attack).images)


@every_kind
def test_non_contiguous_images(attack):
    network, images = oracles.relu(shape=(2, 4, 4)), oracles.images(5, (2, 4, 4))
    contiguous = run(attack, network, images)
    for layout in (
        images.to(memory_format=torch.channels_last),
        images.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        assert not layout.is_contiguous()
        torch.testing.assert_close(run(attack, network, layout).images, contiguous.images)


@every_kind
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


@every_kind
def test_works_where_gradients_are_off(attack):
    with torch.no_grad():
        result = run(attack, oracles.relu(), oracles.images(COUNT), Untargeted(LABELS))
    assert torch.equal(result.images, _undisturbed(attack).images)


@every_attack
def test_every_image_sent_forward_is_counted(attack):
    network = Counting(oracles.relu())
    result = attack(network, oracles.images(COUNT), Untargeted(LABELS))
    assert result.queries.sum() == network.images
    sees_gradients = not isinstance(attack, GRADIENT_FREE)
    assert torch.equal(
        result.gradients > 0, (result.status != Status.ALREADY_WRONG) & sees_gradients
    )


@every_kind
def test_unpacks_as_foolbox_does(attack):
    result = run(attack, oracles.relu(), oracles.images(4))
    raw, clipped, success = result
    assert raw is result.images
    assert torch.equal(clipped, raw.clamp(0, 1))
    assert success is result.found


@every_kind
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
    if match.startswith("must lie") and not in_box(attack):
        images = images.unsqueeze(1).repeat(
            1, 1, 1, 1, 1
        )  # anything finite may be a coordinate; the labels are checked still
        labels, match = [0], "labels must be whole numbers"
    with pytest.raises(ValueError, match=match):
        attack(oracles.relu(), images, Untargeted(torch.tensor(labels)))


@every_kind
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


def test_names():
    assert [kind_and_norm(attack) for attack in (FGSM(), PGD(norm="l2"), Bisected(DeepFool()))] == [
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
