from dataclasses import replace

import oracles
import pytest
import torch
from learning import assert_resumes, assert_same_bits, learn, shards

from advcore.fits import FitSamples, Sequential
from advcore.norms import norm_by_name

IMAGES = oracles.images(30, dtype=torch.float32)
RELU = oracles.relu(dtype=torch.float32)
TWO = oracles.Affine(2, dtype=torch.float32)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_it_ends_at_its_fooling_rate_inside_the_ball(norm):
    radius = {"l2": 1.5, "linf": 0.5}[norm]
    fit = Sequential(norm=norm, radius=radius, fooling=0.5, passes=20)
    learnt = learn(fit, RELU, shards(IMAGES, [30]), 4)
    vector = learnt.tensors["vector"]
    assert norm_by_name(norm).size(vector[None]).item() <= radius * (1 + 1e-6)
    fooled = RELU(IMAGES + vector).argmax(1) != RELU(IMAGES).argmax(1)
    assert learnt.tensors["fooling"].item() == fooled.double().mean().item() >= 0.5
    assert all(rate < 0.5 for rate in learnt.history["fooling"][:-1])
    assert learnt.rounds == len(learnt.history["fooling"]) < 20


def test_one_affine_class_is_left_along_its_normal():
    """All r are multiples of one normal, so v is too, and it goes as far as the farthest needs."""
    own = oracles.images(200, dtype=torch.float32)
    own = own[TWO(own).argmax(1) == 0][:12]
    farthest = TWO.margins(own).max().item()
    learnt = learn(Sequential(radius=10.0, fooling=1.0), TWO, shards(own, [12]), 2)
    assert learnt.tensors["fooling"] == 1
    normal = (TWO.weight[1] - TWO.weight[0]).detach()
    vector = learnt.tensors["vector"].flatten()
    torch.testing.assert_close(vector / vector.norm(), normal / normal.norm(), rtol=1e-4, atol=1e-5)
    assert farthest < vector.norm().item() <= 1.02 * farthest * (1 + 1e-4)


def test_passes_end_it_where_the_ball_is_too_small():
    learnt = learn(Sequential(radius=1e-3, passes=3), RELU, shards(IMAGES, [30]), 4)
    assert (learnt.rounds, learnt.done) == (3, True)
    assert learnt.tensors["fooling"] < 0.8


def test_each_pass_can_be_the_last_of_a_process():
    fit = Sequential(radius=0.4, passes=3)
    batches = shards(IMAGES, [30])
    whole = assert_resumes(fit, RELU, batches, 4)
    assert whole.rounds == 3
    assert_same_bits(learn(fit, RELU, batches, 4), whole)
    other = learn(fit, RELU, batches, 4, seed=1)
    assert not torch.equal(other.tensors["vector"], whole.tensors["vector"])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Sequential(radius=0.0), "radius must be a positive number; got 0"),
        (lambda: Sequential(radius=1.0, fooling=1.5), r"fooling must lie in \(0, 1\]; got 1.5"),
        (lambda: Sequential(radius=1.0, norm="l1"), "norm must be one of l2, linf"),
        (lambda: Sequential(radius=1.0, passes=0), "passes must be at least 1; got 0"),
        (lambda: replace(Sequential(radius=1.0), steps=0), "steps must be at least 1; got 0"),
        (
            lambda: Sequential(radius=1.0).validate(FitSamples((1, 4, 4), 4, 0)),
            "at least one sample",
        ),
        (
            lambda: learn(Sequential(radius=1.0), RELU, shards(IMAGES, [15, 15]), 4),
            "needs all samples in one shard.*got 2 shards: say shard_size: ",
        ),
    ],
)
def test_what_cannot_work_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
