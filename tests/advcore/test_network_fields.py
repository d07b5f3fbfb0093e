"""The fields of networks: width, depth, activation, dropout, norm, pooling."""

from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

from advcore.networks import NETWORKS
from advcore.networks.initialisation import he

SMALL = {
    "lenet": {"channels": 2, "side": 16},
    "perceptron": {"channels": 2, "side": 16},
    "small_resnet18": {"channels": 2, "width": 0.125, "depth": 10},
    "preact_resnet18": {"channels": 2, "width": 0.125, "depth": 10},
    "wide_resnet": {"channels": 2, "width": 0.5, "depth": 10},
    "vgg": {"channels": 2, "width": 0.125, "depth": 11},
}
VGG_11 = (2, 8, 16, 32, 32, 64, 64, 64, 64)
RESIDUAL = ("small_resnet18", "preact_resnet18", "wide_resnet")
IMAGES = torch.rand(4, 2, 16, 16, generator=torch.Generator().manual_seed(0))
VALUES = {
    "activation": ("leaky_relu", "elu", "gelu", "silu", "softplus", "tanh"),
    "norm": ("none", "batch", "group", "layer"),
    "pooling": ("max", "average"),
}
CHOICES = [
    (name, field, value)
    for name in SMALL
    for field, values in VALUES.items()
    for value in values
    if (name, field) != ("perceptron", "pooling")
]


def made(name, **arguments):
    torch.manual_seed(0)
    return NETWORKS[name](num_classes=3, **SMALL[name] | arguments)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "field", "value"), CHOICES)
def test_each_choice_gives_logits_and_gradients(name, field, value):
    network = made(name, **{field: value})
    logits = network(IMAGES)
    assert logits.shape == (4, 3)
    assert 1e-3 < logits.std() < 10
    nn.functional.cross_entropy(logits, torch.arange(4) % 3).backward()
    assert all(
        parameter.grad.abs().sum() > 0 for parameter in network.parameters() if parameter.dim() > 1
    )


@pytest.mark.parametrize(
    ("name", "field"), dict.fromkeys((name, field) for name, field, _ in CHOICES)
)
def test_values_of_a_choice_give_other_logits(name, field):
    told = [made(name, **{field: value}).train()(IMAGES) for value in VALUES[field]]
    assert all(
        not torch.allclose(one, other) for n, one in enumerate(told) for other in told[n + 1 :]
    )


@pytest.mark.parametrize("name", SMALL)
def test_dropout_acts_in_training_alone(name):
    network, plain = made(name, dropout=0.5), made(name)
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    torch.testing.assert_close(network.eval()(IMAGES), plain.eval()(IMAGES))
    network.train()
    assert not torch.allclose(network(IMAGES), network(IMAGES))


@pytest.mark.parametrize("name", SMALL)
def test_another_norm_is_in_place_of_the_own(name):
    batch, groups = (nn.BatchNorm1d, nn.BatchNorm2d), nn.GroupNorm
    for norm, kind in {"batch": batch, "group": groups, "layer": groups}.items():
        modules = list(made(name, norm=norm).modules())
        norms = [module for module in modules if isinstance(module, (*batch, groups))]
        assert norms
        assert all(isinstance(module, kind) for module in norms)
    bare = made(name, norm="none").modules()
    assert not any(isinstance(module, (*batch, groups)) for module in bare)


@pytest.mark.parametrize("name", RESIDUAL)
@pytest.mark.parametrize("depth", [10, 34])
def test_residual_networks_without_norm_keep_the_size_of_what_passes(name, depth):
    logits = made(name, norm="none", depth=depth, width=1)(IMAGES)
    assert 0.01 < logits.std() < 10


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("lenet", {"width": 0.5}, 2 * 25 * 3 + 3 + 3 * 25 * 8 + 8 + 33 * 60 + 61 * 42 + 43 * 3),
        ("lenet", {"depth": 3}, 51 * 6 + 151 * 16 + 65 * 3),
        ("lenet", {"depth": 7}, 51 * 6 + 151 * 16 + 65 * 120 + 121 * 84 + 2 * 85 * 84 + 85 * 3),
        ("lenet", {"norm": "batch"}, 51 * 6 + 151 * 16 + 65 * 120 + 121 * 84 + 85 * 3 + 2 * 226),
        ("perceptron", {"width": 5, "depth": 3}, 513 * 5 + 2 * 30 + 18),
        ("vgg", {"norm": "none"}, sum(9 * a * b + b for a, b in pairwise(VGG_11)) + 65 * 3),
    ],
)
def test_numbers_of_parameters(name, arguments, expected):
    assert count(made(name, **arguments)) == expected


@pytest.mark.parametrize(("depth", "published"), [(18, 11_689_512), (34, 21_797_672)])
def test_depths_of_residual_networks_have_the_published_sizes(depth, published):
    """ImageNet's numbers of torchvision, whose stem is 7 x 7 in place of 3 x 3."""
    with torch.device("meta"):
        network = NETWORKS["small_resnet18"](num_classes=1000, depth=depth)
    assert count(network) == published - 64 * 3 * (49 - 9)


def test_small_resnet18_is_torchvisions_with_another_stem():
    torch.manual_seed(0)
    network = NETWORKS["small_resnet18"](num_classes=10)
    other = torchvision.models.resnet18(num_classes=10)
    other.conv1, other.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    renamed = {
        key.replace("shortcut", "downsample").replace("linear", "fc"): value
        for key, value in network.state_dict().items()
    }
    other.load_state_dict(renamed)
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(network.eval()(images), other.eval()(images), rtol=1e-4, atol=1e-4)


def first_lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def first_perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def first_vgg():
    network, inputs = nn.Sequential(), 3
    layers = []
    for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for outputs in stage:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    network.add_module("features", nn.Sequential(*layers))
    network.add_module("classifier", nn.Linear(512, 10))
    return he(network)


@pytest.mark.parametrize(
    ("name", "arguments", "first"),
    [
        ("lenet", {}, first_lenet),
        ("perceptron", {}, first_perceptron),
        ("vgg", {"depth": 11}, first_vgg),
    ],
)
def test_defaults_are_the_published_networks_weight_by_weight(name, arguments, first):
    torch.manual_seed(5)
    expected = first().state_dict()
    torch.manual_seed(5)
    got = NETWORKS[name](**arguments).state_dict()
    assert list(got) == list(expected)
    torch.testing.assert_close(got, expected)


def block_keys(block, norms, shortcut):
    batch = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = [f"{block}.conv{n}.weight" for n in (1, 2)]
    keys += [f"{block}.bn{n}.{key}" for n in (1, 2) for key in batch]
    keys += [f"{block}.shortcut.0.weight"] if shortcut else []
    return keys + ([f"{block}.shortcut.1.{key}" for key in batch] if shortcut and norms else [])


@pytest.mark.parametrize(("name", "norms"), [("small_resnet18", True), ("preact_resnet18", False)])
def test_names_of_weights_are_those_of_the_widespread_networks(name, norms):
    with torch.device("meta"):
        keys = [key for key in NETWORKS[name]().state_dict() if key.startswith("layer")]
    expected = [
        key
        for stage in range(1, 5)
        for n in range(2)
        for key in block_keys(f"layer{stage}.{n}", norms, n == 0 and stage > 1)
    ]
    assert sorted(keys) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("lenet", {"depth": 2}, "the depth of a lenet is 3 or more; got 2"),
        ("lenet", {"width": 0}, "width must be positive; got 0"),
        ("lenet", {"activation": "rulu"}, "activation must be one of relu, .*; got 'rulu'"),
        ("lenet", {"pooling": "median"}, "pooling must be one of max, average; got 'median'"),
        ("perceptron", {"depth": -1}, "the depth of a perceptron is 0 or more; got -1"),
        ("perceptron", {"norm": "instance"}, "norm must be one of none, batch, group, layer"),
        ("vgg", {"dropout": 1.0}, r"dropout must lie in \[0, 1\); got 1.0"),
        ("small_resnet18", {"depth": 50}, "one of 10, 18, 34; got 50"),
        ("wide_resnet", {"pooling": "median"}, "pooling must be one of max, average"),
    ],
)
def test_fields_that_make_no_network_are_refused(name, arguments, match):
    with pytest.raises(ValueError, match=match):
        made(name, **arguments)
