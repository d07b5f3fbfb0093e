"""Input gradients of convolutions of few channels: those of torch, and everything else left to
torch.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from advcore.convolution import FewChannels
from advcore.logit_gradients import jacobian, pull_back
from advcore.networks import lenet


def _own(output):
    return "_Convolution" in type(output.grad_fn).__name__


@pytest.mark.parametrize("channels", [(1, 6), (3, 8), (4, 15)])
@pytest.mark.parametrize(("size", "padding"), [(5, 2), (5, 0), (3, 1), (1, 0), ((3, 5), (0, 4))])
@pytest.mark.parametrize("bias", [True, False])
def test_the_gradient_is_that_of_torch(channels, size, padding, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(*channels, size, padding=padding, bias=bias).requires_grad_(False)
    images, weights = torch.rand(5, channels[0], 9, 11, requires_grad=True), None
    with FewChannels():
        output = layer(images)
    expected = layer(images)
    assert _own(output)
    assert not _own(expected)
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    weights = torch.randn_like(output)
    ours, theirs = (torch.autograd.grad(one, images, weights)[0] for one in (output, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def _call(images=(2, 1, 8, 8), weight=(6, 1, 3, 3), dtype=torch.float32, trained=False, **options):
    torch.manual_seed(0)
    batch, kernel = (
        torch.rand(images, dtype=dtype, requires_grad=True),
        torch.rand(weight, dtype=dtype, requires_grad=trained),
    )
    return lambda: functional.conv2d(batch, kernel, **options)


@pytest.mark.parametrize(
    "call",
    [
        _call(trained=True),
        _call(dtype=torch.float64),
        _call(images=(1, 8, 8)),
        _call(weight=(16, 1, 3, 3)),
        _call(images=(2, 5, 8, 8), weight=(6, 5, 3, 3)),
        _call(images=(2, 2, 8, 8), weight=(6, 1, 3, 3), groups=2),
        _call(stride=2),
        _call(dilation=2),
        _call(padding=3),
        _call(padding="same"),
    ],
    ids=[
        "trained",
        "double",
        "no-batch",
        "many-out",
        "many-in",
        "groups",
        "stride",
        "dilation",
        "far-padding",
        "named-padding",
    ],
)
def test_all_else_is_left_to_torch(call):
    with FewChannels():
        output = call()
    assert not _own(output)
    torch.testing.assert_close(output, call(), rtol=0, atol=0)


def test_positional_arguments_and_defaults_are_understood():
    torch.manual_seed(0)
    images, weight, bias = (
        torch.rand(2, 1, 8, 8, requires_grad=True),
        torch.rand(6, 1, 3, 3),
        torch.rand(6),
    )
    for arguments in (
        (images, weight),
        (images, weight, bias),
        (images, weight, bias, (1,), (1, 2), 1, 1),
    ):
        with FewChannels():
            output = functional.conv2d(*arguments)
        assert _own(output)
        torch.testing.assert_close(output, functional.conv2d(*arguments), rtol=0, atol=0)


def test_gradients_of_logits_go_this_way():
    torch.manual_seed(0)
    network, images = lenet().requires_grad_(False), torch.rand(3, 1, 28, 28)
    kinds = set()
    network[0].register_forward_hook(lambda layer, inputs, output: kinds.add(_own(output)))
    _, rows = jacobian(network, images)
    gradient, _, _ = pull_back(
        network,
        images,
        lambda logits: (logits[:, 0], functional.one_hot(torch.zeros(3).long(), 10).float()),
    )
    assert kinds == {True}
    leaf = images.clone().requires_grad_()
    expected = torch.stack(
        [torch.autograd.grad(network(leaf)[:, k].sum(), leaf)[0] for k in range(10)], 1
    )
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradient, expected[:, 0], rtol=1e-4, atol=1e-6)


def test_torch_func_maps_over_it():
    torch.manual_seed(0)
    layer, images = nn.Conv2d(1, 6, 3).requires_grad_(False), torch.rand(4, 1, 8, 8)

    def total(image):
        return layer(image[None]).pow(2).sum()

    expected = torch.func.vmap(torch.func.grad(total))(images)
    with FewChannels():
        torch.testing.assert_close(
            torch.func.vmap(torch.func.grad(total))(images), expected, rtol=1e-5, atol=1e-5
        )
