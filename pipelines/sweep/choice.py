"""The choice of a sweep's best trial: by which number, on which samples, and how certain it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from advcore.pipelines.sweep.metric_names import HELD_OUT, summary_numbers, unknown
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.trial_files import Trial
from advcore.pipelines.training.settings import Training
from advcore.probes import Columns, Probe, Robustness, Table
from advcore.randomness import Randomness
from advcore.shares import wilson
from advcore.workers.datasets import batch, load
from advcore.workers.errors import USERS_ERRORS, InputError
from advcore.workers.models import build
from advcore.workers.shards import Shard

DRAWS = 200
"""Bootstrap samples of a number that is no share."""

TRIED_SAMPLES = 2
"""Samples that tell which numbers a probe has."""


@dataclass(frozen=True)
class Choice:
    """The certainty of the best trial: its number's 95 % interval, equal trials, trials within it.

    The interval is over the samples by which it is reported; None: unknown.
    """

    low: float | None
    high: float | None
    tied: tuple[int, ...]
    within: tuple[int, ...]


def check_metrics(plan: Plan) -> None:
    """Raise InputError if the metric or the trade-off names a number that no trial will have.

    The numbers of a probe are known from what it makes of two samples and the untrained network.
    """
    sweep, points = plan.sweep, plan.sweep.points()
    training = plan.at(points[0]) if points else plan.training
    asked = [name for name in (sweep.metric, *(sweep.tradeoff or ())) if name is not None]
    known = _of_epochs(training)
    for name, probe in sweep.probes.items():
        if any(other.partition("/")[0] == name for other in asked):
            own = _of_probe(plan, training, probe)
            if own is None:  # only a trained network can tell
                return
            known += [f"{name}/{word}" for word in own]
        else:
            known.append(name)
    for name in asked:
        wrong = unknown(name, known)
        if wrong:
            raise InputError(f"sweep.{'metric' if name == sweep.metric else 'tradeoff'}: {wrong}")


def chosen_on_test(plan: Plan) -> str:
    """Return a warning if the best trial is chosen by the samples by which it is reported."""
    sweep, name = plan.sweep, plan.chosen_by
    test = name == "test_accuracy" or (
        name is not None
        and name.partition("/")[0] in sweep.probes
        and sweep.data is not None
        and sweep.data.split == "test"
    )
    if not test:
        return ""
    return (
        f"the best trial is chosen by {name} on test samples, and reported by the same number: "
        "that is too good. Hold samples out of the training ones: validation: 0.1"
    )


def choice_of(plan: Plan, best: Trial, done: Sequence[Trial], table: Columns | None) -> Choice:
    """Estimate how certain the best trial is; `table` holds its rows of the metric's probe."""
    name, by = plan.sweep.metric or "", plan.chosen_by or ""
    low, high = (None, None) if table is None else interval(plan.sweep, name, best.metrics, table)
    others = [trial for trial in done if trial.key != best.key]
    tied = tuple(trial.number for trial in others if trial.metrics.get(by) == best.metrics.get(by))
    within = tuple(
        trial.number
        for trial in others
        if low is not None and high is not None and low <= trial.metrics.get(name, math.nan) <= high
    )
    return Choice(low, high, tied, within)


def is_share(sweep: Sweep, name: str) -> bool:
    """True if a number is the share of a robustness probe's samples."""
    probe, _, word = name.removeprefix(HELD_OUT).partition("/")
    return isinstance(sweep.probes.get(probe), Robustness) and (
        word == "accuracy" or word.startswith("robust_accuracy/")
    )


def interval(
    sweep: Sweep, name: str, metrics: Mapping[str, float], table: Columns
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a probe's number over its samples.

    Wilson's for a share, else a percentile bootstrap's; none if the probe cannot summarise
    resampled rows.
    """
    samples = Table(table).numbers("sample")
    value = metrics.get(name, math.nan)
    if not math.isfinite(value):
        return None, None
    if is_share(sweep, name):
        count = len(samples.unique())
        return wilson(round(value * count), count)
    probe, _, word = name.partition("/")
    generator = torch.Generator().manual_seed(0)
    try:
        drawn = [
            summary_numbers(sweep.probes[probe].summarise(resampled(table, generator)))[word]
            for _ in range(DRAWS)
        ]
    except USERS_ERRORS:
        return None, None
    ends = torch.tensor([number for number in drawn if math.isfinite(number)], dtype=torch.float64)
    if len(ends) < DRAWS:
        return None, None
    return ends.quantile(0.025).item(), ends.quantile(0.975).item()


def resampled(table: Columns, generator: torch.Generator) -> Table:
    """Return a table of as many samples, drawn with replacement.

    Each has all its rows and its own number.

    Raises ValueError where the samples have different numbers of rows.
    """
    table = Table(table)
    samples = table.numbers("sample")
    names, place = samples.unique(return_inverse=True)
    each, rest = divmod(len(samples), len(names))
    if rest or (place.bincount() != each).any():
        raise ValueError(
            f"expected as many rows of each of {len(names)} samples, got {len(samples)} in all"
        )
    rows = place.argsort(stable=True).view(len(names), each)[
        torch.randint(len(names), (len(names),), generator=generator)
    ]
    numbered = torch.arange(len(names))[:, None].expand(-1, each)
    if not (
        each > 1 and samples[0] == samples[1]
    ):  # the samples of one index stand together, not the rows of one sample
        rows, numbered = rows.T, numbered.T
    return Table(table.take(rows.reshape(-1)) | {"sample": numbered.reshape(-1)})


def _of_epochs(training: Training) -> list[str]:
    names = [
        "loss",
        "learning_rate",
        "chosen_epoch",
        *(f"loss/{name}" for name in training.recipe.objective),
    ]
    names += ["test_accuracy"] if training.test is not None else []
    if training.validation is not None:
        kinds = ("", "robust_") if training.validation.attack is not None else ("",)
        names += [f"{HELD_OUT}{kind}{name}" for kind in kinds for name in ("accuracy", "loss")]
    return names


def _of_probe(plan: Plan, training: Training, probe: Probe) -> list[str] | None:
    """Return the names of a probe's numbers; None where it fails on the untrained network."""
    sweep = plan.sweep
    assert sweep.data is not None
    few = replace(load(sweep.data), transform=training.data.transform)
    samples = batch(few, Shard(0, min(TRIED_SAMPLES, len(few))), sweep.run.dtype)
    network = build(training.network).to(samples.inputs.dtype)
    try:
        return list(
            summary_numbers(
                probe.summarise(
                    Table(
                        probe.measure(network, samples, Randomness(sweep.run.seed, samples.indices))
                    )
                )
            )
        )
    except USERS_ERRORS:
        return None
