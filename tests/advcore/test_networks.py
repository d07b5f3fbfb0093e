import pytest
import torch

from advcore import networks

SIZED = ("lenet", "front_end", "perceptron", "random_features", "averaging")
BINARY = ("averaging",)
NOT_CLASSES = ("deep_averaging", "word_gru", "unet")
PICTURES = [name for name in networks.NETWORKS if name not in NOT_CLASSES]
"""The networks of pictures; others are in test_words.py and test_tasks.py."""
NARROW = {"wide_resnet": {"depth": 10, "width": 1, "dropout": 0.3}, "vgg": {"depth": 11}}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("classes", "channels", "side"), [(10, 1, 28), (3, 2, 13)])
def test_networks_give_logits(name, classes, channels, side):
    arguments = {"side": side} if name in SIZED else NARROW.get(name, {})
    classes = 2 if name in BINARY else classes
    network = networks.NETWORKS[name](classes, channels, **arguments)
    assert network.eval()(torch.zeros(2, channels, side, side)).shape == (2, classes)


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        ("lenet", {}, 61_706),
        ("lenet", {"kernel": 3}, 81_194),
        ("lenet", {"side": 32, "padded": False}, 61_706),
        ("small_resnet18", {}, 11_173_962),
        ("preact_resnet18", {}, 11_171_146),
        ("wide_resnet", {}, 36_479_194),
        ("wide_resnet", {"depth": 34}, 46_160_474),
        ("vgg", {}, 14_728_266),
        ("vgg", {"depth": 11}, 9_231_114),
    ],
)
def test_networks_have_the_published_numbers_of_parameters(name, arguments, count):
    with torch.device("meta"):
        network = networks.NETWORKS[name](**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("name", PICTURES)
def test_gradients_reach_every_weight_and_the_images(name):
    arguments = {"side": 12} if name in SIZED else NARROW.get(name, {})
    torch.manual_seed(0)
    network = networks.NETWORKS[name](2 if name in BINARY else 10, 1, **arguments)
    images = torch.rand(4, 1, 12, 12, requires_grad=True)
    torch.nn.functional.cross_entropy(network(images), torch.arange(4) % 2).backward()
    assert all(
        parameter.grad.abs().sum() > 0 for parameter in network.parameters() if parameter.dim() > 1
    )
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()


@pytest.mark.parametrize("name", ["small_resnet18", "preact_resnet18", "wide_resnet", "vgg"])
def test_first_weights_keep_the_size_of_what_passes(name):
    """Also in the other direction: neither logits nor gradients vanish or blow up."""
    torch.manual_seed(0)
    network = networks.NETWORKS[name](10, 3, **NARROW.get(name, {}))
    images = torch.randn(8, 3, 16, 16, requires_grad=True)
    logits = network(images)
    logits.square().mean().backward()
    assert 0.01 < logits.std() < 10
    assert 1e-5 < images.grad.norm() < 10


def test_lenet_fits_its_smallest_images():
    for side, padded in ((12, True), (16, False)):
        small = networks.lenet(side=side, padded=padded)
        assert small(torch.zeros(1, 1, side, side)).shape == (1, 10)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("lenet", {"side": 8}, "at least 12 x 12; got 8 x 8"),
        ("lenet", {"side": 15, "padded": False}, "at least 16 x 16; got 15 x 15"),
        (
            "wide_resnet",
            {"depth": 29},
            r"the depth of a wide_resnet is 6 n \+ 4, 10 or more; got 29, take 28",
        ),
        ("wide_resnet", {"depth": 3}, "got 3, take 10"),
        ("lenet", {"kernel": 4}, "the kernel of a lenet is 3 or 5; got 4"),
        ("vgg", {"depth": 19}, "the depth of a vgg is 11 or 16; got 19"),
    ],
)
def test_sizes_that_make_no_network_are_refused(name, arguments, match):
    with pytest.raises(ValueError, match=match):
        networks.NETWORKS[name](**arguments)
