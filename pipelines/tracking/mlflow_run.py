"""One run in MLflow, written so that an interrupted study continues in its own run."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from advcore.pipelines.tracking.client import Client
from advcore.pipelines.tracking.finished_run import CHILDREN
from advcore.pipelines.tracking.limits import (
    METRICS,
    PARAM,
    PARAMS,
    TAG,
    TAGS,
    as_text,
    clean_name,
    cut,
    parts,
)
from advcore.pipelines.tracking.record import (
    Artifact,
    DatasetInput,
    Entry,
    MetricCurve,
    Metrics,
    Model,
    NullRun,
    Params,
    Run,
    Tags,
    Text,
    Together,
    Value,
    Warnings,
)
from advcore.pipelines.tracking.registering import dataset_entity, register_model
from advcore.workers.errors import InputError, UnavailableError

_log = logging.getLogger(__name__)

Point = tuple[str, int, float]
"""A metric's name, step and value."""

_WARNING = "advcore.warning."
"""Beginning of the tag of a warning; its name follows."""


class MLflowRun:
    """One run; an entry that is written twice is there once.

    `written` holds the metrics that are there already: by name, then by step.
    """

    def __init__(self, client: Client, run: Any, fresh: bool) -> None:
        self.id: str = run.info.run_id
        self.finished = run.info.status == "FINISHED" and _is_whole(client, run)
        self._client, self._experiment, self._name = (
            client,
            run.info.experiment_id,
            run.info.run_name,
        )
        self._place = str(run.info.artifact_uri or "")
        self._params = dict(run.data.params)
        self._logged_metrics: dict[str, dict[int, float]] = {}
        self._fresh = self._running = fresh
        self._warnings = {name for name in run.data.tags if name.startswith(_WARNING)}
        self._infinite = set(filter(None, run.data.tags.get("advcore.infinite", "").split(", ")))

    def start(self) -> None:
        """Set the status to running, that of a new run."""
        if not self._running:
            self._client.ask("update_run", self.id, status="RUNNING")
        self._running = True

    def log(self, entry: Entry) -> None:
        """Write one entry.

        Raises InputError where MLflow refuses it, UnavailableError where it may take it later.
        """
        match entry:
            case Params() | Tags() | Metrics() | MetricCurve():
                self._log_together([entry])
            case Together(entries):
                self._log_together(entries)
            case Warnings(values):
                self._log_warnings(values)
            case Artifact(path, folder):
                self._client.send(self._place, "log_artifact", self.id, str(path), folder or None)
            case Text(text, file):
                self._client.send(self._place, "log_text", self.id, text, file)
            case Model():
                register_model(self._client, self.id, self._place, entry)
            case DatasetInput():
                self._log_dataset(entry)

    def child(self, key: str, name: str) -> Run:
        """Open a run inside this one: the one with this key, or a new one."""
        return open_run(self._client, self._experiment, key, name, {"mlflow.parentRunId": self.id})

    def other(self, run: str) -> Run:
        """Open the run with this id; one that keeps nothing if it is deleted or elsewhere."""
        try:
            found = self._client.ask("get_run", run)
        except UnavailableError:
            raise
        except InputError:
            return NullRun()
        there = found.info.lifecycle_stage == "active"
        return MLflowRun(self._client, found, fresh=False) if there else NullRun()

    def end(self, status: str = "FINISHED") -> None:
        """Set the final status."""
        self._running = False
        self._client.ask("set_terminated", self.id, status)

    def _log_together(self, entries: Sequence[Entry]) -> None:
        params: dict[str, Value] = {}
        tags: dict[str, str] = {}
        points: list[Point] = []
        for entry in entries:
            match entry:
                case Params(values):
                    params |= values
                case Tags(texts):
                    tags |= texts
                case Metrics(numbers, step):
                    points += [(clean_name(name), step, float(y)) for name, y in numbers.items()]
                case MetricCurve(name, x, y):
                    points += [(clean_name(name), step, float(at)) for step, at in enumerate(y)]
                    tags[f"advcore.x.{name}"] = ", ".join(f"{value:g}" for value in x)
        named = self._params_to_write(params)
        infinite = self._infinite_names(points)
        if infinite != self._infinite:  # MLflow keeps no infinite number
            tags["advcore.infinite"] = ", ".join(sorted(infinite))
        new = [point for point in points if not math.isinf(point[2]) and not self._is_there(*point)]
        self._write(named, tags, new)
        self._infinite = infinite

    def _params_to_write(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Return the new parameters. Raises InputError for those that have another value."""
        named = {clean_name(name): cut(as_text(value), PARAM) for name, value in values.items()}
        for name, value in named.items():
            if self._params.get(name, value) != value:
                raise InputError(
                    f"MLflow run {self._name!r} ({self.id}) was recorded with {name} = "
                    f"{self._params[name]}, got {value}; "
                    "parameters are written once: give the study another name"
                )
        return {name: value for name, value in named.items() if name not in self._params}

    def _write(
        self, params: Mapping[str, str], tags: Mapping[str, str], points: Sequence[Point]
    ) -> None:
        """Write what is new, in as few calls as MLflow takes it."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(1000 * time.time())
        named = [Param(name, value) for name, value in params.items()]
        texts = [RunTag(clean_name(name), cut(str(text), TAG)) for name, text in tags.items()]
        numbers = [Metric(name, value, now, step) for name, step, value in points]
        calls = zip_longest(
            parts(named, PARAMS), parts(texts, TAGS), parts(numbers, METRICS), fillvalue=()
        )
        try:
            for some_params, some_tags, metrics in calls:
                self._client.ask(
                    "log_batch", self.id, metrics=metrics, params=some_params, tags=some_tags
                )
        except InputError:
            # perhaps they are written, and only the answer was lost: who tries again looks first
            self._fresh = False
            for name, _, _ in points:
                self._logged_metrics.pop(name, None)
            raise
        self._params |= params
        for name, step, value in points:
            self._logged_metrics.setdefault(name, {})[step] = value

    def _log_warnings(self, sentences: Mapping[str, str]) -> None:
        tags = {clean_name(f"{_WARNING}{name}"): sentence for name, sentence in sentences.items()}
        for stale in self._warnings - set(tags):
            self._client.ask("delete_tag", self.id, stale)
        self._warnings = set(tags)
        self._write({}, tags, [])

    def _log_dataset(self, data: DatasetInput) -> None:
        try:
            self._client.ask("log_inputs", self.id, [dataset_entity(data)])
        except UnavailableError:
            raise
        except InputError as error:
            # servers of old, and some that only speak like MLflow, know no data sets: the tags tell
            # of them
            _log.info("no data set is logged: %s", error)

    def _infinite_names(self, points: Sequence[Point]) -> set[str]:
        """Return the names of all numbers that are infinite, with these points among them."""
        words = {
            f"{name} at step {step}" if step else name: math.isinf(value)
            for name, step, value in points
        }
        return (self._infinite - set(words)) | {word for word, there in words.items() if there}

    def _is_there(self, name: str, step: int, value: float) -> bool:
        if name not in self._logged_metrics:
            history = [] if self._fresh else self._client.ask("get_metric_history", self.id, name)
            self._logged_metrics[name] = {
                point.step: point.value
                for point in sorted(history, key=lambda point: point.timestamp)
            }
        there = self._logged_metrics[name].get(step)
        return there is not None and (there == value or (math.isnan(there) and math.isnan(value)))


def _is_whole(client: Client, run: Any) -> bool:
    """True if the runs inside a finished one, and their files, are all there.

    Runs of old versions, which do not tell their number, count as whole.
    """
    if CHILDREN not in run.data.tags:
        return True
    wanted = f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and attributes.status = 'FINISHED'"
    children = client.ask(
        "search_runs", [run.info.experiment_id], filter_string=wanted, max_results=5000
    )
    try:
        there = all(client.ask("list_artifacts", own.info.run_id) for own in (run, *children))
    except InputError:  # files are not served, and were told to be missing when the run ended
        there = True
    return there and len(children) == int(run.data.tags[CHILDREN])


def open_run(
    client: Client, experiment: str, key: str, name: str, tags: Mapping[str, str] | None = None
) -> MLflowRun:
    """Return the newest run with these tags in the experiment, or a new one."""
    if "'" in key:
        raise ValueError(
            f"expected a key without quotes, got {key!r}; use letters, digits and -_./"
        )
    tags = {"advcore.key": key, **(tags or {})}
    wanted = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items())
    found = client.ask(
        "search_runs",
        [experiment],
        filter_string=wanted,
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    if found:
        return MLflowRun(client, found[0], fresh=False)
    source = {"mlflow.source.name": "advcore", "mlflow.source.type": "LOCAL"}
    return MLflowRun(
        client,
        client.ask("create_run", experiment, tags={**source, **tags}, run_name=name),
        fresh=True,
    )
