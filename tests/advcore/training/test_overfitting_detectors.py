import pytest

from advcore.training import catastrophic_overfitting, robust_overfitting


def _epoch(fgsm, pgd, cosine):
    return {"fgsm_accuracy": fgsm, "pgd_accuracy": pgd, "gradient_cosine": cosine}


HEALTHY = [_epoch(0.3, 0.28, 0.95), _epoch(0.45, 0.41, 0.9), _epoch(0.5, 0.44, 0.85)]


def test_catastrophic_overfitting_is_found_at_its_epoch():
    assert catastrophic_overfitting([*HEALTHY, _epoch(0.9, 0.02, 0.2), _epoch(0.95, 0.0, 0.1)]) == 4


@pytest.mark.parametrize(
    "last",
    [
        _epoch(0.48, 0.43, 0.3),  # the cosine alone
        _epoch(0.1, 0.05, 0.3),  # both accuracies: a network that learns nothing
        _epoch(0.9, 0.3, 0.3),  # not below half
        _epoch(0.9, 0.02, 0.99),  # aligned gradients
    ],
)
def test_other_declines_are_not(last):
    assert catastrophic_overfitting([*HEALTHY, last]) is None


def test_nothing_after_no_epochs():
    assert catastrophic_overfitting([]) is None
    assert robust_overfitting([], []) is None


def test_robust_overfitting_is_dated_at_the_lowest_loss():
    assert robust_overfitting([2.0, 1.5, 1.2, 1.0, 0.8], [2.0, 1.6, 1.5, 1.6, 1.7]) == 3


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ([2.0, 1.5, 1.2, 1.0], [2.0, 1.6, 1.5, 1.6]),  # one epoch is not enough
        ([2.0, 1.5, 1.6, 1.7], [2.0, 1.5, 1.6, 1.7]),  # training rises too
        ([2.0, 1.5, 1.2, 1.0], [2.0, 1.6, 1.61, 1.62]),  # by less than a twentieth
        ([2.0, 1.5, 1.2, 1.0], [2.0, 1.8, 1.6, 1.4]),  # still falls
    ],
)
def test_other_courses_are_not(training, validation):
    assert robust_overfitting(training, validation) is None


def test_unequal_courses_are_refused():
    with pytest.raises(
        ValueError, match="robust losses need one of training for each of validation; got 2 and 1"
    ):
        robust_overfitting([1.0, 2.0], [1.0])


def test_a_cosine_that_is_gone_counts_as_collapsed():
    assert catastrophic_overfitting([*HEALTHY, _epoch(0.9, 0.02, float("nan"))]) == 4
    assert catastrophic_overfitting([*HEALTHY, _epoch(0.48, 0.43, float("nan"))]) is None
