"""Estimates of a study's time, from earlier measurements in the same results folder.

Without any, the study file's `minutes` is used.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advcore.counts import duration_text
from advcore.fits import Fit
from advcore.learnt import with_learnt
from advcore.pipelines.graph.layout import PlannedFit
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.settings import schema
from advcore.pipelines.training.settings import Training
from advcore.probes import Probe
from advcore.workers.files import atomic_write
from advcore.workers.keys import settings_that_define_rows
from advcore.workers.models import ModelSpec
from advcore.workers.tasks import Share, Task, TaskResult

FILE = "timings.json"
"""Name of the file, in the folder of results, of what measuring, fitting and training took: seconds
of a worker for a sample, of a fit in all its rounds, seconds of a training."""


@dataclass(frozen=True)
class TimeEstimate:
    """The expected seconds, what they are based on, and the parts that are unknown."""

    seconds: float
    source: str
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.source:
            return "unknown: nothing comparable was measured in this folder of results yet"
        beside = (
            f", without {', '.join(self.unknown)}, not measured here yet" if self.unknown else ""
        )
        return f"about {duration_text(self.seconds)} ({self.source}){beside}"


def estimate(
    study: AnyStudy,
    prepared: Prepared,
    tasks: Sequence[Task],
    trainings: Mapping[str, Training],
    fits: Mapping[str, PlannedFit],
    out: Path,
) -> TimeEstimate:
    """Estimate the time to train these networks, learn these fits and measure these shards.

    All workers measure, and compute the shares of fits.

    `prepared` may be of the untrained networks: what they cost is the same.
    """
    known = _known(out)
    pending = [_training_key(training) for training in trainings.values()]
    missing = {task.key for task in tasks}
    samples = {
        names: sum(len(task.shard) for task in own if task.key in missing)
        for names, own in prepared.tasks.items()
    }
    keys = {names: measuring_key(prepared, *names) for names, count in samples.items() if count}
    learnt = {
        label: fit_key(
            prepared.networks[own.network],
            own.settings,
            prepared.datasets[own.data].shape,
            study.run.dtype,
        )
        for label, own in fits.items()
    }
    unknown = [
        f"training {name}" for name, key in zip(trainings, pending, strict=True) if key not in known
    ]
    unknown += [f"fit {label}" for label, key in learnt.items() if key not in known]
    unknown += [f"{model}/{probe}" for (model, probe), key in keys.items() if key not in known]
    count = len(keys) + len(pending) + len(learnt)
    if not count:
        return TimeEstimate(0, "everything is in the store")
    if unknown and study.minutes is not None:
        return TimeEstimate(
            60 * study.minutes, "the study file's minutes, on two idle cores, with trainings"
        )
    if len(unknown) == count:
        return TimeEstimate(0, "")
    side_by_side = (
        study.run.workers if study.run.runner == "ray" and isinstance(study.run.workers, int) else 1
    )
    measuring = sum(known[key] * samples[names] for names, key in keys.items() if key in known)
    fitting = sum(
        known[key] * len(prepared.datasets[fits[label].data])
        for label, key in learnt.items()
        if key in known
    )
    training = sum(known.get(key, 0) for key in pending) / max(1, min(side_by_side, len(pending)))
    return TimeEstimate(
        training + (measuring + fitting) / side_by_side,
        "from earlier measurements here",
        tuple(unknown),
    )


def note_measuring(out: Path, prepared: Prepared, outcomes: Iterable[TaskResult]) -> None:
    """Save the seconds per sample of the shards that were measured."""
    took = {outcome.key: outcome.seconds for outcome in outcomes if outcome.ok}
    new = {}
    for names, tasks in prepared.tasks.items():
        own = [task for task in tasks if task.key in took]
        if own:
            new[measuring_key(prepared, *names)] = sum(took[task.key] for task in own) / sum(
                len(task.shard) for task in own
            )
    _keep(out, new)


def note_training(out: Path, training: Training, seconds: float) -> None:
    """Save the seconds of a training from its first to its last epoch."""
    _keep(out, {_training_key(training): seconds})


def note_fit(out: Path, share: Share, seconds: float) -> None:
    """Save the seconds per sample that all shares of a fit took, of which `share` is one."""
    key = fit_key(share.model, share.fit, share.samples.shape, share.dtype)
    _keep(out, {key: seconds / share.samples.count})


def measuring_key(prepared: Prepared, model: str, probe: str) -> str:
    """Return a key of what the seconds per sample depend on.

    The network without its weights, the probe, the images, the precision.
    """
    own = prepared.measurements[model, probe]
    network = prepared.networks[own.planned.network]
    return _work_key(network, own.planned.settings, Probe, own.seen.shape, prepared.study.run.dtype)


def fit_key(network: ModelSpec, fit: Fit, shape: Sequence[int], dtype: str) -> str:
    """Return a key of what a fit's seconds per sample depend on, as `measuring_key` does."""
    return f"fit/{_work_key(network, fit, Fit, shape, dtype)}"


def _work_key(
    network: ModelSpec, settings: Any, seam: Any, shape: Sequence[int], dtype: str
) -> str:
    """Return a key of settings on a network, for all members of the families of fits they name."""
    whole = schema.unstructure(network)
    spec = {name: whole[name] for name in ("architecture", "arguments", "classes")}
    own = with_learnt(settings, lambda fit: replace(fit, name=fit.family, key=""))
    words = schema.unstructure(own, seam)
    parts = [spec, settings_that_define_rows(own, words), tuple(shape), dtype]
    return f"{spec['architecture']}/{words['kind']}/{_digest(parts)}"


def _training_key(training: Training) -> str:
    """Return a key of what a training's seconds depend on: not its seeds, nor its first weights."""
    settings = schema.unstructure(training)
    model = {
        key: own for key, own in settings["model"].items() if key not in ("checkpoint", "seed")
    }
    recipe = {key: own for key, own in settings["recipe"].items() if key != "seed"}
    return f"training/{_digest([model, settings['data'], recipe])}"


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _known(out: Path) -> dict[str, float]:
    try:
        return {
            str(name): float(value)
            for name, value in json.loads((out / FILE).read_text(encoding="utf-8")).items()
        }
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
    ):  # none yet, or by somebody else: there is no estimate then
        return {}


def _keep(out: Path, new: Mapping[str, float]) -> None:
    with suppress(OSError):  # a full disk: the rows are what counts
        if new:
            with atomic_write(out / FILE) as unfinished:
                unfinished.write_text(
                    json.dumps({**_known(out), **new}, indent=0, sort_keys=True), encoding="utf-8"
                )
