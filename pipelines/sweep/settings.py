"""The sweep file: a training, a space of settings, probes on each trained model, how to run it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from advcore.pipelines.claims import Claim, Numbers
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.names import check_folder_name, check_name
from advcore.pipelines.settings.schedulers import (
    FIFO,
    PBT,
    Mode,
    Optuna,
    Random,
    Scheduler,
    Searcher,
)
from advcore.pipelines.settings.shipped import find
from advcore.pipelines.sweep.metric_names import plain_name
from advcore.pipelines.sweep.population import check_population
from advcore.pipelines.sweep.space import Domain, Point, check_space, points, short_names
from advcore.pipelines.training.settings import Training
from advcore.probes import Probe
from advcore.workers.datasets import DataSpec
from advcore.workers.errors import InputError
from advcore.workers.stores.s3_requests import address

ALL = "all"
"""As a model of a claim: the rows of all finished trials."""


@dataclass(frozen=True)
class SweepSettings:
    """Settings of a sweep.

    Only `shard_size`, `seed` and `dtype` can change a probe's row; the others decide where and how
    fast.

    Attributes:
        runner: where to train: ray runs trials side by side, inline one after the other in this
            process.
        concurrent: number of trials at a time.
        cpus: CPUs of a trial, and its number of threads.
        gpus: share of a GPU for each trial, such as 0.5 for two trials a GPU; 0 trains on CPUs.
        retries: number of times that a trial which died is continued from its last epoch;
            errors of its own code are final.
        address: address of a running Ray cluster, host:port or auto; it implies runner: ray.
            Without one, runner: ray starts a cluster on this machine.
        store: place of the probes' rows: a folder that all machines share, or
            s3://BUCKET/PREFIX; default: a folder in `out`.
        storage: place of the trainings' states: a folder that all machines share, or
            s3://BUCKET/PREFIX; default: a folder in `out`.
        time_budget_s: time limit of this call, in seconds, after which all trials stop; the
            same command continues with a new limit.
        gpu_hours: limit of GPU hours, over all trials and attempts, after which all trials
            stop.
        cost_per_hour: price of one trial for an hour, in any currency.
        cost: limit of the price, over all trials and attempts, after which all trials stop.
        shard_size: number of samples measured and stored together.
        seed: seed of the probes' noise, combined with the sample's index.
        dtype: floating-point type of the probes; float64 for margins and curvatures beyond
            single precision.
        out: folder of the results, the default store and the default MLflow store.
        tracking_uri: MLflow server or store; default: MLFLOW_TRACKING_URI, else a SQLite file
            in `out`.
        experiment: name of the MLflow experiment.
        track: log to MLflow.
        tracking_wait: how long to wait at the end for an unreachable MLflow, in seconds.
    """

    runner: Literal["inline", "ray"] = "ray"
    concurrent: int = 2
    cpus: int = 1
    gpus: float = 0.0
    retries: int = 2
    address: str | None = None
    store: str | None = None
    storage: str | None = None
    time_budget_s: float | None = None
    gpu_hours: float | None = None
    cost_per_hour: float | None = None
    cost: float | None = None
    shard_size: int = 64
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    out: str = "results"
    tracking_uri: str | None = None
    experiment: str = "advcore-sweeps"
    track: bool = True
    tracking_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.address is not None:
            object.__setattr__(self, "runner", "ray")

    def check(self) -> None:
        """Raise InputError for settings that cannot work.

        This is not done on construction, because flags and file are merged first.
        """
        for name, least in (
            ("concurrent", 1),
            ("cpus", 1),
            ("shard_size", 1),
            ("retries", 0),
            ("tracking_wait", 0),
        ):
            if getattr(self, name) < least:
                raise InputError(f"run.{name} must be at least {least}; got {getattr(self, name)}")
        if not 0 <= self.gpus <= 1:
            raise InputError(f"run.gpus must lie in [0, 1], a share of one GPU; got {self.gpus}")
        for name in ("time_budget_s", "gpu_hours", "cost_per_hour", "cost"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"run.{name} must be positive; got {value}")
        if (self.cost is None) != (self.cost_per_hour is None):
            raise InputError(
                "run.cost is counted by run.cost_per_hour, what an hour of one trial costs: "
                "give both or none"
            )
        if self.gpu_hours is not None and self.gpus == 0:
            raise InputError(
                "run.gpu_hours counts GPUs, and run.gpus is 0: give a share of a GPU, or "
                "time_budget_s"
            )
        if self.runner == "inline" and self.gpus:
            raise InputError("run.gpus is for runner: ray; leave it out, or runner: inline")
        if "://" in (self.storage or "") and (
            self.runner == "inline" or not str(self.storage).startswith("s3://")
        ):
            raise InputError(
                "run.storage is a folder, or s3://BUCKET/PREFIX with runner: ray; got "
                f"{self.storage}"
            )
        if str(self.storage).startswith("s3://"):
            address(str(self.storage), "run.storage")


@dataclass(frozen=True)
class Sweep:
    """One training for each point of a space, and the same probes on each trained model.

    Attributes:
        name: name of the folder of results and of the MLflow run.
        recipe: training of each trial: a file, the name of a recipe that comes with advcore, or
            a mapping.
        space: values by dotted name in the training
            (`recipe.objective.adversarial.attack.eps`), or cases by any name.
        probes: probes by name; each has a `kind`. They are measured on each model after its
            training.
        data: data set of the probes. The recipe learns another split of it.
        metric: number by which the best trial is found and reported: one of the epochs
            (`test_accuracy`) or of a probe, `PROBE/SCALAR` or `PROBE/CURVE/X`
            (`robustness/robust_accuracy/worst/1.5`).
        validation: training samples that no trial learns, a number or a share below 1.0: the
            metric's probe is measured on them too, and the best trial is chosen there, so that
            its number on `data` is unbiased. A recipe with its own validation needs none.
        mode: direction of the metric: max or min.
        tradeoff: two such numbers, larger is better, drawn against each other with their Pareto
            front.
        scheduler: rule that stops trials early.
        searcher: rule that chooses points.
        trials: number of points, or with grids of draws of the other settings for each point of
            the grids.
        claims: expectations of the probes' rows by name, shown beside them. Their model is
            `all`, the rows of every finished trial with a column for each swept setting, by the
            shortest end of its dotted name (`eps`); or `eps=0.5`, the rows of those trials
            alone.
        run: settings of the run.
    """

    name: str
    recipe: str | dict[str, Any]
    space: dict[str, Domain]
    probes: dict[str, Probe] = field(default_factory=dict)
    data: DataSpec | None = None
    metric: str | None = None
    validation: int | float | None = None
    mode: Mode = "max"
    tradeoff: tuple[str, str] | None = None
    scheduler: Scheduler = field(default_factory=FIFO)
    searcher: Searcher = field(default_factory=Random)
    trials: int = 1
    claims: dict[str, Claim] = field(default_factory=dict)
    run: SweepSettings = field(default_factory=SweepSettings)

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        for name in (*self.probes, *self.claims):
            check_name(name)
        check_space(self.space)
        if self.metric is not None:
            object.__setattr__(self, "metric", plain_name(self.metric))
        if self.tradeoff is not None:
            object.__setattr__(self, "tradeoff", tuple(map(plain_name, self.tradeoff)))
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1; got {self.trials}")
        if self.probes and self.data is None:
            raise ValueError("probes need data, the samples on which they are measured; got none")
        if isinstance(self.searcher, Optuna):
            if self.metric is None:
                raise ValueError("the searcher optuna needs a metric; got none")
            gridded = [name for name, domain in self.space.items() if domain.each is not None]
            if gridded:
                raise ValueError(
                    f"the searcher optuna has no grids or cases: make {gridded[0]} a choice, "
                    "or take kind: random"
                )
        else:
            points(self.space, self.trials, self.searcher.seed)
        if isinstance(self.scheduler, PBT):
            check_population(self.space)
            if isinstance(self.searcher, Optuna):
                raise ValueError(
                    "pbt moves the settings itself: take kind: random for the searcher, which "
                    "draws the first ones"
                )
        judged = getattr(self.scheduler, "metric", None)
        if judged is not None and judged.partition("/")[0] in self.probes:
            raise ValueError(
                f"a scheduler judges by a number of every epoch, and {judged} is a probe's, "
                "known after the last"
            )
        self._check_claims()

    def _check_claims(self) -> None:
        short = short_names(self.space)
        for claim_name, claim in self.claims.items():
            of = getattr(claim, "of", None)
            if not isinstance(of, Numbers):
                continue
            if of.probe not in self.probes:
                raise ValueError(
                    f"claim {claim_name} names the probe {of.probe!r}; known: "
                    f"{', '.join(self.probes) or 'none'}"
                )
            for model in (of.model, getattr(claim, "to", None) or ALL):
                if model != ALL and model.partition("=")[0] not in short.values():
                    shown = ", ".join(f"{name}=VALUE" for name in short.values())
                    raise ValueError(
                        f"claim {claim_name} names the model {model!r}; known: {ALL}, {shown}"
                    )

    def base(self) -> Training:
        """Return the training without a point. Raises InputError where the recipe is invalid."""
        data = (
            {"name": self.name, **self.recipe}
            if isinstance(self.recipe, dict)
            else schema.load_yaml(find(self.recipe, "recipes"))
        )
        at = "sweep.recipe" if isinstance(self.recipe, dict) else "training"
        return schema.structure(Training, data, at=at)

    def points(self) -> list[Point]:
        """Return the points that are known before the first trial."""
        return (
            []
            if isinstance(self.searcher, Optuna)
            else points(self.space, self.trials, self.searcher.seed)
        )
