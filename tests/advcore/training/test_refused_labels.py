"""Terms that are called by hand with labels that are none of the classes."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import FGSM
from advcore.training import (
    CURE,
    HAT,
    RLAT,
    AdversarialTraining,
    CrossEntropy,
    Free,
    Gaussian,
    SquaredError,
)
from advcore.training.term import prepared

IMAGES, LABELS, SOURCE = oracles.images(4), torch.arange(4), Randomness(0, torch.arange(4))
TERMS = [
    HAT(FGSM(0.1)),
    AdversarialTraining(FGSM(0.1)),
    CrossEntropy(),
    SquaredError(),
    Free(0.1),
    Gaussian(0.1),
    CURE(),
    RLAT(0.1),
]


@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
def test_labels_of_no_class_are_refused_by_name(term):
    network = prepared({"own": term}, oracles.softplus())["own"]
    with pytest.raises(ValueError, match=r"labels must lie in 0..3 \(4 logits\); got 0..7"):
        term(network, IMAGES, LABELS + 4 * (LABELS == 3), SOURCE)
    assert network.training  # as it came


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        CrossEntropy()(oracles.softplus(), IMAGES[..., 1:], LABELS, SOURCE)
