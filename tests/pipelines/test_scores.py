"""The table `scores`: several probes in one column, a number of each sample."""

import re

import pytest
import torch

from advcore.pipelines.claims import Numbers
from advcore.pipelines.tables import Scores
from advcore.pipelines.tables.kinds import Part

BROKEN = Numbers(probe="robust", column="broken_at", above=1.0)
BRIER = Numbers(probe="sure", column="brier")
CORRECT = Numbers(probe="bent", column="correct")
SCORES = Scores((BROKEN, BRIER, CORRECT), from_one=("sure",))


def _part(probe: str, samples: list[int], **columns: list[float]) -> Part:
    return Part(
        probe, {}, {n: torch.tensor(own) for n, own in {"sample": samples, **columns}.items()}
    )


@pytest.mark.parametrize(
    ("part", "values"),
    [
        (_part("robust", [7, 3], broken_at=[torch.inf, 0.5]), [0.0, 1.0]),
        (_part("sure", [3, 7], brier=[0.25, 2.0]), [0.75, -1.0]),
        (_part("sure", [7], brier=[0.25]), [0.75]),
    ],
)
def test_each_probe_has_its_own_column(part: Part, values: list[float]) -> None:
    rows = SCORES.rows([part])
    assert (
        torch.as_tensor(rows["sample"]).tolist()
        == torch.as_tensor(part.rows["sample"]).sort().values.tolist()
    )
    assert torch.as_tensor(rows["value"]).tolist() == values


def test_members_of_a_probe_are_averaged_sample_by_sample() -> None:
    parts = [_part("bent", [3, 7], correct=[0.0, 1.0]), _part("bent", [7, 3], correct=[1.0, 1.0])]
    assert torch.as_tensor(SCORES.rows(parts)["value"]).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([_part("bent", [3], correct=[0.0]), _part("sure", [3], brier=[0.0])], "several probes"),
        ([_part("other", [3], correct=[0.0])], "there are no numbers of probe other"),
        (
            [_part("bent", [3, 4], correct=[0.0, 1.0]), _part("bent", [3, 5], correct=[0.0, 1.0])],
            "members of probe bent are not of the same samples",
        ),
        ([_part("bent", [3, 3], correct=[0.0, 1.0])], "2 rows are not one for each sample"),
    ],
)
def test_what_does_not_fit_is_refused(parts: list[Part], message: str) -> None:
    with pytest.raises(LookupError, match=re.escape(message)):
        SCORES.rows(parts)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="of each once; got \\['sure', 'sure'\\]"):
        Scores((BRIER, BRIER))
    with pytest.raises(ValueError, match="from_one names bent"):
        Scores((BRIER,), from_one=("bent",))
