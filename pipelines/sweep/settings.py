"""The sweep file: a training, a space of settings, probes on each trained model, how to run it."""

from dataclasses import dataclass, field
from typing import Any

from advcore.pipelines.claims import Claim, Numbers, OfNumbers, OfTwoModels
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
    judged_by,
)
from advcore.pipelines.settings.shipped import find
from advcore.pipelines.settings.sweep_runs import SweepSettings
from advcore.pipelines.sweep.metric_names import plain_name
from advcore.pipelines.sweep.population import check_population
from advcore.pipelines.sweep.space import Domain, Point, check_space, points, short_names
from advcore.pipelines.training.settings import Training
from advcore.probes import Probe
from advcore.workers.datasets import DataSpec

ALL = "all"
"""Name that stands for all finished trials as the model of a claim."""


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
        judged = judged_by(self.scheduler)
        if judged is not None and judged.partition("/")[0] in self.probes:
            raise ValueError(
                f"a scheduler judges by a number of every epoch, and {judged} is a probe's, "
                "known after the last"
            )
        self._check_claims()

    def _check_claims(self) -> None:
        short = short_names(self.space)
        for claim_name, claim in self.claims.items():
            if not isinstance(claim, OfNumbers) or not isinstance(claim.of, Numbers):
                continue
            of, other = claim.of, claim.to if isinstance(claim, OfTwoModels) else None
            if of.probe not in self.probes:
                raise ValueError(
                    f"claim {claim_name} names the probe {of.probe!r}; known: "
                    f"{', '.join(self.probes) or 'none'}"
                )
            if of.model is None:
                raise ValueError(f"claim {claim_name} must name a model: {ALL}, or NAME=VALUE")
            for model in (of.model, other if isinstance(other, str) else ALL):
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
