"""Failed work in words: how much failed, what is missing for it, and whether to try again."""

import builtins
from collections.abc import Iterable, Sequence

from advcore.counts import counted
from advcore.pipelines.graph.expanded_layout import planned_of
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.settings import GraphStudy
from advcore.workers.redaction import last_line
from advcore.workers.tasks import TaskResult

SHOWN_LABELS = 3
"""Number of members of a family that a line names; of more only the number is said."""
SHOWN_RANGES = 8
"""Number of ranges of samples that a line names."""
_REPEATABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Errors of settings and code: the same work raises them again."""


def fails_again(failure: TaskResult) -> bool:
    """Return whether the same work, tried again, would raise the same error."""
    name = last_line(failure.error).partition(":")[0]
    raised = getattr(builtins, name, None)
    return isinstance(raised, type) and issubclass(raised, _REPEATABLE)


def advice(failures: Sequence[TaskResult]) -> str:
    """Say what to do about failures, after the sentence that tells how many there are."""
    again = sum(map(fails_again, failures))
    if not again:
        return "run the same command again to measure only them"
    change = "until what its error names is changed"
    if again == len(failures):
        each = "each fails again" if again > 1 else "it fails again"
        return f"{each} {change}; then the same command measures only what is missing"
    fail = "fail" if again > 1 else "fails"
    return f"run the same command again to measure only them; {again} of them {fail} again {change}"


def few_ranges(samples: str) -> str:
    """Return ranges of indices, as in "3-5, 8", with the number of those that are left out."""
    ranges = samples.split(", ")
    more = len(ranges) - SHOWN_RANGES
    return samples if more < 2 else f"{', '.join(ranges[:SHOWN_RANGES])} and {more} more ranges"


def failed_count(prepared: Prepared, failures: Sequence[TaskResult]) -> str:
    """Return the number of failures: of shards, or of tasks where others are among them."""
    measured = {task.key for task in prepared.all_tasks()}
    noun = "shard" if all(own.key in measured for own in failures) else "task"
    return counted(len(failures), noun)


def left_out(prepared: Prepared) -> list[str]:
    """Return what a study names and the plan lacks, for what it comes of failed: by family."""
    study, layout = prepared.study, prepared.layout
    if not isinstance(study, GraphStudy):
        return []
    there = {"data_sets": layout.data, "models": layout.networks, "fits": layout.fits}
    nouns = {"data_sets": "data set", "models": "model", "fits": "fit"}
    lines = []
    for (section, name), family in study.families.items():
        if section in there:
            labels = [own.label for own in family.members.values()]
            lines += _of_family(f"{nouns[section]} {name}", labels, there[section])
    planned: dict[str, list[tuple[str, str]]] = {}
    for own in planned_of(study):
        planned.setdefault(own.probe, []).append((own.label, own.probe))
    for probe, names in planned.items():
        measured = [label for label, of in prepared.measurements if of == probe]
        lines += _of_family(f"probe {probe}", [label for label, _ in names], measured, "of ")
    return lines


def _of_family(what: str, labels: Sequence[str], there: Iterable[str], of: str = "") -> list[str]:
    """Return a line on the members of a family that are not there; none where all are."""
    missing = sorted(set(labels) - set(there), key=labels.index)
    if not missing:
        return []
    if len(labels) == 1:
        return [what]
    name = what.partition(" ")[2]
    shown = [of + (label if of else label.removeprefix(f"{name} ")) for label in missing]
    if len(missing) == len(labels) or len(missing) > SHOWN_LABELS:
        return [f"{what} ({len(missing)} of {len(labels)})"]
    return [f"{what} {', '.join(shown)}"]
