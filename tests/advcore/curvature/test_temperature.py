import math

import oracles
import pytest
import torch

from advcore.curvature import Tempered, check_confidence, temperature_for
from advcore.probes import median


def test_two_affine_classes_in_closed_form():
    """The largest probability is 1 / (1 + exp(-gap / T)): its median is .9 where T is the median
    gap over log 9.
    """
    affine = oracles.Affine(2, scale=7.0)
    logits = affine(oracles.images(51)).detach()
    gap = (logits[:, 0] - logits[:, 1]).abs()
    assert temperature_for(logits) == pytest.approx(median(gap) / math.log(9), rel=1e-3)
    assert temperature_for(logits, 0.75) == pytest.approx(median(gap) / math.log(3), rel=1e-3)


@pytest.mark.parametrize("confidence", [0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("count", [1, 6, 7])
def test_the_median_confidence_is_the_one_wanted(confidence, count):
    logits = oracles.relu()(oracles.images(count)).detach()
    own = temperature_for(logits, confidence)
    assert (logits / own).softmax(1).amax(1).quantile(0.5).item() == pytest.approx(
        confidence, rel=2e-3
    )
    assert temperature_for(10 * logits, confidence) == pytest.approx(10 * own, rel=1e-3)
    assert own == float(f"{own:.4g}")


def test_rounding_of_the_logits_is_not_seen():
    logits = oracles.relu()(oracles.images(20)).detach()
    assert temperature_for(logits.float()) == temperature_for(logits)


def test_equal_logits_have_no_temperature():
    assert temperature_for(torch.zeros(4, 3)) == 1e-6


def test_classes_and_boundary_are_left():
    network, images = oracles.relu(), oracles.images(5)
    tempered = Tempered(network, 4.0)
    torch.testing.assert_close(tempered(images), network(images) / 4)
    assert torch.equal(tempered.rows(torch.tensor([1, 0]))(images), tempered(images))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: temperature_for(torch.zeros(0, 3)),
            r"a temperature needs logits \(N, K\) of at least one sample; got \(0, 3\)",
        ),
        (lambda: temperature_for(torch.full((2, 3), torch.nan)), "NaN or infinite logits"),
        (
            lambda: check_confidence(0.1, 10),
            r"confidence must lie in \(1 / K, 1\), K = 10 classes: 0.9, say; got 0.1",
        ),
        (lambda: check_confidence(1.0, 10), "got 1.0"),
        (
            lambda: Tempered(oracles.relu(), 0.0),
            "temperature must be a positive number, 1 for the logits as they are; got 0.0",
        ),
    ],
)
def test_bad_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
