"""One trial of a sweep: the training at a point, epoch after epoch, then the probes.

It knows neither Ray nor MLflow: the same trial runs in this process and in an actor of Ray Tune.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from advcore.pipelines.graph.plan import Prepared, prepare
from advcore.pipelines.graph.reporting.summaries import checked
from advcore.pipelines.reports.chance import accuracy_of, warned
from advcore.pipelines.settings.schedulers import PBT, judged_by
from advcore.pipelines.sweep.lineage import Lineage, succeeding, trace_lineage
from advcore.pipelines.sweep.metric_names import HELD_OUT, summary_numbers
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.space import Point
from advcore.pipelines.training.epoch_loop import epochs
from advcore.pipelines.training.loading import load_training
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import InputError
from advcore.workers.inline import Inline
from advcore.workers.stores.store import open_store
from advcore.workers.training.epoch_loop import ABOUT, MODEL
from advcore.workers.units import read_rows


@dataclass(frozen=True)
class TrialReport:
    """The state of a trial: its epoch and its numbers.

    At the end those of the epoch whose network is handed out, with the probes'; also `rows`, the
    keys of its rows in the store by probe (None while it trains), and the probes' `warnings`.
    `lineage` is how its settings changed, in a population.
    """

    epoch: int
    metrics: dict[str, float]
    rows: dict[str, list[str]] | None = None
    warnings: dict[str, str] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=list)


def reports(plan: Plan, point: Point, folder: Path) -> Iterator[TrialReport]:
    """Train, or continue from the state in `folder`, then measure; yield one report an epoch.

    The last one has the probes' numbers.

    In a population that state may have come of other settings than the point's. A training that was
    finished before, or that stops before its last epoch, gives one more. Raises InputError for what
    cannot work, FloatingPointError where the training diverges, RuntimeError with its traceback
    where a probe fails.
    """
    population = isinstance(plan.sweep.scheduler, PBT)
    training = succeeding(plan, point, folder) if population else plan.at(point)
    stretches = trace_lineage(plan, point, training) if population else []
    judged = judged_by(plan.sweep.scheduler)
    for progress in epochs(training, folder):
        if judged is not None and judged not in progress.metrics:
            known = ", ".join(progress.metrics)
            raise InputError(
                f"the scheduler judges by {judged!r}, which is no number of an epoch: take one "
                f"of {known}"
            )
        if progress.epoch < training.recipe.epochs:
            yield TrialReport(progress.epoch, progress.metrics, lineage=stretches)
    about = json.loads((folder / ABOUT).read_text())
    metrics = about["metrics"][about["epoch"] - 1] | {"chosen_epoch": about["epoch"]}
    rows, numbers, warnings = _measured(plan, training, folder)
    yield TrialReport(len(about["metrics"]), metrics | numbers, rows, warnings, stretches)


def _measured(
    plan: Plan, training: Training, folder: Path
) -> tuple[dict[str, list[str]], dict[str, float], dict[str, str]]:
    """Return the keys of the rows by probe, the probes' numbers, and their warnings.

    Only what the store lacks is computed. Where the best trial is chosen on held-out samples, the
    metric's probe is measured on them too.
    """
    study = plan.study(training, folder / MODEL)
    if study is None:
        return {}, {}, {}
    rows, numbers, warnings = _study_measured(plan, training, prepare(study))
    probe = (plan.sweep.metric or "").partition("/")[0]
    if plan.chosen_by != plan.sweep.metric and probe in study.probes:
        held_out = load_training(training).held_out
        assert held_out is not None
        chosen = prepare(
            replace(study, probes={probe: study.probes[probe]}, transforms={}), held_out
        )
        _, own, _ = _study_measured(plan, training, chosen)
        curve = str(plan.sweep.metric).rpartition("/")[0]
        own = {
            name: value
            for name, value in own.items()
            if name == f"{probe}/accuracy" or name.startswith(curve)
        }
        numbers |= {f"{HELD_OUT}{name}": value for name, value in own.items()}
    return rows, numbers, warnings


def _study_measured(
    plan: Plan, training: Training, prepared: Prepared
) -> tuple[dict[str, list[str]], dict[str, float], dict[str, str]]:
    """Return the same for one study."""
    probes = prepared.probes()
    store = open_store(plan.store, create=False)
    tasks = prepared.all_tasks()
    missing = set(store.missing(task.key for task in tasks))
    place = Inline(plan.store, training.run.threads, training.run.device)
    tasks = [task for task in tasks if task.key in missing]
    for result in place.run(tasks, prepared.datasets):
        if not result.ok:
            raise RuntimeError(result.error)
    rows = {probe: [task.key for task in own] for (_, probe), own in prepared.tasks.items()}
    accuracy = accuracy_of(
        store.metadata_all([key for keys in rows.values() for key in keys]), prepared.dataset.labels
    )
    numbers: dict[str, float] = {}
    warnings: dict[str, str] = {}
    for name, keys in rows.items():
        summary = warned(
            checked(probes[name].summarise(read_rows(store, probes[name], keys))), accuracy
        )
        numbers |= {f"{name}/{word}": value for word, value in summary_numbers(summary).items()}
        warnings |= {f"{name}.{word}": sentence for word, sentence in summary.warnings.items()}
    return rows, numbers, warnings
