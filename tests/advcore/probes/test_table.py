"""A table's columns are read as what they hold."""

import pickle

import pytest
import torch

from advcore.probes import Table

TABLE = Table(
    sample=torch.arange(3),
    distance=torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    status=["found", "not_found", "found"],
)


def test_columns_are_numbers_or_words():
    assert TABLE.numbers("distance") is TABLE["distance"]
    assert TABLE.words("status") is TABLE["status"]


def test_the_other_kind_is_refused_with_what_to_write():
    with pytest.raises(TypeError, match="status holds words, not numbers: read it by `words`"):
        TABLE.numbers("status")
    with pytest.raises(TypeError, match="distance holds numbers, not words: read it by `numbers`"):
        TABLE.words("distance")
    with pytest.raises(KeyError, match="column speed; these rows have sample, distance, status: "):
        TABLE.numbers("speed")


def test_rows_with_a_word():
    assert TABLE.rows_with("status", "found").tolist() == [True, False, True]
    assert TABLE.take(torch.arange(0)).rows_with("status", "found").dtype == torch.bool


@pytest.mark.parametrize(
    "rows", [torch.tensor([True, False, True]), torch.tensor([0, 2])], ids=["mask", "numbers"]
)
def test_rows_are_taken_of_all_columns(rows):
    some = TABLE.take(rows)
    assert list(some) == list(TABLE)
    assert some.numbers("sample").tolist() == [0, 2]
    assert some.numbers("distance").tolist() == [[1, 2], [5, 6]]
    assert some.words("status") == ["found", "found"]


def test_an_order_is_kept_and_rows_may_come_twice():
    assert TABLE.take(torch.tensor([2, 0, 2])).numbers("sample").tolist() == [2, 0, 2]


def test_it_is_a_dict():
    assert {**TABLE, "own": TABLE["sample"]}.keys() == {*TABLE, "own"}
    back = pickle.loads(pickle.dumps(TABLE))
    assert isinstance(back, Table)
    assert back.words("status") == TABLE.words("status")
