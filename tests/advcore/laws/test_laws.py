"""Each law against its closed forms; draws that hang on (seed, index) alone."""

import math

import pytest
import torch

from advcore import Randomness
from advcore.laws import LAWS, Spheres, StrongAndWeak, TwoGaussians

COUNT = 20_000


def phi(value: float) -> float:
    """The normal distribution function."""
    return 0.5 * math.erfc(-value / math.sqrt(2))


def noise(indices: torch.Tensor, seed: int = 0) -> Randomness:
    return Randomness(seed, indices)


def share(of: torch.Tensor) -> float:
    return of.double().mean().item()


def within(probability: float) -> float:
    """Four standard errors of a share of so many samples."""
    return 4 * math.sqrt(probability * (1 - probability) / COUNT) + 1e-9


@pytest.mark.parametrize("law", [own() for own in LAWS.values()], ids=LAWS)
def test_a_sample_hangs_on_its_seed_and_index_alone(law) -> None:
    inputs, labels = law.draw(noise(torch.arange(40)))
    some = torch.tensor([31, 4, 17])
    own, own_labels = law.draw(noise(some))
    torch.testing.assert_close(own, inputs[some])
    assert torch.equal(own_labels, labels[some])
    assert inputs.dtype == torch.float32
    assert set(labels.tolist()) == set(range(len(law.classes)))
    other, _ = law.draw(noise(torch.arange(40), seed=1))
    assert not torch.isclose(other, inputs).all(1).any()


def test_classes_are_alike_in_number() -> None:
    _, labels = Spheres(dimensions=2, radii=(1.0, 2.0, 3.0)).draw(noise(torch.arange(COUNT)))
    for own in range(3):
        assert share(labels == own) == pytest.approx(1 / 3, abs=within(1 / 3))


@pytest.mark.parametrize(("mean", "deviation"), [(1.0, 1.0), (0.5, 2.0)])
def test_the_error_of_the_best_classifier_of_two_gaussians(mean, deviation) -> None:
    inputs, labels = TwoGaussians(4, mean, deviation).draw(noise(torch.arange(COUNT)))
    wrong = phi(-mean * 2 / deviation)  # sum_j w_j / ||w||_2 = sqrt(4)
    assert share((inputs.sum(1) > 0) != labels) == pytest.approx(wrong, abs=within(wrong))
    own = inputs * (2 * labels - 1)[:, None]
    torch.testing.assert_close(own.mean(0), torch.full((4,), mean), rtol=0, atol=0.03 * deviation)
    torch.testing.assert_close(own.std(0), torch.full((4,), deviation), rtol=0.03, atol=0)


def test_weak_features_are_right_together_and_fragile() -> None:
    """Tsipras et al. 2019: .977 clean, .023 where linf 2 eta turns their mean about."""
    law = StrongAndWeak(weak=100)
    inputs, labels = law.draw(noise(torch.arange(COUNT)))
    own = inputs * (2 * labels - 1)[:, None]
    assert law.mean == 0.2
    for eps, accuracy in ((0.0, phi(2)), (0.4, phi(-2))):
        right = own[:, 1:].mean(1) > eps
        assert share(right) == pytest.approx(accuracy, abs=within(accuracy))
    assert (own[:, 0].abs() == 1).all()
    assert share(own[:, 0] > 0) == pytest.approx(0.95, abs=within(0.95))


def test_spheres_have_their_radii_and_directions_without_a_preference() -> None:
    inputs, labels = Spheres(dimensions=8).draw(noise(torch.arange(COUNT)))
    lengths = inputs.norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([1.0, 1.3])[labels])
    directions = inputs / lengths[:, None]
    assert directions.mean(0).abs().max() < 4 / math.sqrt(8 * COUNT)
    second = directions.mT @ directions / COUNT
    torch.testing.assert_close(second, torch.eye(8) / 8, rtol=0, atol=0.006)


def test_exchanged_samples_are_the_same_ones_on_the_next_sphere() -> None:
    for radii in ((1.0, 1.3), (1.0, 2.0, 4.0)):
        inputs, labels = Spheres(6, radii).draw(noise(torch.arange(50)))
        moved, others = Spheres(6, radii, exchanged=True).draw(noise(torch.arange(50)))
        lengths = torch.tensor(radii)
        assert torch.equal(others, (labels + 1) % len(radii))
        torch.testing.assert_close(
            moved / lengths[others][:, None], inputs / lengths[labels][:, None]
        )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: TwoGaussians(features=0), "features must be at least 1; got 0"),
        (lambda: TwoGaussians(deviation=-1.0), "deviation must not be negative; got -1.0"),
        (lambda: StrongAndWeak(weak=0), "weak, a number of features, must be at least 1; got 0"),
        (lambda: StrongAndWeak(strong=1.5), r"strong, a probability, must lie in \[0, 1\]; got 1"),
        (lambda: Spheres(dimensions=1), "a sphere needs 2 dimensions or more; got 1"),
        (lambda: Spheres(radii=(1.3, 1.0)), r"positive numbers that ascend; got \[1.3, 1.0\]"),
        (lambda: Spheres(radii=(1.0,)), r"two or more positive numbers that ascend; got \[1.0\]"),
        (lambda: TwoGaussians(mean=math.nan), "mean must be finite; got nan"),
        (lambda: TwoGaussians(mean=-math.inf), "mean must be finite; got -inf"),
        (lambda: TwoGaussians(deviation=math.inf), "deviation must be finite; got inf"),
        (lambda: TwoGaussians(deviation=math.nan), "deviation must be finite; got nan"),
        (lambda: StrongAndWeak(eta=math.nan), "eta must be finite; got nan"),
        (lambda: StrongAndWeak(eta=math.inf), "eta must be finite; got inf"),
        (lambda: StrongAndWeak(strong=math.nan), "strong must be finite; got nan"),
        (lambda: Spheres(radii=(1.0, math.inf)), "radii must be finite; got inf"),
        (lambda: Spheres(radii=(math.nan, 2.0)), "radii must be finite; got nan"),
        (lambda: Spheres(radii=(1.0, math.nan, 2.0)), "radii must be finite; got nan"),
    ],
)
def test_laws_that_cannot_be_are_refused(make, match) -> None:
    with pytest.raises(ValueError, match=match):
        make()


def test_a_sample_may_be_a_picture() -> None:
    flat, labels = TwoGaussians(12).draw(noise(torch.arange(5)))
    pictures, own = TwoGaussians(12, shape=(3, 2, 2)).draw(noise(torch.arange(5)))
    assert torch.equal(own, labels)
    assert torch.equal(pictures, flat.view(5, 3, 2, 2))
    with pytest.raises(ValueError, match=r"shape \[3, 2\] must hold the 12 features; it holds 6"):
        TwoGaussians(12, shape=(3, 2))
