"""Attributions against closed forms, against captum, and their promises."""

from dataclasses import replace

import oracles
import pytest
import torch
from torch import Tensor, nn

from advcore import Randomness
from advcore.explain import (
    ATTRIBUTIONS,
    Attribution,
    Gradient,
    GradientTimesInput,
    IntegratedGradients,
    SmoothedGradient,
)

SHAPE = (1, 4, 4)
INPUTS = oracles.images(6, SHAPE)
AFFINE = oracles.Affine()
RELU = oracles.relu(shape=SHAPE).eval()
LABELS = RELU(INPUTS).argmax(1)
ALL: list[Attribution] = [cls() for cls in ATTRIBUTIONS.values()]


def _margin_normals(labels: Tensor) -> Tensor:
    """Of `Affine`: `w_y - w_k` for the likeliest other class k, `(B, *shape)`."""
    others = AFFINE(INPUTS).scatter(1, labels[:, None], -torch.inf).argmax(1)
    weight = AFFINE.weight.detach()
    return (weight[labels] - weight[others]).view_as(INPUTS)


class Square(nn.Module):
    """Logits `[sum x^2, 0]`: integrated gradients from 0 are `x^2`, number by number."""

    def forward(self, inputs: Tensor) -> Tensor:
        own = inputs.square().flatten(1).sum(1)
        return torch.stack([own, torch.zeros_like(own)], 1)


@pytest.mark.parametrize("scalar", ["logit", "margin"])
def test_an_affine_classifier_has_its_weights_for_gradient(scalar):
    labels = AFFINE(INPUTS).argmax(1)
    weight = AFFINE.weight.detach()[labels].view_as(INPUTS)
    normals = weight if scalar == "logit" else _margin_normals(labels)
    torch.testing.assert_close(Gradient(scalar)(AFFINE, INPUTS, labels).maps, normals)
    smoothed = SmoothedGradient("logit", draws=3)(AFFINE, INPUTS, labels)
    torch.testing.assert_close(smoothed.maps, weight)


def test_integrated_gradients_of_an_affine_classifier_are_exact_in_one_step():
    labels = AFFINE(INPUTS).argmax(1)
    found = IntegratedGradients(steps=1, baseline=0.25)(AFFINE, INPUTS, labels)
    weight = AFFINE.weight.detach()[labels].view_as(INPUTS)
    torch.testing.assert_close(found.maps, weight * (INPUTS - 0.25))
    assert found.residual.max() < 1e-12
    assert found.steps.tolist() == [1] * len(INPUTS)


def test_integrated_gradients_of_a_sum_of_squares_are_the_squares():
    labels = torch.zeros(len(INPUTS), dtype=torch.int64)
    found = IntegratedGradients()(Square(), INPUTS, labels)
    torch.testing.assert_close(found.maps, INPUTS.square())
    torch.testing.assert_close(found.change, INPUTS.square().flatten(1).sum(1))
    times = GradientTimesInput()(Square(), INPUTS, labels)
    torch.testing.assert_close(times.residual, found.change)  # 2 x^2 in place of x^2


def test_steps_double_only_where_the_residual_is_too_large():
    coarse = IntegratedGradients(steps=2, most_steps=4096, tolerance=1e-3)
    found = coarse(RELU, INPUTS, LABELS)
    allowed = 1e-3 * found.change.abs().clamp(min=1)
    assert (found.residual <= allowed).all()
    assert len(found.steps.unique()) > 1
    first = replace(coarse, most_steps=2)(RELU, INPUTS, LABELS)
    stayed = found.steps == 2
    assert torch.equal(stayed, first.residual <= allowed)
    assert (first.steps == 2).all()


def test_a_residual_that_stays_too_large_is_told():
    found = IntegratedGradients(steps=1, most_steps=2, tolerance=0)(RELU, INPUTS, LABELS)
    assert (found.residual > 0).all()
    assert (found.steps == 2).all()


def test_rows_at_a_time_change_nothing():
    one = IntegratedGradients(rows=5)(RELU, INPUTS, LABELS)
    torch.testing.assert_close(one.maps, IntegratedGradients()(RELU, INPUTS, LABELS).maps)


@pytest.mark.parametrize("attribution", ALL, ids=repr)
def test_a_map_does_not_depend_on_batch_mates(attribution):
    indices = torch.arange(40, 46)
    together = attribution(RELU, INPUTS, LABELS, Randomness(3, indices))
    rows = torch.tensor([4, 1])
    apart = attribution(RELU, INPUTS[rows], LABELS[rows], Randomness(3, indices[rows]))
    torch.testing.assert_close(apart.maps, together.maps[rows])
    torch.testing.assert_close(apart.residual, together.residual[rows], equal_nan=True)
    assert torch.equal(apart.steps, together.steps[rows])


@pytest.mark.parametrize("attribution", ALL, ids=repr)
def test_tables_are_explained_and_nothing_is_changed(attribution):
    network = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3)).double()
    rows = torch.randn(4, 5, dtype=torch.float64)
    before, labels = rows.clone(), torch.tensor([0, 1, 2, 0])
    first = attribution(network, rows, labels).maps
    assert first.shape == rows.shape
    assert not first.requires_grad
    torch.testing.assert_close(attribution(network, rows, labels).maps, first)
    assert torch.equal(rows, before)
    assert network.training
    assert all(weight.requires_grad and weight.grad is None for weight in network.parameters())


def test_noise_is_that_of_the_seed():
    first, same, other = (
        SmoothedGradient(draws=2)(RELU, INPUTS, LABELS, Randomness(seed, torch.arange(6))).maps
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("attribution", ALL, ids=repr)
def test_wrong_input_is_refused(attribution):
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.3"):
        attribution(RELU, INPUTS, LABELS + 4)
    with pytest.raises(ValueError, match="NaN or infinite values"):
        attribution(RELU, INPUTS * torch.nan, LABELS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gradient("loss"), "scalar must be one of logit, margin; got 'loss'"),
        (lambda: GradientTimesInput("loss"), "scalar must be one of"),
        (lambda: IntegratedGradients("loss"), "scalar must be one of"),
        (lambda: IntegratedGradients(steps=64, most_steps=32), "at most most_steps; got 64 and 32"),
        (lambda: IntegratedGradients(tolerance=-1), "tolerance must be a share"),
        (lambda: IntegratedGradients(rows=0), "rows must be at least 1; got 0"),
        (lambda: SmoothedGradient("loss"), "scalar must be one of"),
        (lambda: SmoothedGradient(sigma=0), "sigma must be positive, in pixel units; got 0"),
        (lambda: SmoothedGradient(draws=0), "draws must be at least 1; got 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_maps_are_captums():
    attr = pytest.importorskip("captum.attr")
    asked = {"target": LABELS}
    torch.testing.assert_close(
        Gradient()(RELU, INPUTS, LABELS).maps,
        attr.Saliency(RELU).attribute(INPUTS.clone(), abs=False, **asked),
        rtol=0,
        atol=1e-5,
    )
    torch.testing.assert_close(
        GradientTimesInput()(RELU, INPUTS, LABELS).maps,
        attr.InputXGradient(RELU).attribute(INPUTS.clone(), **asked).detach(),
        rtol=0,
        atol=1e-5,
    )
    theirs, delta = attr.IntegratedGradients(RELU).attribute(
        INPUTS, n_steps=64, method="riemann_middle", return_convergence_delta=True, **asked
    )
    ours = IntegratedGradients(steps=64, most_steps=64)(RELU, INPUTS, LABELS)
    torch.testing.assert_close(ours.maps, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.residual, delta.abs(), rtol=0, atol=1e-5)


def test_smoothed_gradients_tend_to_the_mean():
    """Of a sum of squares the gradient at x + sigma v is 2 (x + sigma v), whose mean is 2 x."""
    labels = torch.zeros(len(INPUTS), dtype=torch.int64)
    error = SmoothedGradient(sigma=0.1, draws=400)(Square(), INPUTS, labels).maps - 2 * INPUTS
    assert error.std().item() == pytest.approx(2 * 0.1 / 400**0.5, rel=0.3)
