import oracles
import pytest
import torch

from advcore import Targeted, Untargeted
from advcore.attacks import PGD, DeepFool
from advcore.criteria import Criterion

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


def test_take_and_classes():
    index = torch.tensor([1])
    for criterion in (Untargeted(torch.tensor([0, 2])), Targeted(torch.tensor([0, 2]))):
        assert criterion.classes.tolist() == [0, 2]
        assert criterion.take(index).classes.tolist() == [2]
        assert type(criterion.take(index)) is type(criterion)


def test_a_row_with_nan_is_not_adversarial():
    logits = torch.tensor([[torch.nan, 1.0, 0.0], [0.0, 1.0, torch.nan]])
    assert not Untargeted(torch.tensor([1, 1])).holds(logits).any()
    assert not Targeted(torch.tensor([0, 2])).holds(logits).any()


class OneOfTwo:
    """Adversarial is class 1 or class 2: of one's own, by what a criterion must have."""

    targeted = True

    def __init__(self, count):
        self.classes = torch.ones(count, dtype=torch.int64)

    def holds(self, logits):
        top = logits.argmax(1)
        return (top == 1) | (top == 2)

    def take(self, index):
        return OneOfTwo(len(index))

    def to(self, device):
        return self

    def goals(self, logits, count):
        return self.classes[:, None]

    def rival(self, logits):
        return logits[:, [0]].argmax(1)


@pytest.mark.parametrize("attack", [PGD(eps=0.5, norm="l2"), DeepFool()])
def test_a_criterion_of_ones_own_is_attacked(attack):
    network, images = oracles.relu(), oracles.images(30)
    result = attack(network, images, OneOfTwo(30))
    reached = network(result.images).argmax(1)
    assert torch.equal(result.found, (reached == 1) | (reached == 2))
    assert result.found.sum() > 0
    target = attack(network, images, Targeted(torch.ones(30, dtype=torch.int64)))
    assert (result.found | ~target.found).all()


@pytest.mark.parametrize("word", ["classes", "targeted", "take", "to", "goals", "rival"])
def test_a_criterion_that_lacks_a_word_is_refused_with_it(word):
    parts = {name: value for name, value in vars(OneOfTwo).items() if name[0] != "_"}
    parts["classes"] = torch.ones(3, dtype=torch.int64)
    whole = type("Whole", (), dict(parts))()
    assert isinstance(whole, Criterion)
    del parts[word]
    with pytest.raises(
        TypeError, match=rf"^Part is no Criterion: it lacks {word}; write .*{word}[(:]"
    ):
        PGD(eps=0.1)(oracles.relu(), oracles.images(3), type("Part", (), parts)())
