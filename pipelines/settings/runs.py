"""The section `run` of studies and trainings, whose fields are flags as well.

Reading them imports neither torch nor Ray nor MLflow, which take seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from advcore.pipelines.settings.converter import build_value, make_converter
from advcore.pipelines.settings.flags import Address, Count, Folder, Limit, Uri
from advcore.pipelines.settings.shipped import read_document
from advcore.pipelines.settings.small import read_study_document
from advcore.workers.errors import InputError

T = TypeVar("T")

FIGURE_KINDS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run.

    Only `shard_size`, `seed` and `dtype` can change a row; the others decide where and how fast.

    Attributes:
        runner: place of the measuring: inline in this process, or ray on actors of a local or
            remote cluster.
        workers: number of Ray actors, each of which holds one model; auto: as many as the
            cluster has room for, also as it grows.
        threads: CPU threads of a worker; default: 1 on ray, all cores inline. Weights that are
            trained depend on it.
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
        figures: file kinds of the figures, separated by commas: png, svg, pdf; none to draw none,
            which a later run with kinds does from the stored rows.
        track: log to MLflow.
        tracking_wait: time to wait at the end for an unreachable MLflow, in seconds.
        most: largest number of members to which a study's axes may expand it.
    """

    runner: Literal["inline", "ray"] = "inline"
    workers: int | Literal["auto"] = 2
    threads: Count = None
    gpus_per_worker: float = 0.0
    address: Address = None
    shard_seconds: Limit = None
    shard_size: int = 64
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    out: str = "results"
    store: Folder = None
    tracking_uri: Uri = None
    experiment: str = "advcore"
    figures: str = "png"
    track: bool = True
    tracking_wait: float = 60.0
    most: int = 10_000

    def __post_init__(self) -> None:
        if self.address is not None:
            object.__setattr__(self, "runner", "ray")

    @property
    def figure_kinds(self) -> list[str]:
        """The kinds of `figures`, each once; empty for none."""
        if self.figures == "none":
            return []
        return list(dict.fromkeys(kind.strip() for kind in self.figures.split(",")))

    def check(self) -> None:
        """Raise InputError for settings that cannot work.

        This is not done on construction, because flags and file are merged first.
        """
        if not self.out.strip():
            raise InputError("run.out must name a folder of results; got none")
        for name in ("workers", "shard_size", "threads"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise InputError(f"run.{name} must be at least 1; got {value}")
        for kind in self.figure_kinds:
            if kind not in FIGURE_KINDS:
                raise InputError(
                    "run.figures: expected none, or png, svg, pdf, separated by commas; got "
                    f"{self.figures!r}"
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
class TrainSettings:
    """The place of a training: threads, device, folder of results, MLflow.

    Attributes:
        threads: CPU threads; default: all cores.
        device: device: cpu, cuda, or auto for a GPU where there is one.
        out: folder of the checkpoints, the store of epochs and the default MLflow store.
        tracking_uri: MLflow server or store; default: MLFLOW_TRACKING_URI, else a SQLite file
            in `out`.
        experiment: name of the MLflow experiment.
        track: log to MLflow.
        tracking_wait: time to wait at the end for an unreachable MLflow, in seconds.
    """

    threads: Count = None
    device: str = "auto"
    out: str = "results"
    tracking_uri: Uri = None
    experiment: str = "advcore-training"
    track: bool = True
    tracking_wait: float = 60.0

    def check(self) -> None:
        """Raise InputError for settings that cannot work.

        This is not done on construction, because flags and file are merged first.
        """
        if not self.out.strip():
            raise InputError("run.out must name a folder of results; got none")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"run.threads must be at least 1; got {self.threads}")
        if not self.tracking_wait >= 0:
            raise InputError(
                f"run.tracking_wait is in seconds, 0 or more; got {self.tracking_wait}"
            )
        from advcore.workers.devices import resolve_device  # it brings torch

        resolve_device(self.device)


def read_run(cls: type[T], name: str, folder: str, settings: Sequence[str] = ()) -> T:
    """Read the section `run` of a recipe or a sweep, and nothing else in it.

    `settings` are overrides, `dotted.name=value`. Raises InputError for a section that is invalid.
    """
    file = {"recipes": "training", "sweeps": "sweep"}[folder]
    section = read_document(name, folder, settings).get("run", {})
    return build_value(make_converter({}), cls, section, at=f"{file}.run")


def read_study_run(name: str, settings: Sequence[str] = (), small: bool = False) -> RunSettings:
    """Read the section `run` of a study or of its small version, and nothing else in it.

    `settings` are overrides, `dotted.name=value`. Raises InputError for a section that is invalid.
    """
    section = read_study_document(name, settings, small).get("run", {})
    return build_value(make_converter({}), RunSettings, section, at="study.run")
