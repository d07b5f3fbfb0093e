"""The plan of a sweep: what all trials share, and all checks before the first of them."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.running.trained_models import on_data
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import put
from advcore.pipelines.settings.runs import RunSettings, TrainSettings
from advcore.pipelines.settings.schedulers import PBT, Optuna
from advcore.pipelines.sweep.metric_names import HELD_OUT
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import Point, complete, value_text
from advcore.pipelines.tracking.checkpoints import resolve_checkpoint
from advcore.pipelines.training.loading import load_training, training_settings
from advcore.pipelines.training.settings import Training
from advcore.training import Validation
from advcore.workers.code import own_code
from advcore.workers.datasets import load
from advcore.workers.errors import InputError, refused
from advcore.workers.models import content_hash
from advcore.workers.paths import expand_path
from advcore.workers.stores.store import store_of

TRAINED = "trained"
"""The model of the study that measures a trial."""


@dataclass(frozen=True)
class Plan:
    """The parts that all trials share.

    Attributes:
        sweep: its file.
        training: its recipe, on its data set, where trials run.
        origin: hashes of the training's data and of its first weights.
        store: where the probes' rows lie.
    """

    sweep: Sweep
    training: Training
    origin: tuple[str, ...]
    store: str

    @property
    def chosen_by(self) -> str | None:
        """The number by which the best trial is chosen.

        It is on held-out samples where there are some.
        """
        metric = self.sweep.metric
        if (
            metric is None
            or metric.partition("/")[0] not in self.sweep.probes
            or self.training.validation is None
        ):
            return metric
        return f"{HELD_OUT}{metric}"

    def at(self, point: Point) -> Training:
        """Return the training at a point. Raises InputError where the point does not fit."""
        values = self.complete(point)
        shown = ", ".join(f"{name} = {value_text(value)}" for name, value in values.items())
        settings = put(schema.unstructure(self.training), values, "sweep.space")
        return schema.structure(Training, settings, at=f"with {shown}: training")

    def complete(self, point: Point) -> Point:
        """Return the point with the settings that follow from it."""
        with refused("sweep.space"):
            return complete(self.sweep.space, point)

    def key(self, point: Point) -> str:
        """Return the id of a trial: a hash of all that its trained network depends on.

        In a population these are its first settings and the population.
        """
        population = [self._population] if self._population else []
        settings = put(
            settings_that_define_trials(self.training), self.complete(point), "sweep.space"
        )
        return _digest(settings, self.origin, *population, *filter(None, [own_code(settings)]))

    @property
    def identity(self) -> str:
        """The id of the sweep and of its run in MLflow.

        More points are the same sweep; with Optuna the space is part of it.
        """
        searcher = schema.unstructure(self.sweep)["searcher"]
        space = (
            schema.unstructure(self.sweep)["space"]
            if isinstance(self.sweep.searcher, Optuna)
            else None
        )
        population = [self._population] if self._population else []
        return _digest(
            self.sweep.name,
            settings_that_define_trials(self.training),
            self.origin,
            self.measured,
            searcher,
            space,
            *population,
        )

    @property
    def measured(self) -> str:
        """The id of what is measured on each trained model."""
        settings = schema.unstructure(self.sweep)
        run = [settings["run"][name] for name in ("shard_size", "seed", "dtype")]
        held_out = (
            [self.chosen_by] if self.chosen_by != self.sweep.metric else []
        )  # its probe is measured there too
        return _digest(
            settings["probes"],
            settings["data"],
            run,
            *filter(None, [own_code(settings["probes"])]),
            *held_out,
        )

    def without_tracking_uri(self) -> "Plan":
        """Return the plan without MLflow's address, which may hold a password.

        Trials get this one: only the driver logs.
        """
        return replace(
            self, sweep=replace(self.sweep, run=replace(self.sweep.run, tracking_uri=None))
        )

    @property
    def _population(self) -> dict[str, Any] | None:
        """Return the settings that identify the population, with population-based training.

        Trials share state, so they cannot be reused by another sweep.
        """
        if not isinstance(self.sweep.scheduler, PBT):
            return None
        settings = schema.unstructure(self.sweep)
        return {name: settings[name] for name in ("scheduler", "space", "trials", "searcher")}

    def study(self, training: Training, checkpoint: Path | None = None) -> Study | None:
        """Return the study that measures a trained network; None without probes.

        Images are transformed as those that the network learnt.
        """
        sweep, transform = self.sweep, training.data.transform
        if sweep.data is None or not sweep.probes:
            return None
        model = (
            training.network
            if checkpoint is None
            else replace(training.model, checkpoint=str(checkpoint))
        )
        own = sweep.run
        return Study(
            name="trial",
            data=sweep.data,
            probes=sweep.probes,
            models={TRAINED: model},
            transforms={} if transform is None else {TRAINED: transform},
            run=RunSettings(
                threads=own.cpus, shard_size=own.shard_size, seed=own.seed, dtype=own.dtype
            ),
        )


def plan_of(sweep: Sweep) -> Plan:
    """Make the plan of a sweep.

    Raises InputError if its recipe, data or first weights are missing.
    """
    place = TrainSettings(threads=sweep.run.cpus, device="auto" if sweep.run.gpus else "cpu")
    training = replace(sweep.base(), run=place)
    if sweep.data is not None:
        training = on_data(training, sweep.data, load(sweep.data), Loader())
    training = replace(training, name=sweep.name)
    if sweep.validation is not None:
        if training.validation is not None:
            raise InputError(
                "sweep.validation: the recipe holds samples out already, by its own "
                "validation: leave one of them out"
            )
        training = replace(training, validation=Validation(sweep.validation, keep_best=False))
    training = replace(
        training,
        model=resolve_checkpoint(
            training.model, sweep.run.tracking_uri, expand_path(sweep.run.out).absolute()
        ),
    )
    data = [load(spec).digest for spec in (training.data, training.test) if spec is not None]
    store = store_of(sweep.run.out, sweep.run.store)
    return Plan(sweep, training, (content_hash(training.model), *data), store)


def check_trial_settings(plan: Plan, points: list[Point]) -> None:
    """Raise InputError for a point that is no valid training, or that data or probes do not fit.

    Trainings that differ in numbers alone are built as settings, and one of them as a network.
    """
    seen = set()
    for training in [plan.at(point) for point in points] or [plan.training]:
        terms = [type(term) for term in training.recipe.objective.values()]
        kind = repr(
            (
                training.model,
                training.freeze,
                training.head,
                training.data,
                training.test,
                training.validation,
                training.watch,
                terms,
            )
        )
        if kind not in seen:
            seen.add(kind)
            load_training(training)
            study = plan.study(training)
            if study is not None:
                prepare(study)


def settings_that_define_trials(training: Training) -> dict[str, Any]:
    """Return the settings that decide a training's result.

    A checkpoint's content counts, its path does not; nor does the seed that is the default.
    """
    settings = training_settings(training)
    settings["model"].pop("checkpoint")
    if not settings["model"]["seed"]:
        del settings["model"]["seed"]
    del settings["name"]
    return settings


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
