"""The worker: a plain class that holds a model, measures shards with it, trains, shares in fits."""

import json
import os
import platform
import time
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from advcore.classifier import frozen, full_precision, logits_of, predict
from advcore.probes.probe import (
    CALIBRATION,
    Batch,
    Calibrated,
    Columns,
    Comparison,
    Probe,
)
from advcore.randomness import Randomness
from advcore.workers.batch_sizes import BatchSizes
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.batches import batch_for, images_of, torch_dtype
from advcore.workers.devices import resolve_device
from advcore.workers.errors import USERS_ERRORS, InputError, UnavailableError
from advcore.workers.failed_samples import samples_of_task
from advcore.workers.learnt import LearntTensors
from advcore.workers.models import ModelSpec, build, content_hash, with_local_checkpoint
from advcore.workers.probe_checks import Fingerprint, check_columns, check_untouched, fingerprint
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.resident_memory import peak_bytes
from advcore.workers.shares import StateReader, compute_share
from advcore.workers.slices import Slice, train_epochs, train_slice
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import Share, Task, TaskResult, Train, Work

CHUNK = 16
"""Images that go forward at a time where a probe is calibrated: always as many, so that all workers
find the same."""


class Worker:
    """Measures shards and writes their rows to the store; trains networks; shares in fits.

    It keeps the models of the last shard, for the next one likely needs them again.

    It holds the model that it measures, and beside it the others of a comparison, each once
    whatever its names; those that the next shard does not need leave the memory before one that it
    lacks is built. Where memory runs out, a shard is measured in parts, see
    `advcore.workers.batch_sizes`.

    `threads` is torch's number of CPU threads in this process, none leaves it; `device` is "cpu",
    "cuda", or "auto": a GPU if torch sees one. Raises InputError where the store or the device is
    not there.
    """

    def __init__(self, store_location: str, threads: int | None, device: str) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = resolve_device(device)
        self._store = open_store(store_location, create=False)
        self._held: dict[tuple[str, str], tuple[nn.Module, Fingerprint]] = {}
        self._batch_sizes = BatchSizes()
        self._calibrated: tuple[Any, Probe] | None = None
        self._learnt = LearntTensors(self._store, self._device)
        self._states = StateReader(self._store, self._device)
        self.name = f"{platform.node()}:{os.getpid()}:{self._device}"

    def measure(self, task: Task, dataset: Dataset) -> TaskResult:
        """Measure one shard.

        An exception, also `sys.exit`, becomes a failed result with its traceback; nothing is
        raised but an interrupt.
        """
        start = time.perf_counter()
        try:
            rows = self._measure(task, dataset, start)
        except USERS_ERRORS as raised:
            return self._failed_shard(task, dataset, raised, start)
        seconds = time.perf_counter() - start
        return TaskResult(task.key, task.name, True, rows, seconds, "", self.name)

    def share(self, task: Share, dataset: Dataset) -> TaskResult:
        """Compute one shard's share of a fit, see `advcore.workers.shares`.

        An exception becomes a failed result, as in `measure`.
        """
        start = time.perf_counter()
        try:
            model, _ = with_store_retries(lambda: self._models(task))
            with self._untouched():
                compute_share(
                    self._store, task, dataset, model, self._device, self._states, self._learnt
                )
        except USERS_ERRORS as raised:
            return self._failed_shard(task, dataset, raised, start)
        seconds = time.perf_counter() - start
        return TaskResult(task.key, task.name, True, 0, seconds, "", self.name)

    def train(self, task: Train, data: Dataset, test: Dataset | None) -> TaskResult:
        """Train for a slice, see `advcore.workers.slices`.

        The models of the last shard leave the memory. An exception becomes a failed result, as in
        `measure`; the epochs made before stay in the store.
        """
        start = time.perf_counter()
        self._held.clear()
        try:
            ended: Slice = train_slice(self._store, task, data, test, str(self._device))
        except USERS_ERRORS as raised:
            return self._failed(task, raised, start)
        return self._trained(task, ended, start)

    def train_whole(
        self, task: Train, data: Dataset, test: Dataset | None
    ) -> Generator[TaskResult]:
        """Train to the end, with a result for each epoch; otherwise as `train`."""
        start = time.perf_counter()
        self._held.clear()
        try:
            for ended in train_epochs(self._store, task, data, test, str(self._device)):
                yield self._trained(task, ended, start)
                start = time.perf_counter()
        except USERS_ERRORS as raised:
            yield self._failed(task, raised, start)

    def _trained(self, task: Train, ended: Slice, start: float) -> TaskResult:
        return TaskResult(
            task.key,
            task.name,
            True,
            0,
            time.perf_counter() - start,
            "",
            self.name,
            done=bool(ended.network),
            epoch=ended.epoch,
            metrics=ended.metrics,
            network=ended.network,
        )

    def _failed_shard(
        self, task: Task | Share, dataset: Dataset, raised: BaseException, start: float
    ) -> TaskResult:
        failed = self._failed(task, raised, start)
        return replace(failed, samples=samples_of_task(task, dataset.indices))

    def _failed(self, task: Work, raised: BaseException, start: float) -> TaskResult:
        error = without_secrets(shortened(traceback.format_exc()))
        seconds, away = time.perf_counter() - start, isinstance(raised, UnavailableError)
        return TaskResult(task.key, task.name, False, 0, seconds, error, self.name, away=away)

    def _measure(self, task: Task, dataset: Dataset, start: float) -> int:
        model, others = with_store_retries(lambda: self._models(task))
        task = replace(task, probe=self._learnt.filled(task.probe, torch_dtype(task.dtype)))
        more = {"others": others} if isinstance(task.probe, Comparison) else {}
        probe = (
            self._probe(task, model, dataset) if isinstance(task.probe, Calibrated) else task.probe
        )
        samples = batch_for(
            probe, dataset, task.shard, task.dtype, self._device, task.transform, task.seed
        )

        counts, right = [], []

        def measure(part: Batch) -> Columns:
            own = replace(
                part,
                inputs=part.inputs.clone(),
                labels=part.labels.clone(),
                indices=part.indices.clone(),
            )
            with full_precision():
                columns = probe.measure(model, own, Randomness(task.seed, part.indices), **more)
            rows = check_columns(columns, probe, part)
            if samples.units is None:  # else the ranges are none of samples
                right.append(int((predict(model, part.inputs) == part.labels).sum()))
            counts.append(rows)
            return columns

        with self._untouched():
            columns, parts = self._batch_sizes.measure(
                measure, samples, (task.model_hash, task.dtype, repr(task.probe))
            )
        metadata = {
            "name": task.name,
            "model": task.model_hash,
            "others": json.dumps({other.name: other.model_hash for other in task.others}),
            "probe": without_secrets(repr(task.probe)),
            "seed": str(task.seed),
            "dtype": task.dtype,
            "key": task.key,
            "shard": f"{task.shard.start}:{task.shard.stop}",
            "torch": torch.__version__,
            "parts": str(parts),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "worker": self.name,
            "seconds": repr(time.perf_counter() - start),  # of wall time, up to the writing
            "peak_bytes": str(peak_bytes()),  # of the whole process so far
        }
        if right:
            metadata["right"] = str(sum(right))  # samples whose likeliest class is their label
        with_store_retries(lambda: self._store.write(task.key, columns, metadata))
        return sum(counts)

    def _probe(self, task: Task, model: nn.Module, dataset: Dataset) -> Probe:
        """Return the probe, calibrated on the model and the study's samples.

        This is done once for all its shards that come one after the other.
        """
        probe = cast(Calibrated, task.probe)
        what = (task.model_hash, task.dtype, probe, task.transform, dataset.indices.tobytes())
        if self._calibrated is None or self._calibrated[0] != what:
            rows = np.flatnonzero(dataset.places < CALIBRATION)
            parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
            with full_precision(), frozen(model), torch.no_grad():
                logits = [
                    logits_of(
                        model, images_of(dataset, part, task.dtype, self._device, task.transform)
                    )
                    for part in parts
                ]
            self._calibrated = what, probe.calibrated(torch.cat(logits))
        return self._calibrated[1]

    def _models(self, task: Task | Share) -> tuple[nn.Module, dict[str, nn.Module]]:
        """The model that is measured, and the others by name."""
        beside = task.others if isinstance(task, Task) else ()
        specs = {other.model_hash: other.model for other in beside} | {task.model_hash: task.model}
        self._held = {
            key: model
            for key, model in self._held.items()
            if key[0] in specs and key[1] == task.dtype
        }
        for model_hash, spec in specs.items():
            if (model_hash, task.dtype) not in self._held:
                built = self._built(spec, model_hash, task.dtype)
                self._held[model_hash, task.dtype] = built, fingerprint(built)
        others = {other.name: self._held[other.model_hash, task.dtype][0] for other in beside}
        return self._held[task.model_hash, task.dtype][0], others

    @contextmanager
    def _untouched(self) -> Iterator[None]:
        """Raise ValueError on exit if a model is no longer what it was.

        A changed model is built anew for the next shard.
        """
        whole = False
        try:
            yield
            for model, before in self._held.values():
                check_untouched(model, before)
            whole = True
        finally:
            if not whole:
                self._held.clear()

    def _built(self, spec: ModelSpec, model_hash: str, dtype: str) -> nn.Module:
        own = with_local_checkpoint(spec)  # one file for both: what is built is what was compared
        if content_hash(own) != model_hash:
            raise InputError(
                f"the model {spec.architecture} (checkpoint {spec.checkpoint}) is not the same on "
                "this worker, or has changed since the study started: start the study anew"
            )
        return build(own, torch_dtype(dtype)).to(self._device, torch_dtype(dtype))
