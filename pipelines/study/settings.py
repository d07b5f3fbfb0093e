"""The study file: models x data x probes, and how to run it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from advcore.networks.wrappers import Wrapper
from advcore.pipelines.claims import Claim, MaskingWarnings, Numbers
from advcore.pipelines.settings.names import check_folder_name, check_name
from advcore.pipelines.settings.shipped import read
from advcore.probes import Probe
from advcore.transforms import Transform
from advcore.workers.datasets import DataSpec
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec

FIGURE_KINDS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run.

    Only `shard_size`, `seed` and `dtype` can change a row; the others decide where and how fast.

    Attributes:
        runner: where to measure: inline in this process, or ray on actors of a local or remote
            cluster.
        workers: number of Ray actors, each of which holds one model; auto: as many as the
            cluster has room for, also as it grows.
        threads: CPU threads of a worker; default: 1 on ray, all cores inline.
        gpus_per_worker: share of a GPU for each Ray actor, such as 0.5 for two actors a GPU; 0
            measures on CPUs.
        address: address of a running Ray cluster, host:port or auto; it implies runner: ray.
            Without one, runner: ray starts a cluster on this machine.
        shard_seconds: time limit of a Ray actor for one shard, building the model included, in
            seconds; a shard that exceeds it is retried once. Default: no limit.
        shard_size: number of samples measured and stored together; larger is faster, smaller
            loses less in an interruption.
        seed: seed of all random noise, combined with the sample's index.
        dtype: floating-point type; float64 for margins and curvatures beyond single precision.
        out: folder of the tables, the figures, the default store and the default MLflow store.
        store: place of the finished shards' rows: a folder that all machines share, or
            s3://BUCKET/PREFIX; default: a folder in `out`.
        tracking_uri: MLflow server or store; default: MLFLOW_TRACKING_URI, else a SQLite file
            in `out`.
        experiment: name of the MLflow experiment.
        figures: file kinds of the figures, separated by commas: png, svg, pdf.
        track: log to MLflow.
        tracking_wait: how long to wait at the end for an unreachable MLflow, in seconds.
    """

    runner: Literal["inline", "ray"] = "inline"
    workers: int | Literal["auto"] = 2
    threads: int | None = None
    gpus_per_worker: float = 0.0
    address: str | None = None
    shard_seconds: float | None = None
    shard_size: int = 64
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    out: str = "results"
    store: str | None = None
    tracking_uri: str | None = None
    experiment: str = "advcore"
    figures: str = "png"
    track: bool = True
    tracking_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.address is not None:
            object.__setattr__(self, "runner", "ray")

    @property
    def figure_kinds(self) -> list[str]:
        """The kinds of `figures`, each once."""
        return list(dict.fromkeys(kind.strip() for kind in self.figures.split(",")))

    def check(self) -> None:
        """Raise InputError for settings that cannot work.

        This is not done on construction, because flags and file are merged first.
        """
        for name in ("workers", "shard_size", "threads"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise InputError(f"run.{name} must be at least 1; got {value}")
        for kind in self.figure_kinds:
            if kind not in FIGURE_KINDS:
                raise InputError(
                    f"run.figures holds png, svg, pdf, separated by commas; got {self.figures!r}"
                )
        if self.shard_seconds is not None and not self.shard_seconds > 0:
            raise InputError(
                "run.shard_seconds must be above 0, or left out for no limit; got "
                f"{self.shard_seconds:g}"
            )
        if not self.tracking_wait >= 0:
            raise InputError(
                f"run.tracking_wait is in seconds, 0 or more; got {self.tracking_wait}"
            )
        if not 0 <= self.gpus_per_worker <= 1:
            raise InputError(
                "run.gpus_per_worker must lie in [0, 1], a share of one GPU; got "
                f"{self.gpus_per_worker}"
            )
        if self.shard_seconds is not None and self.runner == "inline":
            raise InputError(
                f"run.shard_seconds is for runner: ray; got shard_seconds {self.shard_seconds} "
                "with runner: inline"
            )


@dataclass(frozen=True)
class Study:
    """Every probe on every model, on the same samples.

    Attributes:
        name: name of the folder of results and of the MLflow run.
        data: data set whose samples are measured.
        probes: probes by name; each has a `kind`.
        models: models by the names that tables and legends show.
        train: recipes by model name: a file, or the name of one that comes with advcore. These
            models are trained first, unless they are there already. They learn the training
            split of the study's data set, and are measured on images transformed like those
            that they learnt.
        transforms: transforms by model name, of the images on which the model is measured,
            instead of the data's own.
        wrappers: wrappers by model name, put around the trained model when it is measured:
            `{kind: scaled_logits, factor: 1000}`.
        claims: expectations of the numbers by name, shown beside them.
        minutes: expected time on two idle cores when nothing is there yet, trainings included,
            in minutes.
        run: settings of the run.
    """

    name: str
    data: DataSpec
    probes: dict[str, Probe]
    models: dict[str, ModelSpec] = field(default_factory=dict)
    train: dict[str, str] = field(default_factory=dict)
    transforms: dict[str, Transform] = field(default_factory=dict)
    wrappers: dict[str, Wrapper] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    minutes: float | None = None
    run: RunSettings = field(default_factory=RunSettings)

    @classmethod
    def read(cls, file: str | os.PathLike[str], settings: Sequence[str] = ()) -> "Study":
        """Read a study file, or one that comes with advcore by its name; `settings` are put over
        it, each as `--set` takes it: "data.samples=64".

        Raises InputError for what is no study.
        """
        study: Study = read(cls, os.fspath(file), "studies", tuple(settings))
        return study

    def __post_init__(self) -> None:
        names = {**self.models, **self.train}
        for what, held in (("models", names), ("probes", self.probes)):
            if not held:
                raise ValueError(f"{what} must name at least one; got none")
        check_folder_name(self.name)
        for name in (*names, *self.probes, *self.claims):
            check_name(name)
        for name in self.train:
            if name in self.models:
                raise ValueError(f"{name!r} stands in models and in train; leave it out of one")
        if self.train and self.data.transform is not None:
            raise ValueError(
                "trained models see images as they learnt them: leave data.transform out, or "
                "give transforms by model"
            )
        known = {"probe": tuple(self.probes), "model": tuple(names)}
        for claim_name, claim in self.claims.items():
            for what, given in _named(claim):
                if given not in known[what]:
                    raise ValueError(
                        f"claim {claim_name} names the {what} {given!r}; known: "
                        f"{', '.join(known[what])}"
                    )
        of_models = [("transforms", name) for name in self.transforms] + [
            ("wrappers", name) for name in self.wrappers
        ]
        for what, name in of_models:
            if name not in names:
                raise ValueError(
                    f"{what} names {name!r}, which is no model; models: {', '.join(names)}"
                )
        for name in self.wrappers:
            if name in self.models and self.models[name].wrapper is not None:
                raise ValueError(
                    f"model {name} has a wrapper and stands in wrappers; leave it out of one"
                )


def _named(claim: Claim) -> list[tuple[str, str]]:
    """Return the probes and the models that a built-in claim names."""
    if isinstance(claim, MaskingWarnings):
        return [("probe", claim.probe), ("model", claim.model)]
    held = vars(claim)
    named = [
        (what, getattr(of, what))
        for of in held.values()
        if isinstance(of, Numbers)
        for what in ("probe", "model")
    ]
    return [*named, *([("model", held["to"])] if named and held.get("to") else [])]
