import pytest
import torch
from torch import Tensor

from advcore import Targeted, Untargeted, objectives

OBJECTIVES = list(objectives.OBJECTIVES.values())
CLASSES = torch.arange(30) % 5
CRITERIA = [Untargeted(CLASSES), Targeted(CLASSES)]

every_criterion = pytest.mark.parametrize(
    "criterion", CRITERIA, ids=lambda criterion: type(criterion).__name__
)
every_objective = pytest.mark.parametrize(
    "objective", OBJECTIVES, ids=lambda objective: objective.__name__
)


def _logits(scale: float = 3.0) -> Tensor:
    return scale * torch.randn(
        30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


@every_criterion
@pytest.mark.parametrize("objective", [objectives.logit_margin, objectives.logit_ratio])
def test_margins_are_positive_exactly_where_adversarial(objective, criterion):
    assert torch.equal(objective(_logits(), criterion) > 0, criterion.holds(_logits()))


@every_criterion
def test_cross_entropy_is_the_log_probability(criterion):
    expected = _logits().log_softmax(1).gather(1, CLASSES[:, None])[:, 0]
    sign = 1 if isinstance(criterion, Targeted) else -1
    torch.testing.assert_close(objectives.cross_entropy(_logits(), criterion), sign * expected)


@every_criterion
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_slope_of_the_cross_entropy(criterion, scale):
    logits = _logits(scale).requires_grad_()
    value = objectives.cross_entropy(logits, criterion)
    (slope,) = torch.autograd.grad(value.sum(), logits)
    torch.testing.assert_close(
        objectives.cross_entropy_slope(logits.detach(), criterion), (value.detach(), slope)
    )


@pytest.mark.parametrize("lead", [20.0, 80.0, -80.0, -1000.0])
def test_slope_of_the_cross_entropy_keeps_its_digits(lead):
    logits, label = torch.tensor([[lead, 0.0, -1.0]]), torch.tensor([0])
    exact = logits.double().requires_grad_()
    expected = objectives.cross_entropy(exact, Untargeted(label))
    (slope,) = torch.autograd.grad(expected.sum(), exact)
    for ours, theirs in zip(
        objectives.cross_entropy_slope(logits, Untargeted(label)),
        (expected.detach(), slope),
        strict=True,
    ):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=0)


def test_logit_margin_of_a_row():
    row = torch.tensor([[3.0, 1.0, 2.5]])
    assert objectives.logit_margin(row, Untargeted(torch.tensor([0]))).item() == -0.5
    assert objectives.logit_margin(row, Targeted(torch.tensor([1]))).item() == -2.0


def test_logit_of_a_row():
    row = torch.tensor([[3.0, 1.0, 2.5]])
    assert objectives.logit(row, Untargeted(torch.tensor([0]))).item() == -3.0
    assert objectives.logit(row, Targeted(torch.tensor([2]))).item() == 2.5


def test_logit_ratio_of_a_row():
    row = torch.tensor([[4.0, 1.0, 2.0, 0.0]], dtype=torch.float64)
    assert objectives.logit_ratio(row, Untargeted(torch.tensor([0]))).item() == pytest.approx(
        -2 / 3
    )
    assert objectives.logit_ratio(row, Targeted(torch.tensor([2]))).item() == pytest.approx(
        -2 / 3.5
    )


@every_criterion
def test_logit_ratio_is_blind_to_scale_and_shift(criterion):
    torch.testing.assert_close(
        objectives.logit_ratio(_logits(), criterion),
        objectives.logit_ratio(1e4 * _logits() + 7, criterion),
        rtol=1e-8,
        atol=1e-10,
    )


@every_criterion
@every_objective
def test_gradients_by_finite_differences(objective, criterion):
    assert torch.autograd.gradcheck(
        lambda logits: objective(logits, criterion), _logits().requires_grad_()
    )


@every_criterion
@every_objective
def test_larger_is_more_adversarial(objective, criterion):
    logits = _logits()
    sign = 1 if isinstance(criterion, Targeted) else -1
    moved = logits.scatter_add(
        1, CLASSES[:, None], torch.full((30, 1), 0.1 * sign, dtype=logits.dtype)
    )
    assert (objective(moved, criterion) > objective(logits, criterion)).all()


@every_criterion
def test_logit_ratio_of_few_classes(criterion):
    criterion = type(criterion)(torch.arange(30) % 2)
    two, three = _logits()[:, :2], _logits()[:, :3]
    assert torch.equal(
        objectives.logit_ratio(two, criterion), objectives.logit_margin(two, criterion)
    )
    expected = objectives.logit_margin(three, criterion) / (three.amax(1) - three.amin(1))
    torch.testing.assert_close(objectives.logit_ratio(three, criterion), expected)


def test_unknown_objective():
    with pytest.raises(
        ValueError, match="one of cross_entropy, logit_margin, logit_ratio, logit; got 'hinge'"
    ):
        objectives.objective_by_name("hinge")
