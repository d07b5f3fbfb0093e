import torch

from advcore import Targeted, Untargeted
from advcore.criteria import classes_of

LOGITS = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])


def test_untargeted_holds_for_any_other_class():
    assert Untargeted(torch.tensor([0, 2])).holds(LOGITS).tolist() == [False, True]


def test_targeted_holds_for_the_target_alone():
    assert Targeted(torch.tensor([1, 1])).holds(LOGITS).tolist() == [False, True]


def test_goals_are_the_likeliest_classes_that_would_do():
    criterion = Untargeted(torch.tensor([0, 2]))
    assert criterion.goals(LOGITS, 9).tolist() == [[2, 1], [1, 0]]
    assert criterion.goals(LOGITS, 1).tolist() == [[2], [1]]
    assert Targeted(torch.tensor([1, 0])).goals(LOGITS, 9).tolist() == [[1], [0]]


def test_the_rival_is_what_a_goal_must_overtake():
    assert Untargeted(torch.tensor([0, 2])).rival(LOGITS).tolist() == [0, 2]
    assert Targeted(torch.tensor([0, 1])).rival(LOGITS).tolist() == [2, 2]


def test_take_and_classes_of():
    index = torch.tensor([1])
    for criterion in (Untargeted(torch.tensor([0, 2])), Targeted(torch.tensor([0, 2]))):
        assert classes_of(criterion).tolist() == [0, 2]
        assert classes_of(criterion.take(index)).tolist() == [2]
        assert type(criterion.take(index)) is type(criterion)


def test_a_row_with_nan_is_not_adversarial():
    logits = torch.tensor([[torch.nan, 1.0, 0.0], [0.0, 1.0, torch.nan]])
    assert not Untargeted(torch.tensor([1, 1])).holds(logits).any()
    assert not Targeted(torch.tensor([0, 2])).holds(logits).any()
