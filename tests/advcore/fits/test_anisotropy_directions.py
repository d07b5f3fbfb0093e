"""Neural anisotropy directions: isotropic where the law is, and the mean of g g^T by hand."""

from dataclasses import replace

import pytest
import torch
from learning import learn, shards

from advcore.fits import AnisotropyDirections, FitSamples, Frequencies
from advcore.networks import lenet, perceptron
from advcore.randomness import Randomness

LINEAR = AnisotropyDirections("perceptron", {"side": 4, "depth": 0})
SMALL = {"side": 12}


def learnt(fit, count, side, parts=None):
    inputs = torch.zeros(count, 1, side, side)
    return learn(fit, perceptron(2, side=side), shards(inputs, parts or [count]), 2).tensors


@pytest.mark.parametrize("scale", [None, 100.0])
def test_the_first_weights_of_a_linear_layer_are_isotropic(scale):
    """Flat, 1 / 16 in each, but for the noise of 300 gradients against 300; the raw one is not."""
    found = learnt(replace(LINEAR, scale=scale), 600, 4)
    for name in ("held_out", "null_held_out"):
        torch.testing.assert_close(found[name], torch.full((16,), 1 / 16), rtol=0.25, atol=0)
    assert found["energy"][0] > 1.05 / 16 > 0.95 / 16 > found["energy"][-1]
    for name in ("energy", "held_out", "null_energy", "null_held_out"):
        assert found[name].sum().item() == pytest.approx(1, abs=1e-5)


def test_gradients_are_those_of_the_networks_one_by_one():
    fit = AnisotropyDirections("lenet", SMALL)
    x = torch.randn(1, 12, 12, generator=torch.Generator().manual_seed(0))
    for seed, own in zip((3, 8), fit.gradients(x, (3, 8)), strict=True):
        torch.manual_seed(seed)
        image = x[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(lenet(1, side=12).eval()(image).sum(), image)
        torch.testing.assert_close(own, gradient[0])


def test_differences_of_a_linear_network_are_its_derivatives():
    x = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    derivatives = LINEAR.gradients(x, (3, 8))
    for scale in (1.0, 100.0):
        found = replace(LINEAR, scale=scale).gradients(x, (3, 8))
        torch.testing.assert_close(found, derivatives, rtol=1e-4, atol=1e-5)


def test_differences_are_taken_entry_by_entry():
    """More entries than go through at a time; short differences near the derivative, long not."""
    x = torch.randn(1, 12, 12, generator=torch.Generator().manual_seed(0)).double()
    (found,) = AnisotropyDirections("lenet", SMALL, scale=100.0).gradients(x, (3,))
    torch.manual_seed(3)
    network = lenet(1, side=12).eval().double()
    for row, column in ((0, 0), (5, 7), (11, 11)):
        pixel = torch.zeros_like(x)
        pixel[0, row, column] = 100
        with torch.no_grad():
            expected = (network((x + pixel)[None]) - network((x - pixel)[None])).item() / 200
        assert found[0, row, column].item() == pytest.approx(expected)
    (slope,) = AnisotropyDirections("lenet", SMALL).gradients(x, (3,))
    (short,) = AnisotropyDirections("lenet", SMALL, scale=1e-6).gradients(x, (3,))
    torch.testing.assert_close(short, slope, rtol=1e-5, atol=1e-8)
    assert torch.cosine_similarity(found.flatten(), slope.flatten(), dim=0) < 0.9


def test_directions_are_the_eigenvectors_of_the_second_moment():
    """And the halves are the even and the odd places, whatever the shards."""
    fit = AnisotropyDirections("perceptron", {"side": 3, "width": 2})
    found, parted = learnt(fit, 40, 3), learnt(fit, 40, 3, [15, 7, 18])
    for name, tensor in found.items():
        torch.testing.assert_close(parted[name], tensor, rtol=1e-4, atol=1e-5)
    state = fit.start(FitSamples((1, 3, 3), 2, 40))
    (batch,) = shards(torch.zeros(40, 1, 3, 3), [40])
    share = fit.share(None, batch, state, Randomness(0, batch.indices))
    moments = [share[name].double() for name in ("even", "odd")]
    values, vectors = torch.linalg.eigh(sum(moments))
    torch.testing.assert_close(
        found["energy"].double(), values.flip(0) / values.sum(), atol=1e-6, rtol=1e-5
    )
    first = found["directions"][0].flatten().double()
    assert (first @ vectors[:, -1]).abs().item() == pytest.approx(1, abs=1e-5)
    expected = []
    for one, other in (moments, moments[::-1]):
        own = torch.linalg.eigh(one).eigenvectors[:, -1]
        expected.append((own @ other @ own / other.trace()).item())
    assert found["held_out"][0].item() == pytest.approx(sum(expected) / 2, abs=1e-5)


def test_a_convolutional_network_is_not_isotropic():
    """Its first directions hold more than those of isotropic vectors do."""
    found = learnt(AnisotropyDirections("lenet", SMALL, 5), 400, 12)
    assert found["directions"].shape == (5, 1, 12, 12)
    assert found["held_out"][:10].sum() > 1.25 * found["null_held_out"][:10].sum()


def test_frequencies_are_an_orthonormal_basis_from_the_mean_on():
    found = learnt(Frequencies(), 3, 5)["directions"].flatten(1)
    torch.testing.assert_close(found @ found.mT, torch.eye(25), atol=1e-6, rtol=0)
    torch.testing.assert_close(found[0], torch.full((25,), 0.2))
    images = found.view(25, 5, 5)
    turns = sum(images.diff(dim=way).square().sum((1, 2)) for way in (1, 2))
    assert turns[1] < turns[12] < turns[24]


@pytest.mark.parametrize(
    ("fit", "shape", "message"),
    [
        (LINEAR, (1, 5, 5), "perceptron with arguments .* cannot be made for inputs"),
        (LINEAR, (1, 80, 80), "inputs of at most 4096 numbers; these have 6400"),
        (AnisotropyDirections("lenet", {"sides": 28}), (1, 28, 28), "cannot be made for inputs"),
        (Frequencies(), (25,), "frequencies needs pictures"),
        (
            Frequencies(17),
            (1, 4, 4),
            "directions must not exceed the inputs' dimension, 16; got 17",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(fit, shape, message):
    with pytest.raises(ValueError, match=message):
        fit.validate(FitSamples(shape, 2, 10))


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"architecture must be one of lenet, .*; got 'net'"):
        AnisotropyDirections("net")
    with pytest.raises(ValueError, match="directions must be at least 1; got 0"):
        AnisotropyDirections("lenet", directions=0)
    with pytest.raises(ValueError, match=r"scale must be a positive number, .*; got 0"):
        AnisotropyDirections("lenet", scale=0)
    with pytest.raises(ValueError, match="it needs 2 initialisations; got 1"):
        LINEAR.validate(FitSamples((1, 4, 4), 2, 1))
