"""The events of a study that runs, turned into its progress."""

import os
import platform
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.running.progress import REPORTED, Nodes, StudyProgress, as_text
from advcore.pipelines.graph.running.work_seen import Piece, seconds_left
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.runs import RunSettings
from advcore.workers.paths import expand_path
from advcore.workers.redaction import last_line, plain_without_secrets
from advcore.workers.stores.store import resolved
from advcore.workers.tasks import Task, TaskResult

WRITE_SECONDS = 2.0
"""Seconds between two writings of what has changed."""
PULSE_SECONDS = 30.0
"""Seconds after which the file is written though nothing has changed, as a sign of life."""
NAMED, TOLD = 12, 20
"""The most names of what is in work, of a kind, and failures in the file."""


class There(Protocol):
    """Names of the networks, data sets and fits that are there."""

    networks: set[str]
    data: set[str]
    fits: dict[str, str]


class ProgressLog:
    """The progress of one study, which the driver tells of events.

    Inside its `with` block a thread writes the file, so that a slow disk delays no work, from the
    first phase on: what is refused before any work writes nothing. A file that cannot be written
    ends no study: the rows are what counts.
    """

    def __init__(self, study: AnyStudy, folder: Path) -> None:
        self._study = study
        self._folder = folder
        self._settings = as_text(plain_without_secrets(schema.unstructure(_from_anywhere(study))))
        self._guard = threading.Lock()
        self._writing = threading.Lock()  # an older state never replaces a newer one
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._changed = True
        self._phase = ""
        self._begun = time.time()
        self._works_since = time.monotonic()
        self._trainings: dict[str, Piece] = {}
        self._data: dict[str, Piece] = {}
        self._fits: dict[str, Piece] = {}
        self._tables: dict[str, Piece] = {}
        self._shards: dict[str, int] = {}
        self._sizes: dict[str, dict[str, int]] = {}
        self._there: set[str] = set()
        self._failures: dict[str, str] = {}

    def __enter__(self) -> "ProgressLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the end, with the error that it ended with, if any."""
        if self._thread is None:
            return
        if error is not None:
            self._phase = "failed" if isinstance(error, Exception) else "interrupted"
            if str(error):
                self._failures[""] = last_line(str(error))
        self._ended.set()
        self._thread.join()
        self.write()

    def phase(self, name: str) -> None:
        """Begin a phase; the first one begins the file."""
        with self._event():
            self._phase = name
        if self._thread is None:
            self._works_since = time.monotonic()
            self._thread = threading.Thread(target=self._keep_writing, daemon=True)
            self._thread.start()

    def end(self, complete: bool) -> None:
        """Note that the study ended, with all that it names or not."""
        with self._event():
            self._phase = REPORTED[0] if complete else REPORTED[1]

    def planned(self, prepared: Prepared) -> None:
        """Take the nodes of a study that passed its checks, beside those that are known."""
        layout = prepared.layout
        with self._event():
            for label, training in layout.trainings.items():
                piece = Piece(f"training {_family(label)}", training.recipe.epochs)
                self._trainings.setdefault(label, piece)
            for label, own in layout.derived.items():
                if own.made is not None:
                    name = f"{own.made.label}/{own.made.probe}"
                    self._data.setdefault(name, Piece(f"data set {_family(label)}"))
            for label in layout.fits:
                self._fits.setdefault(f"fit {label}", Piece(f"fit {_family(label)}"))
            for (label, probe), tasks in prepared.tasks.items():
                samples = sum(len(task.shard) for task in tasks)
                piece = Piece(f"{_family(label)}/{probe}", samples)
                self._tables.setdefault(f"{label}/{probe}", piece)
                self._shards.setdefault(f"{label}/{probe}", len(tasks))

    def there(self, products: There, failed: Iterable[TaskResult]) -> None:
        """Take the networks, data sets and fits that are there, and what failed on the way."""
        with self._event():
            for label in products.networks & self._trainings.keys():
                self._trainings[label].finish()
            for name, own in self._data.items():
                if name.rpartition("/")[0] in products.data:
                    own.finish()
            for label in products.fits:
                self._fits[f"fit {label}"].finish()
            for result in failed:
                self._fail(result)

    def found(self, tasks: Sequence[Task], missing: Collection[str]) -> None:
        """Take all shards of some tables, and the keys of those that are to be measured."""
        with self._event():
            for task in tasks:
                self._sizes.setdefault(task.key, {})[task.name] = len(task.shard)
                self._tables[task.name].made = 0.0
                if task.key in missing:
                    self._there.discard(task.key)
                    self._failures.pop(task.key, None)
                    self._tables[task.name].failed = False
                elif task.key not in self._failures:
                    self._there.add(task.key)
            for task in tasks:
                if task.key in self._there:
                    self._tables[task.name].made += len(task.shard)

    def took(self, result: TaskResult) -> None:
        """Take a result: of a slice of a training, a share of a fit, a shard."""
        with self._event():
            if not result.ok:
                self._fail(result)
            elif result.key in self._sizes:
                self._take_shard(result)
            else:
                self._take_part(result)

    def _take_shard(self, result: TaskResult) -> None:
        names = self._sizes[result.key]
        self._there.add(result.key)
        for name, size in names.items():
            own = self._tables[name]
            own.results += 1
            own.seconds += result.seconds / len(names)
            own.seen += size
            own.made += size

    def _take_part(self, result: TaskResult) -> None:
        for pieces in (self._trainings, self._data, self._fits):
            own = pieces.get(result.name)
            if own is not None:
                own.results += 1
                own.seconds += result.seconds
                own.seen += len(result.metrics)
                own.made = max(own.made, min(float(result.epoch), own.size))

    def _fail(self, result: TaskResult) -> None:
        self._failures[result.key] = f"{result.name}: {last_line(result.error)}"
        for pieces in (self._trainings, self._data, self._fits, self._tables):
            if result.name in pieces:
                pieces[result.name].failed = True

    @contextmanager
    def _event(self) -> Iterator[None]:
        with self._guard:
            self._changed = True
            yield

    def _keep_writing(self) -> None:
        """Write what has changed every few seconds, and a sign of life now and then."""
        quiet = 0.0
        while True:
            if self._changed or quiet >= PULSE_SECONDS:
                self.write()
                quiet = 0.0
            if self._ended.wait(WRITE_SECONDS):
                return
            quiet += WRITE_SECONDS

    def write(self) -> None:
        """Write the file now, if that is possible."""
        with self._writing, suppress(Exception):  # a full disk, say; no study ends for it
            with self._guard:
                self._changed = False
                progress = self._now()
            progress.write(self._folder)

    def _now(self) -> StudyProgress:
        kinds = {
            "trainings": _nodes(self._trainings, "epoch {made:.0f} of {size:.0f}"),
            "data sets": _nodes(self._data, "shards made: {results}"),
            "fits": _nodes(self._fits, "shares computed: {results}"),
            "tables": _nodes(self._tables, "sample {made:.0f} of {size:.0f}"),
        }
        tables = self._tables.values()
        pieces = [*self._trainings.values(), *self._data.values(), *self._fits.values(), *tables]
        left, unseen = seconds_left(pieces, time.monotonic() - self._works_since)
        there = sum(len(self._sizes[key]) for key in self._there)
        return StudyProgress(
            study=self._study.name,
            host=platform.node(),
            pid=os.getpid(),
            begun=self._begun,
            written=time.time(),
            phase=self._phase,
            share=sum(own.share for own in pieces) / max(1, len(pieces)),
            nodes={kind: own for kind, own in kinds.items() if own.total},
            shards=(there, sum(self._shards.values())),
            samples=(int(sum(own.made for own in tables)), int(sum(own.size for own in tables))),
            workers=_workers(self._study.run),
            failures=tuple(self._failures.values())[:TOLD],
            failed=len(self._failures),
            left_seconds=left,
            unseen=unseen,
            settings=self._settings,
        )


def _nodes(pieces: Mapping[str, Piece], how_far: str) -> Nodes:
    """Return the counts of pieces by name, and how far those in work are."""
    working = {name: own for name, own in pieces.items() if own.in_work}
    names = [
        f"{name.removeprefix('fit ').removesuffix('/data_sets')}, {how_far.format(**vars(own))}"
        for name, own in working.items()
    ]
    return Nodes(
        done=sum(own.done for own in pieces.values()),
        in_work=len(working),
        failed=sum(own.failed for own in pieces.values()),
        total=len(pieces),
        names=tuple(names[:NAMED]),
    )


def _from_anywhere(study: AnyStudy) -> AnyStudy:
    """Return a study whose results and store are found from any folder."""
    run = study.run
    store = None if run.store is None else resolved(run.store)
    out = str(expand_path(run.out).absolute())
    return replace(study, run=replace(run, out=out, store=store))


def _family(label: str) -> str:
    """Return the name of a label's family, which stands before its coordinates."""
    return label.split(" ")[0]


def _workers(run: RunSettings) -> str:
    """Return the number and place of what measures, in words."""
    if run.runner == "inline":
        return "1 in the process itself"
    return f"{'as many as fit' if run.workers == 'auto' else run.workers} on Ray"
