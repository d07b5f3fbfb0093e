from dataclasses import replace

import pytest
import torch
from learning import assert_resumes, assert_same_bits, learn, samples_of, shards
from oracles import images

from advcore.fits import Exemplars
from advcore.randomness import drawn_places

COUNT, SHAPE = 30, (1, 3, 3)
INPUTS = images(COUNT, SHAPE).float()
LABELS = torch.arange(COUNT) % 7


def in_parts(sizes):
    return shards(INPUTS, sizes, LABELS)


@pytest.mark.parametrize("count", [None, 11])
def test_the_samples_drawn_stand_as_they_are_whatever_the_shards(count):
    learnt = learn(Exemplars(count), None, in_parts((7, 20, 3)), 7)
    order = drawn_places(torch.arange(COUNT)).argsort()[:count]
    assert torch.equal(learnt.tensors["inputs"], INPUTS[order])
    assert torch.equal(learnt.tensors["labels"], LABELS[order])
    assert torch.equal(learnt.tensors["indices"], order)
    assert learnt.tensors["labels"].dtype == learnt.tensors["indices"].dtype == torch.int64
    assert learnt.rounds == 1
    assert_same_bits(learnt, learn(Exemplars(count), None, in_parts((30,)), 7))
    assert_resumes(Exemplars(count), None, in_parts((15, 15)), 7)


def test_fewer_lie_among_more():
    few, more = (learn(Exemplars(count), None, in_parts((30,)), 7) for count in (5, 12))
    assert torch.equal(few.tensors["inputs"], more.tensors["inputs"][:5])


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match="samples must be 1 or more, or none for all; got 0"):
        Exemplars(0)
    with pytest.raises(ValueError, match="at most the 30 of the data set; got 31"):
        Exemplars(31).validate(samples_of(in_parts((30,)), 7))


def test_parts_that_do_not_know_their_places_are_refused():
    """By the places inside each two parts would overlap."""
    parts = [replace(part, places=None) for part in in_parts((15, 15))]
    with pytest.raises(ValueError, match=r"give batch\.places"):
        learn(Exemplars(), None, parts, 7)
