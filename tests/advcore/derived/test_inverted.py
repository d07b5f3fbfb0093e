"""Feature inversion where its end is known: linear features, and none."""

from dataclasses import replace

import pytest
import torch
from oracles import Affine, images
from torch import Tensor, nn

from advcore.classifier import Normalized
from advcore.derived import Inverted
from advcore.networks import lenet
from advcore.penultimate import last_features
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

COUNT, SHAPE = 12, (1, 3, 3)


class Linear(nn.Module):
    """Features `M x`, and three logits of them."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.matrix = nn.Parameter(matrix)
        self.head = nn.Linear(len(matrix), 3, dtype=matrix.dtype)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(3, len(matrix), generator=generator))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs.flatten(1) @ self.matrix.mT)


def square(seed: int = 0) -> Tensor:
    """A matrix of full rank, of condition below 3."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(9, 9, dtype=torch.float64, generator=generator)
    left, _, right = torch.linalg.svd(noise)
    return left @ torch.linspace(1.0, 2.5, 9, dtype=torch.float64).diag() @ right


def some(dtype: torch.dtype = torch.float64) -> Batch:
    inputs = images(COUNT, SHAPE, dtype, 0.8)
    labels, indices = torch.arange(COUNT) % 3, 5 * torch.arange(COUNT)
    batch = Batch(inputs, labels, indices)
    return replace(batch, others=batch.take((torch.arange(COUNT) + 5) % COUNT))


def made_by(derivation: Inverted, network: nn.Module, batch: Batch, seed: int = 0):
    return derivation.make(network, batch, Randomness(seed, batch.indices))


@pytest.mark.parametrize("begin_at", ["other_image", "noise"])
def test_features_that_tell_all_give_the_sample_back(begin_at):
    batch = some()
    made = made_by(Inverted(begin_at, steps=400, step_size=0.2), Linear(square()), batch)
    assert torch.allclose(made.inputs, batch.inputs, atol=1e-5)
    assert made.columns["residual"].max() < 1e-5
    assert made.columns["before"].min() > 0.05
    assert torch.equal(made.labels, batch.labels)
    assert torch.equal(made.inputs, made.inputs.float().double())


def test_the_identity_is_reached_along_a_straight_line():
    batch = some()
    away = (batch.others.inputs - batch.inputs).flatten(1).norm(dim=1)
    steps = int(away.max() / 0.1) + 1
    network = Linear(torch.eye(9, dtype=torch.float64))
    made = made_by(Inverted(steps=steps), network, batch)
    assert torch.allclose(made.inputs, batch.inputs, atol=1e-6)
    few = made_by(Inverted(steps=2), network, batch)
    assert torch.allclose(few.columns["distance"], (away - 0.2).clamp(min=0), atol=1e-6)
    length = batch.inputs.flatten(1).norm(dim=1)
    assert torch.allclose(few.columns["residual"], few.columns["distance"] / length, atol=1e-6)
    assert torch.allclose(few.columns["before"], away / length)


def test_what_features_do_not_see_stays_that_of_the_other_image():
    batch = some()
    seen = square()[:4]
    made = made_by(Inverted(steps=400, box=False), Linear(seen), batch)
    onto = torch.linalg.pinv(seen) @ seen
    expected = (
        batch.others.inputs.flatten(1) @ (torch.eye(9) - onto) + batch.inputs.flatten(1) @ onto
    )
    assert torch.allclose(made.inputs.flatten(1), expected, atol=1e-5)
    assert torch.equal(made.columns["began_at"], batch.others.indices)


def test_the_nearest_on_the_way_in_the_box():
    batch = some(torch.float32)
    network = Normalized(lenet(3, side=12), (0.5,), (0.5,))
    inputs = images(COUNT, (1, 12, 12), torch.float32)
    batch = Batch(inputs, batch.labels, batch.indices)
    batch = replace(batch, others=batch.take((torch.arange(COUNT) + 1) % COUNT))
    few, more = (made_by(Inverted(steps=steps), network, batch) for steps in (3, 12))
    assert (more.columns["residual"] <= few.columns["residual"] + 1e-6).all()
    assert (few.columns["residual"] < few.columns["before"]).all()
    assert ((more.inputs >= 0) & (more.inputs <= 1)).all()
    assert not any(module._forward_pre_hooks for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    with last_features(network, inputs) as features:
        left = (features(more.inputs) - features(inputs)).norm(dim=1) / features(inputs).norm(dim=1)
    assert torch.allclose(left, more.columns["residual"])


def test_a_sample_does_not_hang_on_its_batch():
    batch, network = some(), Linear(square(1))
    for derivation in (Inverted(steps=3), Inverted("noise", steps=3)):
        whole = made_by(derivation, network, batch)
        parts = [
            made_by(derivation, network, batch.take(rows)) for rows in torch.arange(12).split(5)
        ]
        assert torch.allclose(torch.cat([part.inputs for part in parts]), whole.inputs, atol=1e-6)
    assert (whole.columns["began_at"] == -1).all()
    again = made_by(derivation, network, batch, seed=1)
    assert not torch.allclose(again.inputs, whole.inputs, atol=1e-2)


def test_features_that_are_nothing():
    batch = some()
    made = made_by(Inverted(steps=3), Linear(torch.zeros(4, 9, dtype=torch.float64)), batch)
    assert torch.equal(made.inputs, batch.others.inputs.float().double())
    assert not made.columns["residual"].any()


def test_settings_and_networks_that_invert_nothing():
    for settings in ({"steps": 0}, {"step_size": 0.0}):
        with pytest.raises(ValueError, match="steps must be at least 1 and step_size above 0"):
            Inverted(**settings)
    with pytest.raises(ValueError, match="begin_at: other_image needs batches with `others`"):
        made_by(Inverted(), Linear(square()), replace(some(), others=None))
    with pytest.raises(ValueError, match="output of a linear layer or a 1x1"):
        Inverted().check_layers(Affine(shape=SHAPE), some().inputs)
    with pytest.raises(ValueError, match=r"need a torch\.nn\.Module; got a function"):
        Inverted().check_layers(lambda inputs: inputs.flatten(1), some().inputs)
    Inverted().check_layers(Linear(square()), some().inputs)
    Inverted().validate(SHAPE, 3)
    assert [Inverted(box=box).stays_in_box(True) for box in (True, False)] == [True, False]
    with pytest.raises(ValueError, match="must lie in"):
        made_by(Inverted(), Linear(square()), replace(some(), inputs=some().inputs + 1))
