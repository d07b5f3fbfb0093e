"""A task and its result: a shard to measure, a network to train, a share of a fit; how it ended.

Nothing here needs torch, so drivers and queues do not either.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from advcore.workers.shards import Shard

if TYPE_CHECKING:
    from advcore.fits import Fit, FitSamples
    from advcore.probes.probe import Probe
    from advcore.transforms import Transform
    from advcore.workers.datasets import Dataset
    from advcore.workers.models import ModelSpec
    from advcore.workers.training.description import TrainingSpec


DATA = "data"
"""Name of the data set of a run that has one alone."""
SLICE_SECONDS = 20.0
"""Seconds of a slice of a training: so long may others wait, and so often are its epochs told."""


@dataclass(frozen=True)
class Other:
    """A model that a comparison holds beside the one that it measures.

    `model_hash` is `content_hash(model)`.
    """

    name: str
    model: ModelSpec
    model_hash: str


@dataclass(frozen=True)
class Task:
    """One shard to measure: rows of `probe` on `shard` of the data set, to be stored under `key`.

    `name` is for people ("plain/margins"); `model_hash` is `content_hash(model)` at the start of
    the study; `transform` stands in place of the data set's; `others` are for a probe that is a
    `Comparison`; `data` names the data set among those of the run.
    """

    key: str
    name: str
    model: ModelSpec
    model_hash: str
    probe: Probe
    shard: Shard
    seed: int
    dtype: str = "float32"
    transform: Transform | None = None
    others: tuple[Other, ...] = ()
    data: str = DATA

    @property
    def title(self) -> str:
        """Its name for people, with its shard."""
        return f"{self.name} {self.shard}"


@dataclass(frozen=True)
class Train:
    """A network to train, in slices that each continue from the state in the store.

    At the end the network lies in the store under `key`, see `advcore.workers.slices`.

    Attributes:
        key: hash of all that decides what comes out, `threads` among it.
        name: name for people.
        training: what is trained, and how.
        digest: digest of the samples that are learnt.
        identity: the training's id, by which a state is known to be its own.
        data: name of the data set that is learnt, among those of the run.
        test: name of the data set on which each epoch is tested, if any.
        threads: CPU threads while an epoch is computed: weights depend on their number.
        start: file here or on s3:// with the first weights, in place of the model's checkpoint.
        seconds: time after which a slice ends, once it has made an epoch.
        keep: numbers of the epochs whose networks are kept beside the finished one, 0 for the
            network before the first.
    """

    key: str
    name: str
    training: TrainingSpec
    digest: str
    identity: str
    data: str = DATA
    test: str | None = None
    threads: int = 1
    start: str | None = None
    seconds: float = SLICE_SECONDS
    keep: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name


@dataclass(frozen=True)
class Share:
    """A share of a fit: the sums of one shard in one round, to be put into the store under `key`.

    The tensors travel by the store alone, see `advcore.workers.shares`.

    Attributes:
        key: hash of the fit's key, the round and the shard.
        name: name of the fit, for people.
        model: the model that is learnt about.
        model_hash: `content_hash(model)`.
        fit: settings of the fit.
        samples: the samples of the fit, apart from their pixels.
        state: key of the fit, under which the store has its state.
        round: number of rounds that were made before this one.
        shard: the shard of this share, of those of the fit.
        seed: seed of all that is drawn.
        dtype: float32 or float64, of inputs and model.
        transform: transform in place of the data set's.
        data: name of the data set, among those of the run.
    """

    key: str
    name: str
    model: ModelSpec
    model_hash: str
    fit: Fit
    samples: FitSamples
    state: str
    round: int
    shard: Shard
    seed: int
    dtype: str = "float32"
    transform: Transform | None = None
    data: str = DATA

    @property
    def title(self) -> str:
        """Its name for people, with its round, counted from 1, and its shard."""
        return f"{self.name} round {self.round + 1} {self.shard}"


Work = Task | Train | Share
"""A task of a kind that a runner takes."""


@dataclass(frozen=True)
class TaskResult:
    """The result of a task: `ok` with its rows in the store, or the traceback in `error`.

    `seconds` of wall time, and where it ran.

    `tries` is how often it was handed to a worker. `samples` names those of a failed task by their
    indices in the data set. `away` says that the store did not answer, for as long as a worker
    waits for it.

    A training has a result after each slice, `done` with the last: `epoch` is the number of epochs
    that it has, `metrics` are those of the epochs made since the result before, `network` is the
    `content_hash` of the finished one.
    """

    key: str
    name: str
    ok: bool
    rows: int
    seconds: float
    error: str
    worker: str
    tries: int = 1
    samples: str = ""
    away: bool = False
    done: bool = True
    epoch: int = 0
    metrics: tuple[Mapping[str, float], ...] = ()
    network: str = ""


After = Callable[[TaskResult], Sequence[Work]]
"""Function that returns the tasks which a task's last result releases, a failed one's too; those of
a key that was there before are left out."""


def no_more(result: TaskResult) -> Sequence[Work]:
    """Release nothing."""
    return ()


class Runner(Protocol):
    """A place that measures and trains: one result for each key, in the order in which they end.

    A training gives one more after each slice before its last.
    """

    def check(self) -> None:
        """Raise InputError if the settings cannot work here.

        It starts nothing and writes nothing.
        """

    def run(
        self, tasks: Sequence[Work], datasets: Mapping[str, Dataset], after: After = no_more
    ) -> Generator[TaskResult]:
        """Yield the results as they come; close it to leave early, and finished shards stay stored.

        Each task finds its data set by name in `datasets`, which is looked at when the first one
        needs it. The tasks that a result releases, as `after` says once the result was handed out,
        join those that wait; the run ends when there is none left. A place that measures beside
        this process may have begun when this returns.
        """


def unique(tasks: Sequence[Work]) -> list[Work]:
    """Return the tasks with each key once, in order: two of one key would give the same rows."""
    first: dict[str, Work] = {}
    for task in tasks:
        first.setdefault(task.key, task)
    return list(first.values())


def index_ranges(indices: Iterable[int]) -> str:
    """Return ascending whole numbers as text, runs of neighbours as one range: "3-5, 8"."""
    runs: list[list[int]] = []
    for index in map(int, indices):
        if runs and index == runs[-1][-1] + 1:
            runs[-1][1:] = [index]
        else:
            runs.append([index])
    return ", ".join("-".join(map(str, run)) for run in runs)
