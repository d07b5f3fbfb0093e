"""Inputs moved towards exemplars, against searches and projections by their definition."""

import itertools
from dataclasses import replace

import pytest
import torch
from learning import learn
from oracles import images

from advcore.derived import Towards
from advcore.fits import ClassStatistics, Exemplars
from advcore.learnt import Learnt
from advcore.norms import norm_by_name
from advcore.probes.probe import Batch
from advcore.randomness import Randomness, drawn_places

SHAPE = (1, 3, 3)
KEPT = Learnt(
    "kept", "f00d", {"inputs": images(20, SHAPE, torch.float32), "labels": torch.arange(20) % 4}
)


def some(dtype: torch.dtype = torch.float64) -> Batch:
    x = images(9, SHAPE, dtype, spread=0.5)
    return Batch(x, torch.arange(9) % 4, 3 * torch.arange(9))


def made_by(derivation: Towards, batch: Batch):
    return derivation.make(None, batch, Randomness(0, batch.indices))


def brute_force(batch: Batch, same: bool) -> list[int]:
    """The nearest exemplar of each sample, one pair at a time."""
    found = []
    for x, label in zip(batch.inputs, batch.labels, strict=True):
        pairs = enumerate(zip(KEPT["inputs"], KEPT["labels"], strict=True))
        allowed = [
            ((x - g.double()).norm().item(), i)
            for i, (g, other) in pairs
            if (other == label) == same
        ]
        found.append(min(allowed)[1])
    return found


@pytest.mark.parametrize("goal", ["other_class", "same_class"])
def test_the_exemplar_is_the_nearest_of_those_wanted(goal):
    batch = some()
    made = made_by(Towards(KEPT, 10.0, goal=goal), batch)
    nearest = brute_force(batch, goal == "same_class")
    assert made.columns["exemplar"].tolist() == nearest
    assert torch.equal(made.columns["target"], KEPT["labels"][nearest])
    assert ((made.columns["target"] == batch.labels) == (goal == "same_class")).all()
    assert torch.allclose(made.inputs.float(), KEPT["inputs"][nearest])  # the ball holds it
    assert made.columns["left"].max() < 1e-6


@pytest.mark.parametrize(("norm", "eps"), itertools.product(["l1", "l2", "linf"], [0.0, 0.1, 0.4]))
def test_it_is_the_point_of_the_ball_that_is_nearest_to_the_exemplar(norm, eps):
    batch, own = some(), norm_by_name(norm)
    made = made_by(Towards(KEPT, eps, norm), batch)
    goals = KEPT["inputs"][made.columns["exemplar"]].double()
    added, wanted = made.inputs - batch.inputs, goals - batch.inputs
    assert (own.size(added) <= eps + 1e-6).all()
    assert torch.allclose(made.columns["distance"], own.size(added))
    assert torch.allclose(made.columns["left"], (goals - made.inputs).flatten(1).norm(dim=1))
    # a point of a convex set is nearest where every other one lies at an obtuse angle
    others = own.project(
        torch.randn(200, 1, *SHAPE, generator=torch.Generator().manual_seed(0)), eps
    )
    steps = (others.double() - added) * (wanted - added)
    assert (steps.flatten(2).sum(2) <= 1e-6).all()
    if norm == "linf":
        assert torch.allclose(added, wanted.clamp(-eps, eps), atol=1e-6)
    if norm == "l2":
        share = (eps / wanted.flatten(1).norm(dim=1)).clamp(max=1).view(-1, 1, 1, 1)
        assert torch.allclose(added, share * wanted, atol=1e-6)


def test_labels_are_those_before_or_those_of_the_exemplars():
    batch = some()
    before, after = (made_by(Towards(KEPT, 0.2, labels=own), batch) for own in ("true", "target"))
    assert torch.equal(before.labels, batch.labels)
    assert torch.equal(after.labels, after.columns["target"])
    assert torch.equal(before.inputs, after.inputs)


def test_classes_may_have_their_means_as_exemplars():
    """A class without samples has none."""
    batch = some()
    learnt = learn(
        ClassStatistics(1), None, [Batch(batch.inputs, batch.labels % 3, batch.indices)], 4
    )
    means = Learnt("means", "f00d", learnt.tensors)
    made = made_by(Towards(means, 10.0), batch)
    assert set(made.columns["target"].tolist()) <= {0, 1, 2}
    assert torch.allclose(made.inputs.float(), learnt.tensors["mean"][made.columns["target"]])


def test_a_fit_of_exemplars_is_one():
    batch = replace(some(torch.float32), places=drawn_places(some().indices))
    kept = Learnt("kept", "", learn(Exemplars(), None, [batch], 4).tensors)
    made = made_by(Towards(kept, 10.0, goal="same_class"), batch)
    assert torch.equal(made.inputs, batch.inputs)  # each is its own nearest


def test_the_box_is_kept():
    batch = some()
    outside = Learnt("far", "", {"inputs": KEPT["inputs"] + 3, "labels": KEPT["labels"]})
    made = made_by(Towards(outside, 0.9), batch)
    assert made.inputs.min() >= 0
    assert made.inputs.max() == 1
    free = made_by(Towards(outside, 0.9, box=False), batch)
    assert free.inputs.max() > 1
    assert [Towards(KEPT, 1.0, box=box).stays_in_box(True) for box in (True, False)] == [
        True,
        False,
    ]
    with pytest.raises(ValueError, match="must lie in"):
        made_by(Towards(KEPT, 0.9), Batch(batch.inputs + 1, batch.labels, batch.indices))


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (Learnt("f", "", {"means": torch.zeros(3)}), "has no 'inputs' and no 'mean'"),
        (Learnt("f", "", {"inputs": torch.zeros(3, *SHAPE)}), "has no 'labels' and no 'count'"),
        (
            Learnt("f", "", {"mean": torch.zeros(3, 9), "count": torch.ones(3)}),
            r"exemplars \(3, 9\); some of inputs \(1, 3, 3\)",
        ),
        (
            Learnt("f", "", {"inputs": torch.zeros(2, *SHAPE), "labels": torch.zeros(2).long()}),
            "no exemplar of another class than 0",
        ),
    ],
)
def test_fits_without_exemplars_are_refused(fit, message):
    with pytest.raises(ValueError, match=message):
        made_by(Towards(fit, 0.3), some())


def test_a_class_without_exemplars_of_its_own_is_refused():
    fit = Learnt("f", "", {"inputs": KEPT["inputs"], "labels": KEPT["labels"] % 3})
    with pytest.raises(ValueError, match="no exemplar of the class 3"):
        made_by(Towards(fit, 0.3, goal="same_class"), some())
    Towards(Learnt("not yet"), 0.3).validate(SHAPE, 4)


def test_labels_of_exemplars_must_be_classes():
    means = {"mean": torch.zeros(9, *SHAPE), "count": torch.tensor([1, 0, 2, 1, 0, 0, 0, 0, 0])}
    for fit in (KEPT, Learnt("means", "", means)):
        Towards(fit, 0.3).validate(SHAPE, 3)
        Towards(fit, 0.3, labels="target").validate(SHAPE, 4)
        with pytest.raises(ValueError, match="exemplars of class 3, which would be labels; there"):
            Towards(fit, 0.3, labels="target").validate(SHAPE, 3)


@pytest.mark.parametrize("eps", [-1.0, float("inf"), float("nan")])
def test_a_radius_must_be_finite(eps):
    with pytest.raises(ValueError, match="eps must be a finite number >= 0"):
        Towards(KEPT, eps)
