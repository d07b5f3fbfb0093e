"""Failed work in words."""

import pytest

from advcore.pipelines.graph.reporting.failed_work import advice, few_ranges
from advcore.workers.tasks import TaskResult


def failed(error: str) -> TaskResult:
    trace = f"Traceback (most recent call last):\n  ...\n{error}"
    return TaskResult("key", "plain/margins", False, 0, 0.0, trace, "")


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (["RuntimeError: no memory"], "run the same command again to measure only them"),
        (["OSError: away", "MemoryError"], "run the same command again to measure only them"),
        (["ValueError: no fit"], "it fails again until what its error names is changed; then"),
        (["KeyError: 'a'", "TypeError: b"], "each fails again until what its error names"),
        (
            ["ValueError: no fit", "the worker was lost"],
            "again to measure only them; 1 of them fails again",
        ),
    ],
)
def test_only_what_may_work_is_to_be_run_again(errors: list[str], told: str) -> None:
    assert told in advice([failed(error) for error in errors])


def test_long_lists_of_samples_are_cut() -> None:
    few = ", ".join(map(str, range(0, 18, 2)))
    assert few_ranges(few) == few
    assert few_ranges(f"{few}, 20-29") == "0, 2, 4, 6, 8, 10, 12, 14 and 2 more ranges"
