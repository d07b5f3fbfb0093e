"""Samples against those that they are like: distances, features, a judge's word."""

import pytest
import torch
from oracles import images
from torch import nn

from advcore import Randomness
from advcore.learnt import Declared, Learnt
from advcore.probes import Batch, Likeness

SHAPE = (1, 3, 3)
TRUE = images(8, SHAPE).float()
FIT = Learnt("true", "key", {"inputs": TRUE, "labels": torch.arange(8), "indices": torch.arange(8)})


class Judge(nn.Module):
    """Features `M x`, of which a linear layer makes three logits."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(9, 5, generator=generator)
        self.head = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head(inputs.flatten(1) @ self.matrix)


def measured(probe, inputs, indices, judge=None):
    batch = Batch(inputs, torch.zeros(len(inputs), dtype=torch.int64), indices)
    return probe.measure(judge or Judge(), batch, Randomness(0, indices))


def test_distances_and_features_are_those_of_numpy():
    made, indices, judge = images(5, SHAPE, seed=3).float(), torch.tensor([7, 2, 0, 1, 4]), Judge()
    rows = measured(Likeness(FIT, FIT, features=True), made, indices, judge)
    apart = (made.numpy()[:, None] - TRUE.numpy()).reshape(5, 8, 9)
    lengths = torch.as_tensor((apart**2).sum(2) ** 0.5)
    torch.testing.assert_close(rows["nearest"], lengths.min(1).values)
    assert torch.equal(rows["nearest_label"], lengths.argmin(1))
    torch.testing.assert_close(rows["error"], lengths[torch.arange(5), indices])
    torch.testing.assert_close(rows["features"], made.flatten(1) @ judge.matrix)
    assert torch.equal(rows["prediction"], judge(made).argmax(1))


def test_a_copy_is_told():
    rows = measured(Likeness(FIT), TRUE[[3, 5]], torch.tensor([0, 1]))
    assert rows["nearest"].tolist() == [0, 0]
    assert rows["nearest_label"].tolist() == [3, 5]
    assert Likeness(FIT).summarise(rows).scalars["nearest"] == 0
    assert "error" not in rows


@pytest.mark.parametrize(
    ("indices", "message"),
    [(torch.tensor([1, 99]), "it has 0 of 99"), (torch.tensor([3, 0]), "it has 2 of 3")],
)
def test_samples_without_one_original_are_refused(indices, message):
    twice = Learnt(
        "true", "key", {**FIT.tensors, "indices": torch.tensor([0, 1, 2, 3, 3, 4, 5, 6])}
    )
    with pytest.raises(ValueError, match=message):
        measured(Likeness(originals=twice), TRUE[:2], indices)


def test_exemplars_of_other_inputs_are_refused():
    other = Learnt("others", declared=Declared({"inputs": (8, 1, 4, 4)}))
    for probe in (Likeness(other), Likeness(originals=other)):
        with pytest.raises(ValueError, match=r"others has exemplars \(8, 1, 4, 4\)"):
            probe.validate(SHAPE, 3)


def test_exemplars_without_labels_or_of_nan_are_refused():
    bare = Learnt("bare", declared=Declared({"inputs": (8, *SHAPE)}))
    with pytest.raises(ValueError, match="the fit bare has no 'labels'; it has inputs"):
        Likeness(bare).validate(SHAPE, 3)
    broken = Learnt("broken", tensors={**FIT.tensors, "inputs": TRUE / 0})
    for probe in (Likeness(broken), Likeness(originals=broken)):
        with pytest.raises(ValueError, match="the fit broken has samples with NaN or infinite"):
            measured(probe, TRUE[:2], torch.tensor([0, 1]))


def test_features_need_a_last_layer():
    with pytest.raises(ValueError, match=r"need a torch\.nn\.Module"):
        Likeness(features=True).check_layers(lambda x: x, TRUE)
    Likeness().check_layers(lambda x: x, TRUE)
