"""Images made by an ascent: class Gaussians, own classes, windows, features, sketches."""

from dataclasses import replace

import pytest
import torch
from oracles import Affine, images
from torch import nn

from advcore.attacks import PGD, DeepFool
from advcore.derived import AdversarialExamples, ClassGaussian, Inverted, Painted
from advcore.derived.morphology import outlines
from advcore.learnt import Declared, Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.rectangle import Rectangle
from advcore.threats import Window

SHAPE, COUNT = (1, 4, 4), 12
AXES = torch.eye(16)[torch.tensor([[0, 1], [5, 9], [2, 15]])].view(3, 2, *SHAPE)
STATISTICS = {
    "count": torch.tensor([4, 4, 4]),
    "mean": torch.tensor([0.3, 0.5, 0.6]).view(3, 1, 1, 1).expand(3, *SHAPE),
    "axes": AXES,
    "variance": torch.tensor([[0.04, 0.01], [0.02, 0.0], [0.03, 0.03]]),
}
FIT = Learnt("classes", "key", STATISTICS)


class Features(nn.Module):
    """Features `relu(x M)`, and three logits of them."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.matrix = nn.Parameter(torch.randn(16, 5, generator=generator) / 4)
        self.head = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head((inputs.flatten(1) @ self.matrix).relu())


def some(count: int = COUNT) -> Batch:
    x = images(count, SHAPE, torch.float32, 0.4)
    return Batch(x, torch.arange(count) % 3, 5 * torch.arange(count))


def made_by(derivation, batch: Batch, network=None, seed: int = 0):
    return derivation.make(network, batch, Randomness(seed, batch.indices))


def test_draws_have_the_moments_of_their_class():
    batch = some(6000)
    drawn = made_by(ClassGaussian(FIT, box=False), batch)
    assert torch.equal(drawn.labels, batch.labels)
    for k in range(3):
        own = drawn.inputs[batch.labels == k].flatten(1) - STATISTICS["mean"][k].flatten()
        axes = AXES[k].flatten(1)
        along, variance = own @ axes.T, STATISTICS["variance"][k]
        assert (along.mean(0).abs() < 4 * (variance / 2000).sqrt() + 1e-9).all()
        torch.testing.assert_close(along.var(0), variance, rtol=0.15, atol=1e-9)
        assert (own - along @ axes).abs().max() < 1e-6


def test_draws_are_of_the_seed_and_the_index_and_keep_to_the_box():
    batch = some()
    whole = made_by(ClassGaussian(FIT), batch)
    assert ((whole.inputs >= 0) & (whole.inputs <= 1)).all()
    half = batch.take(slice(5, None))
    torch.testing.assert_close(made_by(ClassGaussian(FIT), half).inputs, whole.inputs[5:])
    other = replace(batch, inputs=1 - batch.inputs)
    assert torch.equal(made_by(ClassGaussian(FIT), other).inputs, whole.inputs)
    assert not torch.equal(made_by(ClassGaussian(FIT), batch, seed=1).inputs, whole.inputs)
    means = made_by(ClassGaussian(FIT, rank=0), batch).inputs
    assert torch.equal(means, STATISTICS["mean"][batch.labels])


def test_gaussians_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="rank must be 0 or more"):
        ClassGaussian(FIT, rank=-1)
    for shape, classes, rank in (((1, 5, 5), 3, None), (SHAPE, 4, None), (SHAPE, 3, 3)):
        with pytest.raises(ValueError, match=r"has means .* and 2 axes a class"):
            ClassGaussian(FIT, rank).validate(shape, classes)
    ClassGaussian(FIT, 2).validate(SHAPE, 3)
    ClassGaussian(Learnt("unknown")).validate(SHAPE, 3)
    with pytest.raises(ValueError, match="no 'axes'"):
        ClassGaussian(Learnt("x", declared=Declared({"mean": (3, *SHAPE)}))).validate(SHAPE, 3)
    lacking = Learnt("classes", "key", {**STATISTICS, "count": torch.tensor([4, 0, 4])})
    with pytest.raises(ValueError, match="has seen no sample of class 1"):
        made_by(ClassGaussian(lacking), some())


def test_the_own_class_is_painted_in_a_window_alone():
    batch, network = some(), Affine(scale=3.0).float()
    attack = PGD(2.0, "l2", 20, random_start=False, threat=Window(Rectangle(1, 0, 2, 4)))
    made = made_by(AdversarialExamples(attack, "own", "target"), batch, network)
    assert torch.equal(made.labels, batch.labels)
    assert torch.equal(made.columns["target"], batch.labels)
    assert torch.equal(made.inputs[:, :, [0, 3]], batch.inputs[:, :, [0, 3]])
    before, after = (
        network(own).log_softmax(1).gather(1, batch.labels[:, None])
        for own in (batch.inputs, made.inputs)
    )
    assert (after > before).all()
    said = network(made.inputs).argmax(1)
    assert torch.equal(made.columns["found"], said == batch.labels)


def test_one_feature_is_painted():
    batch, network = some(), Features()
    k = int((batch.inputs.flatten(1) @ network.matrix).mean(0).argmax())
    attack = PGD(1.0, "l2", 20, random_start=False, objective="logit")
    made = made_by(Painted(k, attack), batch, network)
    before, after = (
        (own.flatten(1) @ network.matrix).relu()[:, k] for own in (batch.inputs, made.inputs)
    )
    torch.testing.assert_close(made.columns["before"], before)
    torch.testing.assert_close(made.columns["feature"], after)
    alive = before > 0
    assert alive.any()
    assert (after > before)[alive].all()
    assert torch.equal(made.labels, batch.labels)
    assert (made.columns["distance"] <= 1 + 1e-5).all()
    unboxed = replace(attack, box=False)
    free = made_by(Painted(k, unboxed), batch, network).columns["feature"]
    torch.testing.assert_close(free[alive], before[alive] + network.matrix[:, k].norm())


def test_features_that_cannot_be_painted_are_refused():
    with pytest.raises(ValueError, match="feature must be 0 or more; got -1"):
        Painted(-1, PGD(1.0))
    for attack in (PGD(), DeepFool()):
        with pytest.raises(ValueError, match="painting needs an attack with eps"):
            Painted(0, attack).validate(SHAPE, 3)
    with pytest.raises(ValueError, match=r"feature must be below 5, .* got 5"):
        Painted(5, PGD(1.0)).check_layers(Features(), some().inputs)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_features_are_interpolated(share):
    batch, network = some(), Features()
    start = batch.take((torch.arange(COUNT) + 5) % COUNT)
    made = made_by(Inverted(steps=200, share=share), replace(batch, others=start), network)
    seen, goal, first = (
        (own.flatten(1) @ network.matrix).relu()
        for own in (made.inputs, batch.inputs, start.inputs)
    )
    mixed = share * goal + (1 - share) * first
    residual = (seen - mixed).norm(dim=1) / mixed.norm(dim=1)
    torch.testing.assert_close(made.columns["residual"], residual, atol=1e-5, rtol=1e-3)
    assert residual.median() < 0.05
    if share == 0:
        assert torch.equal(made.inputs, start.inputs)
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\]; got 1.5"):
        Inverted(share=1.5)


def test_outlines_are_bright_at_edges_alone():
    square = torch.zeros(1, 2, 7, 7)
    square[0, 0, 2:7, 2:7] = 0.6
    found = outlines(square)
    assert not found[0, 1].any()
    expected = torch.zeros(7, 7)
    expected[1:, 1:] = 0.6
    expected[3:, 3:] = 0
    torch.testing.assert_close(found[0, 0], expected)
    with pytest.raises(ValueError, match="an outline needs pictures"):
        outlines(torch.zeros(2, 5))
