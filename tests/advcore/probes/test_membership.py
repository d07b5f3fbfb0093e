"""The probe of membership: its columns by what they are made of, and its refusals."""

import oracles
import pytest
import torch

from advcore import Randomness, probes
from advcore.attacks import PGD, DeepFool
from advcore.membership import label_scores

BATCH = probes.Batch(oracles.images(6), torch.arange(6) % 4, torch.arange(6))


def measured(probe, network):
    return probe.measure(network, BATCH, Randomness(0, BATCH.indices))


def test_columns_are_scores_of_images_views_and_attacked_images():
    network = oracles.relu(width=6, depth=1)
    rows = measured(probes.Membership(PGD(0.2, "l2", 10), DeepFool(), shift=1), network)
    scores = label_scores(network(BATCH.inputs), BATCH.labels)
    assert torch.allclose(rows["score"], scores)
    assert torch.allclose(rows["confidence"], scores.sigmoid())
    assert torch.allclose(rows["views"][:, 0], scores)
    assert rows["views"].shape == (6, 5)
    up = torch.zeros_like(BATCH.inputs)
    up[:, :, 1:] = BATCH.inputs[:, :, :-1]
    assert torch.allclose(rows["views"][:, 1], label_scores(network(up), BATCH.labels))
    right = torch.zeros_like(BATCH.inputs)
    right[..., :-1] = BATCH.inputs[..., 1:]
    assert torch.allclose(rows["views"][:, 4], label_scores(network(right), BATCH.labels))
    assert (rows["attacked_score"] < rows["score"]).all()  # also of those that were wrong before
    assert torch.equal(rows["margin"] == 0, ~rows["correct"])


def test_without_attacks_there_are_no_such_columns():
    rows = measured(probes.Membership(), oracles.relu(width=6, depth=1))
    assert set(rows) == {"sample", "correct", "confidence", "score", "views"}
    assert rows["views"].shape == (6, 1)


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="attack must have a budget, as pgd has"):
        probes.Membership(DeepFool())
    with pytest.raises(ValueError, match="margin must be a minimal-norm attack, as deepfool is"):
        probes.Membership(margin=PGD(0.1))
    with pytest.raises(ValueError, match="eps"):
        probes.Membership(PGD())
    with pytest.raises(ValueError, match="shift must not be negative, in pixels; got -1"):
        probes.Membership(shift=-1)
    with pytest.raises(ValueError, match="shift must be below the images' sides, 4 x 4; got 4"):
        probes.Membership(shift=4).validate((1, 4, 4), 4)
    with pytest.raises(ValueError, match="membership needs at least two classes; got 1"):
        probes.Membership().validate((1, 4, 4), 1)
