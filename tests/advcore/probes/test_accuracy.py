"""Accuracy: labels as they are, with the interval of their share."""

import oracles
import torch

from advcore import Randomness
from advcore.probes import Accuracy, Batch, Table
from advcore.shares import wilson

AFFINE = oracles.Affine(3)
IMAGES = oracles.images(10)


def test_predictions_beside_labels():
    truth = AFFINE(IMAGES).argmax(1)
    labels = truth.clone()
    labels[:3] = (labels[:3] + 1) % 3
    batch = Batch(IMAGES, labels, torch.arange(20, 30))
    table = Table(Accuracy().measure(AFFINE, batch, Randomness(0, batch.indices)))
    assert table["sample"].tolist() == list(range(20, 30))
    assert torch.equal(table["prediction"], truth)
    assert table["correct"].tolist() == [False] * 3 + [True] * 7
    torch.testing.assert_close(
        table["confidence"], AFFINE(IMAGES).detach().softmax(1).amax(1), rtol=1e-5, atol=0
    )
    scalars = Accuracy().summarise(table).scalars
    assert scalars["accuracy"] == 0.7
    assert (scalars["accuracy_low"], scalars["accuracy_high"]) == wilson(7, 10)
    assert not Accuracy().summarise(table.take(torch.arange(0))).scalars
    assert Accuracy().charts({"affine": table}) == []
