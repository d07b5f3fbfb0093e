"""Tables of a sweep's trials: pure functions from trials to columns and text."""

import json
import math
from collections.abc import Mapping, Sequence

import torch

from advcore.pipelines.reports.tables import format_number, markdown
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.space import Space, Value, short_names, value_text
from advcore.pipelines.sweep.trial_files import Trial
from advcore.probes import Columns


def columns(trials: Sequence[Trial], space: Space) -> Columns:
    """Return one row a trial: number, id, status, epoch, seconds, settings, numbers.

    Settings have their short names; a missing number is NaN.

    A setting whose short name is that of a number bears its whole one. It is a column of numbers
    where all its values are, else of words.
    """
    metrics = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    result: dict[str, torch.Tensor | list[str]] = {
        "trial": torch.tensor([trial.number for trial in trials]),
        "key": [trial.key for trial in trials],
        "status": [trial.status for trial in trials],
        "epoch": torch.tensor([trial.epoch for trial in trials]),
        "seconds": torch.tensor([trial.seconds for trial in trials], dtype=torch.float64),
    }
    for name, short in short_names(space).items():
        values = [trial.point[name] for trial in trials]
        result[short if short not in metrics else name] = (
            torch.tensor(values, dtype=torch.float64)
            if numeric(values)
            else [json.dumps(value) for value in values]
        )
    for name in metrics:
        result[name] = torch.tensor(
            [trial.metrics.get(name, math.nan) for trial in trials], dtype=torch.float64
        )
    return result


def numeric(values: Sequence[Value]) -> bool:
    """True if all are numbers."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def table(
    trials: Sequence[Trial],
    space: Space,
    metrics: Sequence[str],
    quantities: Quantities | None = None,
) -> str:
    """Return the same in Markdown with some of the numbers, in words, shares in percent."""
    short, words = short_names(space), quantities or Quantities()
    header = ["trial", *short.values(), "status", "epoch", *map(words.number, metrics)]
    rows = [
        [
            str(trial.number),
            *(value_text(trial.point[name]) for name in short),
            trial.status,
            str(trial.epoch),
            *(
                format_number(
                    (100 if words.is_share(metric) else 1) * trial.metrics.get(metric, math.nan)
                )
                for metric in metrics
            ),
        ]
        for trial in trials
    ]
    return markdown(header, rows)


def front(x: Sequence[float], y: Sequence[float]) -> list[int]:
    """Return the Pareto front of points, both numbers the larger the better.

    These are the points that no other one equals or beats in both and beats in one; by ascending x,
    equal points once, without points that are not finite.
    """
    order = sorted(
        (i for i in range(len(x)) if math.isfinite(x[i]) and math.isfinite(y[i])),
        key=lambda i: (-x[i], -y[i]),
    )
    chosen: list[int] = []
    for i in order:
        if not chosen or y[i] > y[chosen[-1]]:
            chosen.append(i)
    return chosen[::-1]


def best(trials: Sequence[Trial], metric: str | None, mode: str) -> Trial | None:
    """Return the finished trial with the best metric, the first of equal ones.

    None where no metric is finite.
    """
    own = [
        trial
        for trial in trials
        if trial.status == "finished" and math.isfinite(trial.metrics.get(metric or "", math.nan))
    ]
    sign = 1 if mode == "max" else -1
    return max(own, key=lambda trial: sign * trial.metrics[metric or ""], default=None)


def claim_tables(
    trials: Sequence[Trial], space: Space, rows: Mapping[str, Mapping[str, Columns]]
) -> dict[str, dict[str, Columns]]:
    """Return the tables that claims measure, from `rows` by trial and probe.

    By probe these are the rows of `all` trials, and those of `eps=0.5`; each has a column for each
    free setting, by its whole name where the short one is taken, and one that numbers the network.
    """
    short = short_names(space)
    groups: dict[str, dict[str, list[Columns]]] = {}
    words = {name for name in short if not numeric([trial.point[name] for trial in trials])}
    for trial in trials:
        names = ["all", *(f"{own}={value_text(trial.point[name])}" for name, own in short.items())]
        for probe, part in rows.get(trial.key, {}).items():
            count = len(part["sample"])
            point = {
                name if own in part else own: _repeated(trial.point[name], count, name in words)
                for name, own in short.items()
            }
            point.setdefault("network", torch.full((count,), trial.number))
            for group in names:
                groups.setdefault(probe, {}).setdefault(group, []).append({**point, **part})
    return {
        probe: {group: _joined(parts) for group, parts in by_group.items()}
        for probe, by_group in groups.items()
    }


def _repeated(value: Value, count: int, in_words: bool) -> torch.Tensor | list[str]:
    if in_words:
        return [value_text(value)] * count
    return torch.full((count,), value, dtype=torch.float64)  # type: ignore[arg-type]


def _joined(parts: Sequence[Columns]) -> Columns:
    result: dict[str, torch.Tensor | list[str]] = {}
    for name in parts[0]:
        own = [part[name] for part in parts]
        tensors = [column for column in own if isinstance(column, torch.Tensor)]
        result[name] = (
            torch.cat(tensors) if tensors else [word for column in own for word in column]
        )
    return result
