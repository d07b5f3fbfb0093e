"""Segmentation and regression: criteria of outputs, tasks, training and probes on them."""

import math

import oracles
import pytest
import torch
import torchvision.transforms.functional as transforms
from torch import nn
from torchvision.transforms import InterpolationMode
from weight_slopes import check_gradient

from advcore import Randomness
from advcore.attacks import PGD, DeepFool, MinimalNorm, Status
from advcore.networks import unet
from advcore.probes import Batch, Margins, OnTask, Robustness, Segmented
from advcore.subspaces import RandomSubspaces
from advcore.tasks import (
    TASKS,
    Angle,
    Decided,
    Dense,
    Regression,
    Segmentation,
    decided_right,
    turned,
)
from advcore.training import TaskTraining

IMAGES = oracles.images(6)
SOURCE = Randomness(0, torch.arange(6))
BATCH = Batch(IMAGES, torch.arange(6) % 4, torch.arange(6))


def linear(outputs=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, outputs)).double()


OFF = torch.tensor([[0.1], [-0.1], [0.05], [0.3], [-0.4], [0.0]]).double()


@pytest.mark.parametrize("kind", [DeepFool, MinimalNorm])
@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1)])
def test_the_margin_of_a_linear_regression(kind, norm, dual):
    """`(tolerance - |residual|) / ||w||_q`, 0 where the residual is above the tolerance."""
    network = linear()
    targets = network(IMAGES).detach() - OFF
    decided = Decided(network, Regression(0.2), targets)
    result = kind(norm=norm, box=False)(decided, IMAGES, decided_right(targets), SOURCE)
    expected = (0.2 - OFF[:, 0].abs()) / network[1].weight.norm(p=dual)
    wrong = expected < 0
    assert (result.status == Status.ALREADY_WRONG).tolist() == wrong.tolist()
    expected = expected.clamp(min=0).detach()
    torch.testing.assert_close(result.distance, expected, rtol=0.021, atol=1e-9)
    found = (network(result.images) - targets).abs()[:, 0]
    assert (found > 0.2).all()


def test_regression_is_wrong_just_outside_its_tolerance():
    outputs = torch.tensor([[1.199], [1.201], [0.801], [0.799]]).double()
    logits = Regression(0.2).logits(outputs, torch.ones(4, 1).double())
    assert (logits.argmax(1) != 0).tolist() == [False, True, False, True]
    more = torch.cat([outputs, 9 * torch.ones(4, 3).double()], 1)  # which are not read
    assert torch.equal(Regression(0.2).logits(more, torch.ones(4, 1).double()), logits)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_dense_is_wrong_where_so_many_pixels_are(share):
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(200, 30, generator=generator)
    wanted = torch.rand(200, 1, generator=generator)  # the share of wrong pixels, about
    flips = torch.rand(200, 30, generator=generator) < wanted
    targets = ((outputs > 0) ^ flips).float()
    decision = Dense(share).logits(outputs, targets)
    wrong = ((outputs > 0) != targets.bool()).float().mean(1) >= share - 1e-6
    assert torch.equal(decision.argmax(1) != 0, wrong)
    assert wrong.any()
    assert not wrong.all()


def test_the_decision_on_pixels_has_no_jump():
    """Along a line on which one pixel after the other turns wrong."""
    targets, criterion = torch.ones(1001, 5).double(), Dense(0.6)
    way = torch.linspace(-3, 3, 1001).double()[:, None]
    outputs = torch.tensor([[0.1, 0.5, 1.0, 1.5, 2.5]]).double() + way
    decision = criterion.logits(outputs, targets)[:, 0]
    assert decision.diff().abs().max() <= way.diff(dim=0).max() * (1 + 1e-9)
    assert (decision.diff() >= 0).all()
    assert torch.equal(decision < 0, way[:, 0] < -1.0)  # the third smallest of five


def test_rows_of_a_decision_are_those_of_its_samples():
    network, some = linear(16), torch.tensor([4, 1, 1])
    targets = (network(IMAGES) > 0).double()
    decided = Decided(network, Dense(0.3), targets)
    torch.testing.assert_close(decided.rows(some)(IMAGES[some]), decided(IMAGES)[some])


def test_segmentation_is_of_clean_pixels():
    task, images = Segmentation(sigma=0.5, level=0.4), torch.rand(6, 3, 4, 5).double()
    seen, targets = task.pose(images, SOURCE)
    assert torch.equal(targets.view(6, 4, 5).bool(), images.mean(1) > 0.4)
    noise = SOURCE.stream("noise").normal((3, 4, 5)).double()
    torch.testing.assert_close(seen, (images + 0.5 * noise).clamp(0, 1))
    outputs = torch.randn(6, 20).double()
    p = torch.where(targets.bool(), outputs.sigmoid(), (-outputs).sigmoid())
    torch.testing.assert_close(task.loss(outputs, targets), -p.log().mean(1))


def test_pictures_are_turned_by_their_targets():
    images = torch.rand(6, 1, 9, 9).double()
    seen, targets = Angle(largest=30).pose(images, SOURCE)
    assert targets.shape == (6, 1)
    assert targets.abs().max() <= 1
    for image, picture, share in zip(images, seen, targets[:, 0], strict=True):
        wanted = transforms.rotate(image, 30 * share.item(), InterpolationMode.BILINEAR)
        torch.testing.assert_close(picture, wanted, atol=1e-6, rtol=0)
    outputs = torch.randn(6, 4).double()
    torch.testing.assert_close(
        Angle().loss(outputs, targets), (outputs[:, 0] - targets[:, 0]).square() / 2
    )


def test_a_picture_that_is_not_square_is_turned_without_stretching():
    image = torch.rand(1, 1, 6, 11).double()
    wanted = transforms.rotate(image, 25.0, InterpolationMode.BILINEAR)
    torch.testing.assert_close(turned(image, torch.tensor([25.0]).double()), wanted)


@pytest.mark.parametrize("task", [Segmentation(), Angle()], ids=repr)
def test_training_is_the_loss_of_the_task(task):
    network, source = linear(16), SOURCE.stream("task")
    seen, targets = task.pose(IMAGES, source)
    plain = TaskTraining(task)(network, IMAGES, BATCH.labels, SOURCE)
    check_gradient(network, plain, lambda: task.loss(network(seen), targets).mean())
    loss, attack = task.loss(network(seen), targets).mean(), PGD(eps=0.0, norm="l2", steps=2)
    assert TaskTraining(task, attack)(network, IMAGES, BATCH.labels, SOURCE) == loss
    attacked = TaskTraining(task, PGD(eps=0.5, norm="l2", steps=5, objective="logit_margin"))
    noisy = TaskTraining(task, noise=0.5)
    harder, control = (own(network, IMAGES, BATCH.labels, SOURCE) for own in (attacked, noisy))
    assert harder > control
    assert harder > loss


def test_a_unet_wants_a_width():
    with pytest.raises(ValueError, match="width must be at least 1; got 0"):
        unet(width=0)


def test_a_unet_gives_a_logit_a_pixel():
    torch.manual_seed(0)
    network, images = unet(channels=2, width=2), torch.rand(3, 2, 8, 12, requires_grad=True)
    outputs = network(images)
    assert outputs.shape == (3, 96)
    outputs.square().sum().backward()
    assert all(own.grad.abs().sum() > 0 for own in network.parameters())
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()
    turned_over = network(images.flip(3)).view(3, 8, 12)
    assert not torch.allclose(turned_over, outputs.view(3, 8, 12))
    with pytest.raises(ValueError, match=r"with sides that 4 divides; got \(1, 2, 8, 10\)"):
        network(torch.zeros(1, 2, 8, 10))


def test_a_probe_on_a_task_is_that_of_the_decision():
    network, task = linear(16), Segmentation(share=0.3)
    probe = Robustness((0.1, 0.5), (DeepFool(norm="l2"), PGD(norm="l2", steps=3)), masking=False)
    table = OnTask(task, probe).measure(network, BATCH, SOURCE)
    seen, targets = task.pose(IMAGES, SOURCE.stream("task"))
    decided = Decided(network, Dense(0.3), targets)
    batch = Batch(seen, torch.zeros(6, dtype=torch.int64), BATCH.indices)
    wanted = probe.measure(decided, batch, SOURCE)
    assert table.keys() == wanted.keys()
    assert torch.equal(table["broken_at"], wanted["broken_at"])
    assert OnTask(task, probe).values() == probe.values()
    assert OnTask(task, probe).summarise(table) == probe.summarise(table)
    assert OnTask(task, probe).charts({"one": table})
    wrong = ((network(seen) > 0) != targets.bool()).double().mean(1) >= 0.3
    own = table["broken_at"][: len(IMAGES)]
    assert torch.equal(own == 0, wrong)


def test_margins_of_a_task_in_subspaces():
    """Of a linear regression in all of the space: those of the closed form."""
    network, task = linear(), Angle(tolerance=0.9)
    probe = OnTask(task, Margins(RandomSubspaces(count=1, dim=16)))
    probe.validate((1, 4, 4), 4)
    table = probe.measure(network, BATCH, SOURCE)
    seen, targets = task.pose(IMAGES, SOURCE.stream("task"))
    residual = (network(seen) - targets)[:, 0].abs()
    expected = 1.02 * (0.9 - residual).abs() / network[1].weight.norm()  # to the nearer boundary
    torch.testing.assert_close(table["distance"], expected.detach(), rtol=1e-5, atol=0)


def test_pictures_masks_and_what_they_become():
    torch.manual_seed(0)
    network, probe = linear(16), Segmented(Segmentation(sigma=0.1, share=0.5), count=3)
    probe.validate((1, 4, 4), 2)
    table = probe.measure(network, BATCH, SOURCE)
    assert table["mask"].shape == (3, 4, 4)
    for name, share in (("mask", "wrong"), ("adversarial_mask", "adversarial_wrong")):
        wrong = (table[name] != table["target"]).flatten(1).double().mean(1)
        assert torch.equal(table[share], wrong)
    found = table["distance"].isfinite()
    assert (table["adversarial_wrong"][found] >= 0.5).all()
    (gallery,) = probe.charts({"plain": table, "robust": table})
    assert len(gallery.rows) == 3
    assert {len(row) for row in gallery.rows} == {len(gallery.column_labels)} == {8}
    assert math.isclose(probe.summarise(table).scalars["mean_wrong"], table["wrong"].mean().item())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Dense(0.0), r"share must lie in \(0, 1\]; got 0.0"),
        (lambda: Regression(0.0), "tolerance must be positive; got 0.0"),
        (lambda: Segmentation(sigma=-1), "sigma must not be negative, in pixel units; got -1"),
        (lambda: Segmentation(level=1.0), r"level must lie in \[0, 1\); got 1.0"),
        (lambda: Angle(largest=200), r"largest must lie in \(0, 180\] degrees; got 200"),
        (
            lambda: Dense().logits(IMAGES[:, 0, 0], torch.ones(6, 9)),
            r"\(6, 9\); got \(6, 4\): take",
        ),
        (lambda: Regression(1.0).logits(OFF, OFF[:3]), r"targets \(B, 1\); got \(6, 1\) and \(3,"),
        (
            lambda: TaskTraining(Angle(), attack=DeepFool()),
            "attack needs a budget: take p",
        ),
        (
            lambda: TaskTraining(Angle(), attack=PGD(eps=1.0), noise=1.0),
            "in place of an attack",
        ),
        (lambda: TaskTraining(Angle(), noise=-1.0), "size must be a finite number >= 0"),
        (lambda: Segmented(count=0), "count must be at least 1; got 0"),
        (lambda: Segmented(attack=PGD()), "segmented needs a minimal-norm attack"),
        (lambda: Segmented().validate((2, 4, 4), 2), "images of 1 or 3 channels; got 2"),
        *(
            (lambda kind=kind: kind().check((7,)), r"needs pictures .*; got inputs of 7 numbers")
            for kind in TASKS.values()
        ),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
