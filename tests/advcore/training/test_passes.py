"""Passes of a training step: each term's own count, by hand."""

import oracles
import pytest
import torch

from advcore import Randomness, probes
from advcore.attacks import FGSM, PGD
from advcore.training import (
    CURE,
    HAT,
    TRADES,
    AdversarialTraining,
    CrossEntropy,
    Free,
    GradientAlignment,
    GradientPenalty,
    LocalLinearity,
    WeightPerturbation,
)
from advcore.training.passes import Passes, passes_of_step

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))
COUNTS = [
    ({"a": CrossEntropy()}, (1, 1)),
    ({"a": CrossEntropy(), "b": CrossEntropy(weight=0.0)}, (1, 1)),
    ({"a": AdversarialTraining(PGD(0.0, steps=4))}, (1, 1)),
    ({"a": AdversarialTraining(FGSM(0.1))}, (2, 2)),
    ({"a": AdversarialTraining(PGD(0.1, steps=4))}, (5, 5)),
    ({"a": CrossEntropy(), "b": TRADES(0.1, steps=4)}, (8, 7)),
    ({"a": WeightPerturbation(PGD(0.1, steps=4))}, (6, 6)),
    ({"a": HAT(PGD(0.1, steps=4))}, (6, 6)),  # and a forward pass of the helper
    ({"a": GradientPenalty()}, (1, 2)),
    ({"a": CrossEntropy(), "b": CURE()}, (3, 5)),
    ({"a": CrossEntropy(), "b": GradientAlignment(0.1)}, (3, 4)),
    ({"a": CrossEntropy(), "b": LocalLinearity(0.1, steps=4)}, (7, 8)),
    ({"a": Free(0.1, replays=3)}, (3, 3)),
]


@pytest.mark.parametrize(("objective", "expected"), COUNTS, ids=lambda own: repr(own)[:60])
def test_passes_are_those_that_the_term_says(objective, expected):
    network = oracles.relu()
    assert passes_of_step(objective, network, IMAGES, LABELS, SOURCE) == Passes(*expected)


def test_the_network_is_left_alone_and_rows_hold_the_counts():
    network = oracles.Moody()
    before = oracles.state(network)
    probe = probes.TrainingPasses({"a": AdversarialTraining(PGD(0.1, steps=4))})
    table = probe.measure(network, probes.Batch(IMAGES, LABELS, torch.arange(6)), SOURCE)
    assert oracles.state(network) == before
    assert table["forward"].tolist() == table["backward"].tolist() == [5.0] * 6
    assert probe.summarise(table).scalars == {"forward": 5.0, "backward": 5.0}


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ValueError, match="objective needs a term with a weight above 0"):
        probes.TrainingPasses({"a": CrossEntropy(weight=0.0)})
    probe = probes.TrainingPasses({"a": CrossEntropy()})
    with pytest.raises(ValueError, match="needs a network that can be trained"):
        probe.measure(lambda images: images, probes.Batch(IMAGES, LABELS, LABELS), SOURCE)
