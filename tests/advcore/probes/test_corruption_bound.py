"""Attacks in the ball of an altered image."""

import math
from dataclasses import dataclass, replace

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness
from advcore.alterations import ALTERATIONS, RandomNoise
from advcore.attacks import APGD, FGSM, PGD, MinimalNorm
from advcore.corruptions import corrupt
from advcore.noise_of_size import add_noise
from advcore.norms import LINF, NORMS
from advcore.probes import Batch, CorruptionBound
from advcore.threats.started import StartedBalls

COUNT = 40
BATCH = Batch(oracles.images(COUNT), torch.zeros(COUNT).long(), torch.arange(COUNT) + 7)
SOURCE = Randomness(3, BATCH.indices)


@dataclass(frozen=True)
class Unlike:
    """The picture turned by half a turn, and made darker: no noise at all."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Accept any shape."""

    def __call__(self, images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        return images.flip(-2, -1) * 0.7


class Stairs(nn.Module):
    """A network whose gradients lead nowhere: it rounds what it sees."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network((8 * images).round() / 8)


def _rows(table, name):
    own = table.take(table.rows_with("attack", name))
    return {key: own.numbers(key) for key in own if key != "attack"}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("started", [PGD(steps=1, relative_step=1.0), APGD(steps=2)])
@pytest.mark.parametrize("alteration", [RandomNoise(2.0), RandomNoise(0.4, "linf", 5), Unlike()])
def test_what_starts_at_the_altered_image_breaks_whatever_that_breaks(norm, started, alteration):
    """At every sample, also where gradients lead nowhere, and whatever the norm of the ball."""
    network = Stairs(oracles.relu())
    probe = CorruptionBound(alteration, started=replace(started, norm=norm))
    rows = _rows(probe.measure(network, BATCH, SOURCE), "started")
    altered = alteration(BATCH.inputs, BATCH.indices)
    broken = network(altered).argmax(1) != network(BATCH.inputs).argmax(1)
    assert 0 < broken.sum() < COUNT
    assert torch.equal(rows["broken"], broken)
    wrong, clean = (network(own).argmax(1) != BATCH.labels for own in (altered, BATCH.inputs))
    assert torch.equal(rows["error"], wrong)
    assert torch.equal(rows["added_error"], wrong.long() - clean.long())
    torch.testing.assert_close(rows["size"], NORMS[norm].size(altered - BATCH.inputs))
    assert not rows["missed"].any()
    assert rows["found"][broken].all()
    assert (rows["distance"][rows["found"]] <= rows["size"][rows["found"]] * (1 + 1e-6)).all()


def test_a_flat_boundary_is_missed_by_no_exact_attack():
    """The minimal perturbation of an affine classifier is known, and so is all that it breaks."""
    weight = torch.randn(2, 16, generator=torch.manual_seed(0))
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    network[1].weight.data, network[1].bias.data = weight, -weight.sum(1) / 2
    inputs = 0.5 + 0.1 * torch.randn(COUNT, 1, 4, 4, generator=torch.manual_seed(1))
    batch = replace(BATCH, inputs=inputs.clamp(0.2, 0.8))
    exact = MinimalNorm(norm="l2")
    table = CorruptionBound(RandomNoise(0.08), (exact,)).measure(network, batch, SOURCE)
    rows = _rows(table, "minimal_norm-l2")
    logits = network(batch.inputs)
    margin = (logits[:, 0] - logits[:, 1]).abs() / (weight[0] - weight[1]).norm()
    torch.testing.assert_close(rows["size"], torch.full((COUNT,), 0.08))
    assert torch.equal(rows["found"], margin < 0.08)
    assert 0 < rows["found"].sum() < COUNT
    assert not rows["missed"].any()
    assert torch.equal(rows["gained"], rows["found"] & ~rows["broken"])


def test_misses_and_gains_are_counted_of_each_attack():
    """One step of a network that rounds leads nowhere, and misses what the noise breaks."""
    network = Stairs(oracles.relu())
    table = CorruptionBound(RandomNoise(2.0), (FGSM(norm="l2"),)).measure(network, BATCH, SOURCE)
    one = _rows(table, "fgsm-l2")
    assert torch.equal(one["missed"], one["broken"])
    assert not one["found"].any()
    assert one["missed"].any()
    assert one["distance"].isinf().all()
    numbers = CorruptionBound(RandomNoise(2.0), (FGSM(norm="l2"),)).summarise(table).scalars
    broken = one["broken"].double().mean().item()
    assert numbers["broken"] == numbers["missed/fgsm-l2"] == broken
    assert numbers["missed/started"] == numbers["found/fgsm-l2"] == 0
    assert numbers["found/started"] == pytest.approx(broken + numbers["gained/started"])


def test_alterations_are_those_of_the_data_sets():
    own = ALTERATIONS["noised"](1.5, "l2", 4)(BATCH.inputs, BATCH.indices)
    expected = add_noise(BATCH.inputs, "l2", 1.5, Randomness(4, BATCH.indices), box=True)
    assert torch.equal(own, expected)
    images = oracles.images(COUNT, (1, 9, 9))
    fog = ALTERATIONS["corrupted"]("fog", 3, "large", 4)
    expected = corrupt(images, "fog", 3, Randomness(4, BATCH.indices), "large")
    assert torch.equal(fog(images, BATCH.indices), expected)
    fog.check((1, 9, 9))
    with pytest.raises(ValueError, match="needs images of at least 8 x 8 pixels"):
        CorruptionBound(fog).validate((1, 4, 4), 3)
    with pytest.raises(ValueError, match="severity must be one of 1, 2, 3, 4, 5; got 6"):
        replace(fog, severity=6).check((1, 9, 9))
    with pytest.raises(ValueError, match="corruption must be one of"):
        replace(fog, corruption="dog").check((1, 9, 9))


def test_a_start_outside_of_the_ball_is_projected():
    """One inside stays as it is, bit for bit; `take` keeps the samples' own starts."""
    inputs = torch.full((3, 1, 2, 2), 0.5)
    goals = torch.tensor([0.6, 0.9, 1.2]).view(3, 1, 1, 1).expand_as(inputs)
    threat = StartedBalls("linf", lambda images, indices: goals[indices])
    ball = threat.around(inputs, torch.tensor([0.2, 0.3, 1.0]), nn.Identity())
    starts = ball.random(Randomness(0, torch.arange(3)))
    torch.testing.assert_close(starts.amax((1, 2, 3)), torch.tensor([0.6, 0.8, 1.0]))
    assert torch.equal(starts[0], goals[0])
    some = torch.tensor([2, 0])
    assert torch.equal(ball.take(some).edge(Randomness(0, some)), starts[some])
    assert ball.norm is LINF


def test_what_cannot_be_measured_is_refused():
    noise = RandomNoise(1.0)
    labels = replace(BATCH, labels=BATCH.labels + 7)
    network = oracles.relu()
    with pytest.raises(ValueError, match=r"labels must lie in 0..3 \(4 logits\); got 7..7"):
        CorruptionBound(noise).measure(network, labels, SOURCE)
    with pytest.raises(ValueError, match="one index per sample; got 3 for 40 samples"):
        CorruptionBound(noise).measure(network, BATCH, SOURCE.take(slice(3)))
    with pytest.raises(ValueError, match="takes its eps from the altered image"):
        CorruptionBound(noise, (PGD(norm="l2", eps=1.0),))
    with pytest.raises(ValueError, match="must share one of the norms"):
        CorruptionBound(noise, (PGD(norm="linf"),))
    with pytest.raises(ValueError, match="needs random_start"):
        CorruptionBound(noise, started=PGD(norm="l2", random_start=False))
    with pytest.raises(ValueError, match="each once"):
        CorruptionBound(noise, (FGSM(norm="l2"), FGSM(norm="l2")))
    with pytest.raises(ValueError, match="size must be a finite number >= 0"):
        RandomNoise(math.inf)
