"""Rounded: on the grid, verified there, inside the ball; and what becomes of attacks that rounding
undoes.
"""

from dataclasses import dataclass

import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from advcore import Randomness, Untargeted, norms
from advcore.attacks import (
    FMN,
    PGD,
    Adversarial,
    DeepFool,
    MinimalNorm,
    Restarts,
    Rounded,
    Status,
    Within,
    Worst,
    kind_and_norm,
)
from advcore.attacks.attack import has_budget, norm_of, with_budget
from advcore.networks import lenet
from advcore.training import Recipe, fit
from advcore.workers.datasets import DataSpec, batch, load
from advcore.workers.shards import Shard


@dataclass(frozen=True)
class Given:
    """An attack that hands back the images that it was given."""

    images: Tensor
    norm: str = "linf"

    def __call__(self, classifier, images, criterion, randomness=None):
        ones = torch.ones(len(images), dtype=torch.int64)
        distance = norms.norm_by_name(self.norm).size(self.images - images)
        return Adversarial(self.images, ones.bool(), distance, ones * Status.BROKEN, ones, ones)


@dataclass(frozen=True)
class GivenWithin(Given):
    eps: float | Tensor = 0.1


def above(threshold: float):
    """A classifier that calls an image 1 where its first pixel exceeds the threshold."""
    return lambda images: torch.stack(
        [torch.zeros(len(images)), (images[:, 0, 0, 0] - threshold).to(torch.float32)], 1
    )


def pixels(*values: float, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(values, dtype=dtype).view(-1, 1, 1, 1)


def zeros(images: Tensor) -> Untargeted:
    return Untargeted(torch.zeros(len(images), dtype=torch.int64))


def on_grid(images: Tensor, levels: int = 256) -> bool:
    return torch.equal((images * (levels - 1)).round() / (levels - 1), images)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Rounded(PGD(), levels=1), "levels must be at least 2, black and white; got 1"),
        (lambda: Rounded(PGD(), tries=0), "tries must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_it_has_the_budget_and_the_norm_of_its_attack():
    budget, minimal = Rounded(Restarts(PGD(norm="l2"))), Rounded(DeepFool())
    assert has_budget(budget)
    assert not has_budget(minimal)
    assert with_budget(budget, 0.2) == Rounded(Restarts(PGD(norm="l2", eps=0.2)))
    assert (norm_of(budget), kind_and_norm(budget)) == ("l2", "rounded-restarts-pgd-l2")
    assert kind_and_norm(Within(minimal)) == "within-l2"
    assert Worst((budget, Rounded(PGD(norm="l2")))).norm == "l2"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    norm=st.sampled_from(["l1", "l2", "linf"]),
    eps=st.floats(0.01, 2),
    levels=st.sampled_from([2, 16, 256]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("gridded", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_the_grid_verified_and_in_the_ball(gridded, dtype, norm, eps, levels, seed):
    network, images = oracles.relu(dtype=dtype), oracles.images(6, dtype=dtype, seed=seed)
    images = (images * (levels - 1)).round() / (levels - 1) if gridded else images
    labels = Untargeted(network(images).argmax(1))
    plain = PGD(eps=eps, norm=norm, steps=5)(
        network, images, labels, Randomness(seed, torch.arange(6))
    )
    result = Rounded(PGD(eps=eps, norm=norm, steps=5), levels)(
        network, images, labels, Randomness(seed, torch.arange(6))
    )
    size = norms.norm_by_name(norm).size(result.images - images)
    assert on_grid(result.images[result.found], levels)
    assert torch.equal(result.found, labels.holds(network(result.images)))
    assert not (result.found & ~plain.found).any()
    assert torch.equal(result.distance, size.masked_fill(~result.found, torch.inf))
    assert (size <= eps * (1 + 1e-6) + 16 * 4 * torch.finfo(dtype).eps).all()
    assert (result.status[~result.found] == Status.ROBUST).all()


@pytest.mark.parametrize("eps", [8 / 255, 25.5 / 255])
def test_an_eps_of_whole_levels_is_used_up_and_one_between_is_rounded_down(eps):
    clean = (torch.arange(200) / 255).view(-1, 1, 1, 1)
    result = Rounded(GivenWithin(clean + eps, eps=eps))(above(-1.0), clean, zeros(clean))
    assert result.found.all()
    assert torch.equal(
        ((result.images - clean) * 255).round(), torch.full_like(clean, int(eps * 255 + 1e-6))
    )


def test_one_eps_for_each_sample():
    clean, eps = pixels(0.0, 0.0, 0.0), torch.tensor([2.5, 3.5, 4.5]) / 255
    result = Rounded(GivenWithin(clean + eps.view(-1, 1, 1, 1), eps=eps))(
        above(2.2 / 255), clean, zeros(clean)
    )
    assert result.found.tolist() == [False, True, True]
    assert (result.images.flatten() * 255).round().tolist() == [2, 3, 4]


def test_a_clean_image_off_the_grid_may_have_no_grid_in_its_ball():
    clean = pixels(0.5 / 255)
    for eps, found in ((0.4 / 255, False), (0.5 / 255, True)):
        result = Rounded(GivenWithin(clean + eps, eps=eps))(above(0.6 / 255), clean, zeros(clean))
        assert result.found.tolist() == [found]
        assert result.status.tolist() == [Status.BROKEN if found else Status.ROBUST]
        assert torch.equal(result.images, pixels(1 / 255) if found else clean)


def test_a_perturbation_that_rounding_undoes_is_pushed_as_far_as_needed():
    clean, attacked = pixels(100 / 255, 100 / 255), pixels(100.3 / 255, 102.4 / 255)
    result = Rounded(Given(attacked))(above(100.2 / 255), clean, zeros(clean))
    assert (result.images.flatten() * 255).round().tolist() == [101, 102]
    torch.testing.assert_close(result.distance, torch.tensor([1.0, 2.0]) / 255, rtol=1e-4, atol=0)
    assert result.queries.tolist() == [
        1 + 8,
        1 + 1,
    ]  # 0.3 levels need 1.67 of their length: the eighth factor is 2.27


@pytest.mark.parametrize(("wrap", "status"), [(Given, Status.FAILED), (GivenWithin, Status.ROBUST)])
def test_what_no_rounding_saves_is_said(wrap, status):
    """Adversarial only between two levels."""

    def sliver(images):
        inside = ((images[:, 0, 0, 0] * 255 - 100.3).abs() < 0.1).float()
        return torch.stack([torch.full_like(inside, 0.5), inside], 1)

    clean = pixels(100 / 255)
    result = Rounded(wrap(pixels(100.3 / 255)), tries=4)(sliver, clean, zeros(clean))
    assert result.found.tolist() == [False]
    assert result.distance.tolist() == [torch.inf]
    assert result.status.tolist() == [status]
    assert result.queries.tolist() == [5]
    assert on_grid(result.images)


def test_levels_that_an_attack_keeps_are_not_moved():
    network, images = oracles.relu(), (oracles.images(20) * 255).round() / 255
    labels = Untargeted(network(images).argmax(1))
    plain, rounded = FMN(norm="l0", steps=30), Rounded(Rounded(FMN(norm="l0", steps=30)))
    once, twice = Rounded(plain)(network, images, labels), rounded(network, images, labels)
    assert once.found.any()
    assert torch.equal(once.images, twice.images)
    assert (once.distance[once.found] <= 16).all()


def test_nan_on_the_way_does_not_pass():
    clean = pixels(0.0)
    with pytest.raises(ValueError, match="NaN or infinite logits"):
        Rounded(Given(pixels(0.5)))(
            lambda images: torch.full((len(images), 2), torch.nan), clean, zeros(clean)
        )


@pytest.mark.parametrize(
    "attack",
    [MinimalNorm(), DeepFool(norm="linf"), PGD(eps=0.1, steps=20), PGD(eps=1.5, norm="l2")],
    ids=repr,
)
def test_most_survive_on_digits(attack, digits):
    network, images, labels = digits
    plain, result = attack(network, images, labels), Rounded(attack)(network, images, labels)
    own = result.status == Status.BROKEN
    assert torch.equal(labels.holds(network(result.images)), result.found)
    assert on_grid(result.images[own])
    assert own.sum() >= 0.85 * (plain.status == Status.BROKEN).sum() > 5
    assert result.distance[own].median() <= 1.02 * plain.distance[own].median() + 1.5 / 255


@pytest.fixture(scope="module")
def digits():
    """A LeNet after a short training on 8-bit digits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = lenet()
        train, test = (
            load(DataSpec("mnist5k", split, count))
            for split, count in (("train", 1000), ("test", 40))
        )
        some = batch(train, Shard(0, 1000))
        for _ in fit(network, some.inputs, some.labels, Recipe(epochs=3, batch_size=16)):
            pass
    images = batch(test, Shard(0, 40)).inputs
    return network, images, Untargeted(network(images).argmax(1))
