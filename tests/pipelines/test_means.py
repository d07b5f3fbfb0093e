"""Means over members: sample by sample, and over the rows that another column marks."""

import math
import re

import pytest
import torch

from advcore.pipelines.tables import MeanAmong, MeanBySample
from advcore.pipelines.tables.kinds import Part


def _part(samples: list[int], values: list[float], broken: list[int]) -> Part:
    rows = {"sample": samples, "value": values, "broken": broken}
    return Part("p", {}, {name: torch.tensor(own) for name, own in rows.items()})


PARTS = [_part([3, 7], [0.0, 1.0], [0, 1]), _part([3, 7], [1.0, 1.0], [0, 0])]


def test_each_sample_has_its_mean_over_members() -> None:
    rows = MeanBySample("value").rows(PARTS)
    assert torch.as_tensor(rows["sample"]).tolist() == [3, 7]
    assert torch.as_tensor(rows["mean"]).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ([PARTS[0], _part([3, 8], [0.0, 1.0], [0, 1])], "are not of the same samples"),
        ([_part([3, 3], [0.0, 1.0], [0, 1])], "has several rows of a sample: choose by where"),
    ],
)
def test_samples_that_do_not_fit_are_refused(odd: list[Part], message: str) -> None:
    with pytest.raises(LookupError, match=re.escape(message)):
        MeanBySample("value").rows(odd)


def test_marked_rows_count_alike_and_a_member_may_have_none() -> None:
    parts = [*PARTS, _part([3, 7], [0.0, 0.0], [1, 1])]
    rows = MeanAmong("value", "broken").rows(parts)
    assert torch.as_tensor(rows["mean"]).item() == pytest.approx(1 / 3)
    assert torch.as_tensor(rows["rows"]).item() == 3


def test_no_marked_row_has_no_mean() -> None:
    rows = MeanAmong("value", "broken").rows(PARTS[1:])
    assert math.isnan(torch.as_tensor(rows["mean"]).item())
    assert torch.as_tensor(rows["rows"]).item() == 0


def test_marks_are_0_and_1() -> None:
    with pytest.raises(LookupError, match="column 'value' must hold 0 and 1"):
        MeanAmong("broken", "value").rows([_part([1], [0.5], [1])])
