"""The section `run` of a sweep, whose fields are flags as well.

Reading it imports neither torch nor Ray nor MLflow, which take seconds.
"""

from dataclasses import dataclass
from typing import Literal

from advcore.pipelines.settings.flags import Address, Folder, Limit, Uri
from advcore.workers.errors import InputError
from advcore.workers.stores.s3_address import address


@dataclass(frozen=True)
class SweepSettings:
    """Settings of a sweep.

    Only `shard_size`, `seed` and `dtype` can change a probe's row; the others decide where and how
    fast.

    Attributes:
        runner: place of the training: ray runs trials side by side, inline one after the other in
            this process.
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
        tracking_wait: time to wait at the end for an unreachable MLflow, in seconds.
    """

    runner: Literal["inline", "ray"] = "ray"
    concurrent: int = 2
    cpus: int = 1
    gpus: float = 0.0
    retries: int = 2
    address: Address = None
    store: Folder = None
    storage: Folder = None
    time_budget_s: Limit = None
    gpu_hours: Limit = None
    cost_per_hour: Limit = None
    cost: Limit = None
    shard_size: int = 64
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    out: str = "results"
    tracking_uri: Uri = None
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
