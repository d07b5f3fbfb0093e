import pytest

from advcore.attacks import PGD
from advcore.training import (
    CURE,
    AdversarialTraining,
    Cosine,
    CrossEntropy,
    Linear,
    Steps,
    scheduled,
)

HALF = Steps(((0.0, 0.5),))


def test_straight_lines_between_points():
    ramp = Linear(((0.2, 0.0), (0.4, 1.0), (1.0, 0.1)))
    assert [ramp(at) for at in (0, 0.2, 0.3, 0.4, 0.7, 1)] == pytest.approx(
        [0, 0, 0.5, 1, 0.55, 0.1]
    )
    assert Linear(((0.5, 2.0),))(0.1) == Linear(((0.5, 2.0),))(0.9) == 2


def test_steps_hold_from_their_point_on():
    drops = Steps(((0.0, 1.0), (0.5, 0.1), (0.75, 0.01)))
    assert [drops(at) for at in (0, 0.49, 0.5, 0.74, 0.75, 1)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_half_a_cosine_after_the_warm_up():
    assert [Cosine()(at) for at in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [Cosine(warm_up=0.2)(at) for at in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx(
        [0, 0.5, 1, 0.5, 0]
    )


def test_a_schedule_multiplies_the_number_that_it_names():
    objective = {
        "clean": CrossEntropy(),
        "cure": CURE(h=1.5),
        "adversarial": AdversarialTraining(PGD(eps=0.1, steps=3)),
    }
    changed = scheduled(objective, {"cure.h": HALF, "adversarial.attack.eps": HALF}, 0.3)
    assert changed == {
        "clean": CrossEntropy(),
        "cure": CURE(h=0.75),
        "adversarial": AdversarialTraining(PGD(eps=0.05, steps=3)),
    }
    assert scheduled(objective, {}, 0.3) == objective


@pytest.mark.parametrize(
    "name", ["adversarial.attack.epsilon", "adversarial.eps", "clean.weight.more"]
)
def test_a_name_that_leads_nowhere_is_refused(name):
    objective = {"clean": CrossEntropy(), "adversarial": AdversarialTraining(PGD(eps=0.1))}
    with pytest.raises(
        ValueError, match=rf"a schedule of '{name}': there is no '\w+'; known there: "
    ):
        scheduled(objective, {name: HALF}, 0.5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: Linear(()),
            r"points need progress that ascends in \[0, 1\], a share of all steps; got \[\]",
        ),
        (lambda: Linear(((0.5, 1.0), (0.5, 2.0))), "points need progress that ascends"),
        (lambda: Steps(((0.0, 1.0), (1.5, 2.0))), "points need progress that ascends"),
        (lambda: Steps(((0.0, -1.0),)), r"factors of points must not be negative; got \[-1.0\]"),
        (lambda: Steps(((0.1, 1.0),)), "the first of the points must be at progress 0; got 0.1"),
        (
            lambda: Cosine(warm_up=1.0),
            r"warm_up must lie in \[0, 1\), a share of all steps; got 1.0",
        ),
    ],
)
def test_bad_schedules_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
