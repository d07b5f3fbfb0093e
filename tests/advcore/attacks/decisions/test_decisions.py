"""Attacks of decisions: labels alone, every query counted, the trace, the normal from labels."""

import math

import oracles
import pytest
import torch
from attack_table import DECISIONS, run
from torch import nn

from advcore import HardLabel, Randomness, Untargeted, norms
from advcore.attacks import GeoDA, Restarts, Status, Within
from advcore.attacks.decisions import answers
from advcore.attacks.decisions.answers import Decisions, bisected, trace_numbers
from advcore.attacks.decisions.label_normals import drawn_noise, expected_cosine, normal_from_labels
from advcore.attacks.decisions.low_frequencies import LowFrequencies
from advcore.frequency import dct2

every_decision = pytest.mark.parametrize("attack", DECISIONS, ids=repr)
COUNT = 6


class Counted(nn.Module):
    """Counts how often each sample is sent forward; samples are told apart by their number."""

    def __init__(self, network, count):
        super().__init__()
        self.network, self.counts, self.index = network, torch.zeros(count, dtype=torch.int64), None

    def forward(self, images):
        index = torch.arange(len(images)) if self.index is None else self.index
        self.counts.index_add_(0, index, torch.ones_like(index))
        return self.network(images)

    def rows(self, index):
        taken = Counted(self.network, 0)
        taken.counts = self.counts
        taken.index = index if self.index is None else self.index[index]
        return taken


@every_decision
def test_attacks_of_decisions_read_labels_alone(attack):
    network, images = oracles.relu(), oracles.images(COUNT)
    expected, result = (run(attack, net, images) for net in (network, HardLabel(network)))
    assert torch.equal(result.images, expected.images)
    assert torch.equal(result.queries, expected.queries)
    assert torch.equal(result.trace, expected.trace)
    assert result.found.any()


def test_hard_labels_have_no_gradient_and_are_no_probabilities():
    images = oracles.images(3).requires_grad_()
    network = oracles.relu()
    labels = HardLabel(network)(images)
    assert torch.equal(labels.argmax(1), network(images).argmax(1))
    assert torch.equal(labels.abs(), torch.ones_like(labels))
    assert torch.equal(labels.sum(1), torch.full((3,), 2.0 - labels.shape[1]).double())
    with pytest.raises(RuntimeError, match="hands out labels alone and has no gradient"):
        labels.sum().backward()


@every_decision
def test_every_forward_of_a_sample_counts_and_the_budget_is_hard(attack):
    images = oracles.images(COUNT)
    network = oracles.relu()
    labels = network(images).argmax(1)
    labels[0] = (labels[0] + 1) % 4
    counted = Counted(network, COUNT)
    result = run(attack, counted, images, Untargeted(labels))
    assert torch.equal(counted.counts, result.queries)
    assert result.queries.max() <= attack.queries
    assert result.status[0] == Status.ALREADY_WRONG
    assert result.queries[0] == 1
    assert result.found.sum() > COUNT // 2


@every_decision
@pytest.mark.parametrize("queries", [2, 3, 9, 30])
def test_small_budgets_are_kept(attack, queries):
    images = oracles.images(COUNT)
    counted = Counted(oracles.relu(), COUNT)
    result = run(type(attack)(**{**vars(attack), "queries": queries}), counted, images)
    assert result.queries.max() <= queries
    assert torch.equal(result.found, result.status == Status.BROKEN)


@every_decision
def test_the_trace_falls_to_the_distance(attack):
    result = run(attack, oracles.relu(), oracles.images(COUNT))
    numbers, distances = result.trace.unbind(2)
    assert torch.equal(numbers[0].long(), trace_numbers(attack.queries))
    assert numbers.shape[1] <= 32
    assert (distances[:, 0] == torch.inf).all()
    assert (distances[:, 1:] <= distances[:, :-1]).all()
    torch.testing.assert_close(distances[:, -1], result.distance)


def test_wrappers_keep_the_trace_where_it_is_theirs():
    images, attack = oracles.images(COUNT), GeoDA(queries=60)
    trace = run(attack, oracles.relu(), images).trace
    assert torch.equal(run(Within(attack, 0.5), oracles.relu(), images).trace, trace)
    assert run(Restarts(attack, 2), oracles.relu(), images).trace is None


def test_the_trace_is_that_of_each_query():
    affine, images = oracles.Affine(classes=2), oracles.images(1)
    labels = affine(images).argmax(1)
    decisions = Decisions(affine, images, Untargeted(labels), norms.L2, 100)
    noise = torch.randn(1, 40, 1, 4, 4, dtype=torch.float64)
    holds = decisions.ask_many((images[:, None] + noise), torch.tensor([33]))
    assert not holds[0, 33:].any()
    sizes = noise.flatten(2).norm(dim=2).where(holds, torch.inf)
    trace = decisions.result().trace[0]
    for number, distance in trace[1:].tolist():
        asked = sizes[0, : max(int(number) - 1, 0)]
        assert distance == pytest.approx(asked.min().item())


def _cosines(noise, queries, dim=64, samples=200):
    """The cosines of estimates to the true normal of a linear classifier with two classes."""
    shape = (1, 8, dim // 8)
    affine = oracles.Affine(classes=2, shape=shape)
    images = oracles.images(1, shape, spread=0.02).repeat(samples, 1, 1, 1)
    w = (affine.weight[0] - affine.weight[1]).detach()
    away = (affine(images)[:, 0] - affine(images)[:, 1]).detach() / w.dot(w)
    points = images - (away[:, None] * w).view_as(images)
    criterion = Untargeted(torch.zeros(samples, dtype=torch.int64))
    decisions = Decisions(affine, points, criterion, norms.L2, 10**6)
    randomness = Randomness(0, torch.arange(samples))
    normal, share = normal_from_labels(
        decisions,
        points,
        LowFrequencies(shape),
        torch.full((samples,), queries),
        1e-4,
        randomness,
        noise,
    )
    assert (decisions.used == 1 + queries).all()
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    return norms.L2.steepest(normal).flatten(1) @ -w / w.norm()


@pytest.mark.parametrize("queries", [50, 200, 640])
@pytest.mark.parametrize(("noise", "close"), [("normal", 0.01), ("orthogonal", 0.02)])
def test_the_cosine_of_an_estimate_has_its_closed_form(noise, close, queries):
    """The mean that is taken off the signs costs some of a basis that is not whole."""
    expected = expected_cosine(noise, queries, 64)
    assert _cosines(noise, queries).mean().item() == pytest.approx(expected, abs=close)


def test_closed_forms_of_cosines():
    a = 2 * 200 / math.pi
    assert expected_cosine("normal", 200, 64) == pytest.approx(math.sqrt(a / (a + 63)))
    assert expected_cosine("orthogonal", 64, 64) == pytest.approx(math.sqrt(2 / math.pi), abs=0.01)
    assert expected_cosine("orthogonal", 16, 64) == pytest.approx(
        math.sqrt(0.5 / math.pi), abs=0.01
    )


def test_orthogonal_noise_is_orthogonal_within_each_basis():
    draws = drawn_noise(24, 0, "orthogonal", Randomness(0, torch.arange(3))).double()
    for first in (0, 24):
        part = draws[:, first : first + 24]
        torch.testing.assert_close(
            part @ part.mT, 24 * torch.eye(24).double().expand(3, -1, -1), rtol=0, atol=1e-4
        )
    assert not torch.equal(draws[:, :24], draws[:, 24:48])


def test_low_frequencies_know_their_frequency():
    square = LowFrequencies((2, 6, 5), 3).frequencies(torch.zeros(1).double())
    one = [0, 1, 2, 1, 2**0.5, 5**0.5, 2, 5**0.5, 8**0.5]
    torch.testing.assert_close(square, torch.tensor(one * 2).double())
    assert (LowFrequencies((1, 2, 2)).frequencies(square) == torch.zeros(4).double()).all()


def test_low_frequencies_are_orthonormal_and_low():
    basis = LowFrequencies((2, 6, 5), 3)
    lifted = basis.lift(torch.eye(basis.dim).double())
    assert basis.dim == 18
    torch.testing.assert_close(lifted.flatten(1) @ lifted.flatten(1).mT, torch.eye(18).double())
    spectrum = dct2(lifted)
    assert spectrum[..., 3:, :].abs().max() < 1e-12
    assert spectrum[..., 3:].abs().max() < 1e-12
    assert LowFrequencies((1, 2, 2), 9).dim == 4


def test_bisection_ends_on_the_adversarial_side_close_to_the_boundary():
    affine, images = oracles.Affine(classes=2), oracles.images(COUNT)
    criterion = Untargeted(affine(images).argmax(1))
    decisions = Decisions(affine, images, criterion, norms.L2, 1000)
    outside = run(GeoDA(queries=60), affine, images).images * 1.0
    wanted = torch.tensor([True] * 5 + [False])
    points = bisected(decisions, images, outside, wanted, 12)
    assert criterion.holds(affine(points)).all()
    assert torch.equal(points[5], outside[5])
    before = torch.lerp(images, points, 1 - 2.0**-10)
    assert not criterion.holds(affine(before))[:5].any()


def test_no_forward_pass_is_larger_than_allowed(monkeypatch):
    monkeypatch.setattr(answers, "PASS", 5)
    sizes, network, images = [], oracles.relu(), oracles.images(COUNT)

    def noted(inputs):
        sizes.append(len(inputs))
        return network(inputs)

    decisions = Decisions(noted, images, Untargeted(network(images).argmax(1)), norms.L2, 30)
    points = torch.rand(COUNT, 4, *images.shape[1:], generator=torch.Generator().manual_seed(0))
    counts = torch.tensor([4, 3, 2, 0, 4, 1])
    found = decisions.ask_many(points.to(images), counts)
    assert sizes == [5, 5, 4]
    whole = network(points.to(images).flatten(0, 1)).argmax(1).view(COUNT, 4)
    asked = torch.arange(4) < counts[:, None]
    assert torch.equal(found, (whole != network(images).argmax(1)[:, None]) & asked)
    assert found.any()
