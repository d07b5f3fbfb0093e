from dataclasses import replace

import oracles
import pytest
import torch
from learning import assert_resumes, assert_same_bits, learn, shards

from advcore.fits import ClassStatistics, FitSamples, class_statistics

SHAPE, COUNT = (1, 8, 8), 90
SCALES = 0.9 ** torch.arange(64).view(SHAPE)
LABELS = torch.arange(COUNT) % 3
IMAGES = (oracles.images(COUNT, SHAPE) * SCALES * (1 + LABELS.view(-1, 1, 1, 1))).float()
FIT = ClassStatistics(rank=4, tolerance=1e-6, rounds=40, batch_size=11)
PARTS = (31, 40, 19)


@pytest.fixture(params=["whole", "products"])
def way(request, monkeypatch):
    """The two ways to a covariance: as it is, and by its products."""
    monkeypatch.setattr(class_statistics, "DENSE", 2**23 if request.param == "whole" else 0)
    return request.param


def _sine(rows, columns):
    rest = rows - (rows @ columns) @ columns.mT
    return torch.linalg.matrix_norm(rest, 2).item()


def test_means_and_covariances_are_those_of_each_class(way):
    learnt = learn(FIT, None, shards(IMAGES, PARTS, LABELS), 3)
    assert learnt.tensors["count"].tolist() == [30, 30, 30]
    torch.testing.assert_close(learnt.tensors["shared_mean"], IMAGES.mean(0))
    for k in range(3):
        own = IMAGES[k == LABELS].flatten(1).double()
        torch.testing.assert_close(
            learnt.tensors["mean"][k].flatten().double(),
            own.mean(0).float().double(),
            rtol=1e-5,
            atol=1e-6,
        )
        covariance = torch.cov(own.mT, correction=0)
        values, vectors = torch.linalg.eigh(covariance)
        variance = learnt.tensors["variance"][k].double()
        torch.testing.assert_close(variance, values.flip(0)[:4], rtol=1e-4, atol=1e-7)
        axes = learnt.tensors["axes"][k].flatten(1).double()
        assert _sine(axes, vectors.flip(1)[:, :4]) < 1e-4
        assert learnt.tensors["trace"][k].item() == pytest.approx(
            covariance.trace().item(), rel=1e-5
        )
    assert (learnt.rounds == 2) == (way == "whole")


def test_labels_may_be_the_predicted_ones():
    network = oracles.relu(classes=3, shape=SHAPE, dtype=torch.float32)
    images = oracles.images(COUNT, SHAPE, torch.float32)
    predicted = network(images).argmax(1)
    fit = replace(FIT, labels="predicted")
    learnt = learn(fit, network, shards(images, PARTS, LABELS), 3)
    assert learnt.tensors["count"].tolist() == predicted.bincount(minlength=3).tolist()
    assert learnt.tensors["count"].tolist() != [30, 30, 30]
    torch.testing.assert_close(learnt.tensors["mean"][0], images[predicted == 0].mean(0))


def test_a_class_without_samples_or_with_few_has_no_more_than_it_spans(way):
    labels = torch.zeros(COUNT, dtype=torch.int64)
    labels[7], labels[50], labels[70] = 1, 1, 2
    learnt = learn(replace(FIT, rounds=6), None, shards(IMAGES, PARTS, labels), 4)
    assert learnt.tensors["count"].tolist() == [87, 2, 1, 0]
    variance = learnt.tensors["variance"]
    assert variance[1, 0] > 0.1
    assert (variance[1, 1:] < 1e-6).all()
    assert (variance[2:] < 1e-6).all()
    assert (learnt.tensors["mean"][3] == 0).all()
    torch.testing.assert_close(learnt.tensors["mean"][2], IMAGES[70])


def test_means_far_from_zero_cost_no_digits(way):
    """The second moments are centred before they are summed."""
    near = learn(FIT, None, shards(IMAGES, PARTS, LABELS), 3)
    far = learn(FIT, None, shards(IMAGES + 100, PARTS, LABELS), 3)
    torch.testing.assert_close(
        far.tensors["variance"], near.tensors["variance"], rtol=1e-3, atol=1e-6
    )


def test_every_round_can_be_the_last_of_a_process(way):
    fit = replace(FIT, rounds=5)
    batches = shards(IMAGES, PARTS, LABELS)
    whole = assert_resumes(fit, None, batches, 3)
    assert_same_bits(learn(fit, None, batches, 3), whole)


def test_other_shards_learn_the_same(way):
    one = learn(FIT, None, shards(IMAGES, (90,), LABELS), 3)
    other = learn(replace(FIT, batch_size=50), None, shards(IMAGES, PARTS, LABELS), 3)
    for name in ("mean", "variance", "axes", "trace"):
        torch.testing.assert_close(one.tensors[name], other.tensors[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ClassStatistics(rank=0), "rank must be at least 1; got 0"),
        (lambda: ClassStatistics(rounds=1), "rounds must be at least 2; got 1"),
        (lambda: ClassStatistics(tolerance=0.0), "tolerance must be a positive number"),
        (
            lambda: ClassStatistics(rank=65).validate(FitSamples(SHAPE, 3, 9)),
            "rank must not exceed the inputs' dimension, 64; got 65",
        ),
        (
            lambda: learn(FIT, None, shards(IMAGES, PARTS, LABELS), 2),
            r"labels must lie in 0..1 \(2 logits\); got 0..2",
        ),
    ],
)
def test_what_cannot_work_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
