"""What comes in as people have it: labels, images, callables, modes of torch."""

import numpy as np
import oracles
import pytest
import torch
from attack_table import ATTACKS, GRADIENT_FREE, every_kind, run
from torch import nn
from traits import normed, small

from advcore import Normalized, Randomness, Targeted, Untargeted
from advcore.attacks import PGD, DeepFool
from advcore.classifier import frozen, mixes_rows, predict
from advcore.curvature import (
    boundary_points,
    cross_entropy_of,
    eigenprofile,
    input_hessian,
    landscape,
)
from advcore.modules import modules_of
from advcore.robust_accuracy import attack_over

IMAGES = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(3))
NETWORK = small()
LABELS = predict(NETWORK, IMAGES)


@pytest.mark.parametrize(
    "make",
    [
        np.array,
        list,
        lambda labels: torch.tensor(labels).to(torch.uint8),
        lambda x: np.array(x, np.int32),
    ],
)
def test_labels_of_any_kind(make):
    labels = make(LABELS.tolist())
    expected = DeepFool()(NETWORK, IMAGES, Untargeted(LABELS))
    assert torch.equal(DeepFool()(NETWORK, IMAGES, Untargeted(labels)).distance, expected.distance)
    assert Targeted(labels).targets.dtype == torch.int64
    assert torch.equal(
        attack_over([DeepFool()], NETWORK, IMAGES, labels, [0.1])[0].prediction, LABELS
    )
    assert eigenprofile(NETWORK, IMAGES, labels).values.shape == (6, 64)
    assert landscape(
        NETWORK, IMAGES, labels, IMAGES, 1 - IMAGES, torch.linspace(-1, 1, 3)
    ).labels.shape == (6, 3, 3)


@pytest.mark.parametrize("labels", [[0.5] * 6, np.array([True] * 6), "labels", [None] * 6])
def test_what_are_no_labels(labels):
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        PGD(eps=0.1)(NETWORK, IMAGES, Untargeted(labels))


def test_images_of_other_kinds():
    with pytest.raises(ValueError, match=r"images must be a tensor \(B, C, H, W\); got a ndarray"):
        PGD(eps=0.1)(NETWORK, IMAGES.numpy(), Untargeted(LABELS))
    last = torch.rand(6, 8, 8, 3)
    with pytest.raises(
        ValueError,
        match=r"those of \(6, 8, 8, 3\) have 8 channels, .* give images.permute\(0, 3, 1, 2\)",
    ):
        PGD(eps=0.1)(small(channels=3), last, Untargeted(LABELS))
    with pytest.raises(
        ValueError, match=r"weights of torch.float64; images are torch.float32: make them one"
    ):
        predict(small().double(), IMAGES)


@every_kind
@pytest.mark.parametrize(
    ("images", "match"),
    [
        (
            IMAGES.numpy(),
            r"images must be a tensor \(B, C, H, W\); got a ndarray: torch.as_tensor makes one",
        ),
        (IMAGES.tolist(), r"images must be a tensor \(B, C, H, W\); got a list of 6: torch.as"),
        (None, "images must be a tensor .* got a NoneType"),
        (
            (255 * IMAGES).byte(),
            r"images must be a floating tensor \(B, C, H, W\); got torch.uint8 \(6, 1, 8, 8\)",
        ),
        (IMAGES.half(), "weights of torch.float32; images are torch.float16: make them one"),
    ],
    ids=["array", "list", "none", "bytes", "half"],
)
def test_images_that_no_attack_takes(attack, images, match):
    with pytest.raises(ValueError, match=match) as refusal:
        attack(NETWORK, images, Untargeted(LABELS))
    assert "\n" not in str(refusal.value)


@every_kind
@pytest.mark.parametrize(
    "criterion",
    [LABELS, LABELS.numpy(), LABELS.tolist(), None],
    ids=["tensor", "array", "list", "none"],
)
def test_labels_in_place_of_a_criterion(attack, criterion):
    match = r"must be Untargeted\(labels\) or Targeted\(targets\); got a .*: for labels y write Unt"
    with pytest.raises(TypeError, match=match):
        attack(NETWORK, IMAGES, criterion)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_kept(attack, dtype):
    images = oracles.images(4, dtype=torch.float32).to(dtype)
    network = oracles.relu(dtype=torch.float32).to(dtype)
    result = run(attack, network, images)
    assert result.images.dtype == dtype
    assert torch.equal(run(attack, network, images).found, result.found)
    labels = network(images).argmax(1)
    assert torch.equal(Untargeted(labels).holds(network(result.images)), result.found)


@every_kind
def test_labels_as_an_array(attack):
    images, network = oracles.images(4, dtype=torch.float32), oracles.relu(dtype=torch.float32)
    labels = network(images).argmax(1)
    expected, result = (
        run(attack, network, images, Untargeted(own)) for own in (labels, labels.numpy())
    )
    assert torch.equal(result.images, expected.images)


def test_roundings_outside_the_box_are_drawn_in():
    images = IMAGES.clone()
    images[0, 0, 0, :2] = torch.tensor([-2.98e-8, 1 + 1.2e-7])
    result = PGD(eps=0.2)(NETWORK, images, Untargeted(LABELS))
    assert (result.images.min(), result.images.max()) >= (0, 0)
    assert result.images.max() <= 1
    images[0, 0, 0, 1] = 1 + 1e-6
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]; got \[-2.98e-08, 1.00000095"):
        PGD(eps=0.2)(NETWORK, images, Untargeted(LABELS))


@every_kind
def test_inference_mode_is_refused_where_gradients_are_needed(attack):
    images = oracles.images(4, dtype=torch.float32)
    network = oracles.relu(dtype=torch.float32)
    expected = run(attack, network, images)
    with torch.inference_mode():
        if isinstance(attack, GRADIENT_FREE):
            assert torch.equal(run(attack, network, images).distance, expected.distance)
            return
        with pytest.raises(
            ValueError, match=r"gradients are needed, which torch.inference_mode\(\) takes away"
        ):
            run(attack, network, images)


def test_curvature_in_inference_mode_and_of_images_made_there():
    with torch.inference_mode():
        made = IMAGES.clone()
        for step in (0.0, 0.1):
            with pytest.raises(ValueError, match="takes away"):
                input_hessian(NETWORK, IMAGES, cross_entropy_of(LABELS), step)
    expected = input_hessian(NETWORK, IMAGES, cross_entropy_of(LABELS)).gradient
    assert torch.equal(input_hessian(NETWORK, made, cross_entropy_of(LABELS)).gradient, expected)
    assert torch.equal(DeepFool()(NETWORK, made, Untargeted(LABELS)).found, torch.ones(6) > 0)


def test_modules_behind_callables_are_found_and_held():
    network, other = small(norm=normed()).train(), small().train()
    nets = [network, other]
    callables = {
        "closure": lambda images: network((images - 0.5) / 0.5),
        "list": lambda images: sum(net(images) for net in nets),
        "method": network.forward,
        "default": (lambda images, net=network: net(images)),
    }
    for name, function in callables.items():
        assert network in modules_of(function), name
        with frozen(function):
            assert not network.training, name
        assert network.training
    before = oracles.state(network)
    result = PGD(eps=0.3)(callables["closure"], IMAGES, Untargeted(LABELS))
    assert oracles.state(network) == before
    plain = Normalized(small(norm=normed()), (0.5,), (0.5,))
    assert torch.equal(result.found, PGD(eps=0.3)(plain, IMAGES, Untargeted(LABELS)).found)


def test_a_global_network_is_found():
    assert modules_of(_around_a_global) == [NETWORK]


def _around_a_global(images):
    return NETWORK(images)


class Hidden:
    """A callable behind which no module is to be seen."""

    __slots__ = ("call",)

    def __init__(self, network):
        self.call = network.__call__

    def __call__(self, images):
        return self.call(images)


@pytest.mark.parametrize(
    "network", [small().train(), small(norm=normed()).train()], ids=["dropout", "batch norm"]
)
def test_a_network_in_training_mode_that_cannot_be_found_is_told(network):
    with pytest.warns(
        UserWarning,
        match=r"if a network in training mode stands behind it, call network.eval\(\) first",
    ):
        PGD(eps=0.3)(Hidden(network), IMAGES, Untargeted(LABELS))
    assert not mixes_rows(Hidden(network.eval()), IMAGES, network(IMAGES))


def test_an_empty_batch_is_refused_without_a_box_too():
    nothing = torch.zeros(0, 1, 4, 4)
    for attack in ATTACKS:
        with pytest.raises(ValueError, match="images hold no sample"):
            attack(
                oracles.relu(dtype=torch.float32),
                nothing,
                Untargeted(torch.zeros(0, dtype=torch.int64)),
                Randomness(0, torch.arange(0)),
            )


@pytest.mark.parametrize(
    "work",
    [
        lambda net: DeepFool()(net, IMAGES, Untargeted(LABELS)),
        lambda net: attack_over([PGD()], net, IMAGES, LABELS, [0.1]),
        lambda net: boundary_points(net, IMAGES),
    ],
    ids=["attack", "attack_over", "boundary_points"],
)
def test_library_use_multiplies_in_full_precision(work):
    seen = set()

    class Watching(nn.Module):
        def forward(self, images):
            seen.add(
                (
                    torch.backends.cudnn.conv.fp32_precision,
                    torch.backends.cuda.matmul.fp32_precision,
                )
            )
            return NETWORK(images)

    before = torch.backends.cudnn.conv.fp32_precision
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    try:
        work(Watching())
    finally:
        torch.backends.cudnn.conv.fp32_precision = before
    assert seen == {("ieee", "ieee")}
