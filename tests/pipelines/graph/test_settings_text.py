"""The settings of a family in a line."""

import pytest

from advcore.pipelines.graph.reporting.settings_text import settings_line
from advcore.probes import Noise, Probe


@pytest.mark.parametrize(
    ("draws", "told"),
    [
        ([3], "draws: 3"),
        ([3, 4], "draws: changed by an axis (3 / 4)"),
        ([1, 2, 3, 4, 5], "draws: changed by an axis,"),
    ],
)
def test_what_differs_is_named_as_such(draws: list[int], told: str) -> None:
    line = settings_line([Noise(draws=own) for own in draws], Probe)
    assert line.startswith("{kind: noise, ")
    assert told in line
