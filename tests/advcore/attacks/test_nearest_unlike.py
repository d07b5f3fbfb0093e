"""The nearest unlike neighbour against the closed form on a segment."""

import oracles
import pytest
import torch

from advcore import Randomness, Targeted
from advcore.attacks import NearestUnlike, Status
from advcore.learnt import Learnt

SAMPLES, LABELS = oracles.images(12, seed=1), torch.arange(12) % 3
FIT = Learnt("some", tensors={"inputs": SAMPLES, "labels": LABELS})


def attacked(attack, inputs, targets):
    noise = Randomness(0, torch.arange(len(inputs)))
    return attack(oracles.Affine(), inputs, Targeted(targets), noise)


def test_where_a_segment_crosses_is_known_of_an_affine_classifier():
    """The lead of the target grows linearly along it, so it is 0 at the share a / (a + b)."""
    network, inputs = oracles.Affine(), oracles.images(8)
    targets = (network(inputs).argmax(1) + 1) % 3

    def lead(points, target):
        logits = network(points)
        others = logits.masked_fill(torch.arange(3) == target, -torch.inf)
        return logits[:, target, None] - others

    expected = []
    for row, target in zip(inputs, targets.tolist(), strict=True):
        ends = SAMPLES[(target == LABELS) & (network(SAMPLES).argmax(1) == target)]
        before, after = lead(row[None], target), lead(ends, target)
        crossings = (before / (before - after)).masked_fill(before > 0, 0.0)
        crossings[:, target] = 0  # the last of the other classes to be passed
        lengths = crossings.amax(1) * (ends - row).flatten(1).norm(dim=1)
        expected.append(lengths.min() if len(ends) else torch.tensor(torch.inf))
    result = attacked(NearestUnlike(FIT, neighbours=12, steps=30), inputs, targets)
    torch.testing.assert_close(result.distance, torch.stack(expected).double(), rtol=1e-6, atol=0)
    assert result.found.any()
    assert not result.gradients.any()
    assert torch.equal(network(result.images).argmax(1)[result.found], targets[result.found])


def test_a_class_without_samples_is_not_reached():
    few = Learnt("some", tensors={"inputs": SAMPLES[LABELS < 2], "labels": LABELS[LABELS < 2]})
    inputs = oracles.images(8)
    inputs = inputs[oracles.Affine()(inputs).argmax(1) != 2]
    result = attacked(NearestUnlike(few), inputs, torch.full((len(inputs),), 2))
    assert not result.found.any()
    assert (result.status == Status.FAILED).all()
    assert result.distance.isinf().all()


def test_what_cannot_be_tried_is_refused():
    with pytest.raises(ValueError, match="neighbours must be at least 1; got 0"):
        NearestUnlike(FIT, neighbours=0)
    with pytest.raises(ValueError, match="steps must be at least 0; got -1"):
        NearestUnlike(FIT, steps=-1)
    other = Learnt("other", tensors={"inputs": oracles.images(3, (1, 5, 5)), "labels": LABELS[:3]})
    inputs = oracles.images(8)
    targets = (oracles.Affine()(inputs).argmax(1) + 1) % 3
    with pytest.raises(ValueError, match=r"other has samples \(1, 5, 5\); these inputs are"):
        attacked(NearestUnlike(other), inputs, targets)
    for tensors, match in (
        ({"labels": torch.full((12,), 3)}, r"the fit odd: labels must lie in 0\.\.2 \(3 logits\)"),
        ({"labels": torch.full((12,), 0.5)}, "the fit odd: labels must be whole numbers"),
        ({"inputs": SAMPLES.clone().fill_(torch.nan)}, "the fit odd has samples with NaN"),
    ):
        odd = Learnt("odd", tensors={"inputs": SAMPLES, "labels": LABELS} | tensors)
        with pytest.raises(ValueError, match=match):
            attacked(NearestUnlike(odd), inputs, targets)
