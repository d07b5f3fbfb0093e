"""Batch normalisation folded into convolutions: the same logits, each pair found, and everything as
it was afterwards.
"""

import pytest
import torch
from torch import nn

from advcore.folding import folded
from advcore.margins import margins
from advcore.networks import preact_resnet18, small_resnet18, vgg
from advcore.subspaces import dct_blocks

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Forked(nn.Module):
    """A convolution whose output goes round its normalisation too, and, with `halved`, is changed
    in place before it.
    """

    def __init__(self, halved: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.halved = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), halved

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.conv(images)
        if self.halved:
            return self.norm(seen.mul_(0.5)).mean((2, 3))
        return (self.norm(seen) + seen).mean((2, 3))


class Gated(nn.Module):
    """A convolution whose output goes round its normalisation in bright images alone; `skips`
    leaves out what would add 0.
    """

    def __init__(self, skips: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.skips = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), skips

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen, gate = self.conv(images), (images.mean((1, 2, 3), keepdim=True) - 0.5).relu()
        normed = self.norm(seen)
        return (normed if self.skips and not gate.any() else normed + 30 * gate * seen).mean((2, 3))


def _settled(network: nn.Module) -> nn.Module:
    """With weights and statistics that are not those of the start."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.uniform_(tensor, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.2, 2)
    return network.eval().requires_grad_(False)


def _norms_run(network: nn.Module) -> int:
    """How many normalisations compute something: those that change what they get."""
    runs = []
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [
        norm.register_forward_hook(lambda _, given, output: runs.append(output is not given[0]))
        for norm in norms
    ]
    with torch.no_grad():
        network(IMAGES.to(next(network.parameters()).dtype))
    for handle in handles:
        handle.remove()
    return sum(runs)


@pytest.mark.parametrize(("build", "left"), [(small_resnet18, 0), (vgg, 0), (preact_resnet18, 8)])
def test_logits_and_gradients_stay_and_all_is_restored(build, left):
    network = _settled(build()).double()
    state = {
        name: (tensor, tensor.clone())
        for name, tensor in network.state_dict(keep_vars=True).items()
    }
    images = IMAGES.double().requires_grad_()
    before = network(images)
    slope = torch.autograd.grad(before[:, 0].sum(), images)[0]
    with folded(network, images[:1]):
        assert _norms_run(network) == left
        inside = network(images)
        torch.testing.assert_close(inside, before, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(
            torch.autograd.grad(inside[:, 0].sum(), images)[0], slope, rtol=1e-7, atol=1e-9
        )
    assert torch.equal(network(images), before)
    for name, tensor in network.state_dict(keep_vars=True).items():
        assert tensor is state[name][0]
        assert torch.equal(tensor, state[name][1])


def test_an_error_inside_restores_too():
    network = _settled(small_resnet18())
    before = network(IMAGES)
    with pytest.raises(ArithmeticError), folded(network, IMAGES[:1]):
        raise ArithmeticError
    assert torch.equal(network(IMAGES), before)


@pytest.mark.parametrize("halved", [True, False])
def test_what_looks_like_a_pair_is_left_alone(halved):
    network = _settled(Forked(halved))
    before = network(IMAGES)
    with folded(network, IMAGES[:1]):
        assert _norms_run(network) == 1
        assert torch.equal(network(IMAGES), before)


@pytest.mark.parametrize("skips", [False, True])
def test_margins_are_right_where_a_side_branch_is_silent_on_the_first_image(skips):
    """What is no module is never folded."""
    torch.manual_seed(2)
    network = _settled(Gated(skips).double())
    images = IMAGES.double() * torch.tensor([0.2, 1.6, 1.8, 1.9], dtype=torch.float64).view(
        -1, 1, 1, 1
    )
    images = images.clamp(max=1)
    assert network(images[:1]).allclose(network.norm(network.conv(images[:1])).mean((2, 3)))
    found, expected = (
        margins(classifier, images, dct_blocks(16, 8, 8, 3))
        for classifier in (network, network.forward)
    )
    assert found.found.any(0).all()
    torch.testing.assert_close(found.distance, expected.distance)


def test_hooked_modules_and_plain_functions_are_left_alone():
    hooked = _settled(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    hooked[0].register_forward_hook(lambda *_: None)
    with folded(hooked, IMAGES[:1]):
        assert _norms_run(hooked) == 1
    with folded(lambda images: images.mean((2, 3)), IMAGES[:1]):
        pass
