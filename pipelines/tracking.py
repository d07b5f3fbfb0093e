"""Runs in MLflow: the only place that imports it, beside what packs a network for it, and only when one is opened, for the import
costs seconds.

The driver alone writes; workers never do. A run is found again by its tag `advcore.key`, so an interrupted study goes on in its
own run, and what is written twice is there once.
"""

import contextlib
import fcntl
import json
import logging
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.environment import environment_tags
from pipelines.packing import pack
from pipelines.record import NullTracker, Run, Tracker, Value
from workers.refusal import Refused

__all__ = [
    "MLflowRun",
    "MLflowTracker",
    "NullTracker",
    "Run",
    "Tracker",
    "check_tracking",
    "environment_tags",
    "make_tracker",
    "ui_command",
]

MODEL = "model"
"""Where a run keeps its network, among its artifacts."""

METRICS, PARAMS, TAGS = 1000, 100, 100
"""So many MLflow takes in one call."""

_NAME, _PARAM, _TAG, _DIGEST = 250, 6000, 8000, 36
"""Characters that MLflow keeps of a name, a parameter, a tag, the digest of a data set."""

_WARNING = "advcore.warning."
"""How the tag of a warning begins; its name follows."""

_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""For the first contact: a server that is not there is told within seconds."""


def make_tracker(track: bool, uri: str | None, folder: Path) -> Tracker:
    """MLflow at `uri`, at MLFLOW_TRACKING_URI or in `folder`, in this order; the null tracker when not `track`."""
    return MLflowTracker(uri, folder) if track else NullTracker()


def check_tracking(uri: str | None, folder: Path) -> str:
    """Where a run with these would be recorded, in words without credentials. Raises Refused where MLflow does not answer there."""
    place = _store_uri(uri, folder)
    if place == _default_uri(folder) and not (folder / "mlflow.db").is_file():
        return f"{place} (the first run makes it)"
    with _patience():
        _Client(place).ask("search_experiments", max_results=1)
    return _without_credentials(place)


def ui_command(uri: str | None, folder: Path, port: int = 5000) -> list[str]:
    """The command that opens MLflow on the store that a run with these would write to. Raises Refused when none is there."""
    place = _store_uri(uri, folder)
    if place.startswith(("http://", "https://")):
        raise Refused(f"{_without_credentials(place)} is a server that shows itself; open it in a browser")
    if place == _default_uri(folder) and not (folder / "mlflow.db").is_file():
        raise Refused(f"no MLflow store in {folder}; run a study first, or give the folder of one that ran")
    artifacts = ["--default-artifact-root", str(folder.absolute() / "mlartifacts")]
    return [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--backend-store-uri",
        place,
        *artifacts,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def download(name: str, place: Path, tracking_uri: str | None, folder: Path) -> Path:
    """What `runs:/ID/PATH` or `models:/NAME/VERSION` is, a file or a folder in `place`. Raises Refused where it is not there."""
    uri = _store_uri(tracking_uri, folder)
    if uri == _default_uri(folder) and not (folder / "mlflow.db").is_file():
        raise Refused(f"{name} is looked for in {folder}, where no MLflow store is: give tracking_uri, or the folder (out: ...)")
    client = _Client(uri)
    from mlflow.artifacts import download_artifacts

    place.mkdir(parents=True, exist_ok=True)
    try:
        with _patience(), _default_store(uri):
            return Path(download_artifacts(artifact_uri=name, dst_path=str(place), tracking_uri=uri))
    except Exception as error:  # whatever a store's driver, a server or the network raises
        said = _cut(_without_credentials(" ".join(str(error).split())), 300)
        raise Refused(f"{name} cannot be fetched from MLflow at {client.place}: {said}; check its name and tracking_uri") from None


class MLflowTracker:
    """Runs in the MLflow server or store at `uri`; by default at MLFLOW_TRACKING_URI, else in `folder`/mlflow.db."""

    def __init__(self, uri: str | None, folder: Path) -> None:
        self.uri = _store_uri(uri, folder)
        self.folder = folder.absolute()

    def open(self, experiment: str, key: str, name: str) -> Run:
        """The run of this key, as it was left, or a new one. Raises Refused when MLflow cannot be reached or written to."""
        with _patience(), self._alone():
            client = _Client(self.uri)
            return _open_run(client, self._experiment(client, experiment), key, name)

    def _experiment(self, client: "_Client", name: str) -> str:
        """Its id. Artifacts go to `folder`/mlartifacts, wherever the command is started from; a server decides for itself."""
        found = client.ask("get_experiment_by_name", name)
        if found is None:
            local = not self.uri.startswith(("http://", "https://"))
            return str(client.ask("create_experiment", name, (self.folder / "mlartifacts").as_uri() if local else None))
        if found.lifecycle_stage != "active":
            raise Refused(f"MLflow experiment {name!r} is deleted; restore it there, or give another name (experiment: ...)")
        return str(found.experiment_id)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes the tables of the folder's own store: two at once would break it."""
        if self.uri != _default_uri(self.folder):
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / ".mlflow.lock", "w")  # noqa: SIM115
        except OSError as error:
            raise Refused(f"{self.folder} cannot be written ({error.strerror}); give another folder (out: ...)") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class _Client:
    """MLflow's client, whose failures are one line without credentials."""

    def __init__(self, uri: str) -> None:
        self.place = _without_credentials(uri)
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"  # nothing of ours needs it, and others' pickles are code
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            self.client = MlflowClient(tracking_uri=uri)
        except Exception as error:  # whatever a store's driver raises
            raise self._refusal(error) from None

    def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        try:
            return getattr(self.client, method)(*arguments, **named)
        except Exception as error:  # whatever a store's driver, a server or the network raises
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> Refused:
        said = _cut(_without_credentials(" ".join(str(error).split())), 300)
        said = "no answer" if "Max retries exceeded" in said else said
        advice = "check tracking_uri, or set track: false; measured rows are kept"
        return Refused(f"MLflow at {self.place} cannot be used: {said}; {advice}")


class MLflowRun:
    """One run. `written` holds the metrics that are there already: by name, then by step."""

    def __init__(self, client: _Client, run: Any, fresh: bool) -> None:
        self.id: str = run.info.run_id
        self.finished = run.info.status == "FINISHED"
        self._client, self._experiment, self._name = client, run.info.experiment_id, run.info.run_name
        self._params = dict(run.data.params)
        self._written: dict[str, dict[int, float]] = {}
        self._fresh = fresh
        self._warnings = {name for name in run.data.tags if name.startswith(_WARNING)}
        self._infinite = set(filter(None, run.data.tags.get("advcore.infinite", "").split(", ")))

    def start(self) -> None:
        self._client.ask("update_run", self.id, status="RUNNING")

    def params(self, values: Mapping[str, Value]) -> None:
        named = {_clean(name): _cut(_word(value), _PARAM) for name, value in values.items()}
        for name, value in named.items():
            if self._params.get(name, value) != value:
                raise Refused(
                    f"MLflow run {self._name!r} ({self.id}) was recorded with {name} = {self._params[name]}, got {value}; "
                    "parameters are written once: give the study another name"
                )
        from mlflow.entities import Param

        new = [Param(name, value) for name, value in named.items() if name not in self._params]
        for part in _parts(new, PARAMS):
            self._client.ask("log_batch", self.id, params=part)
        self._params |= named

    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        for part in _parts([RunTag(_clean(name), _cut(str(value), _TAG)) for name, value in values.items()], TAGS):
            self._client.ask("log_batch", self.id, tags=part)

    def warnings(self, sentences: Mapping[str, str]) -> None:
        tags = {_clean(f"{_WARNING}{name}"): sentence for name, sentence in sentences.items()}
        for stale in self._warnings - set(tags):
            self._client.ask("delete_tag", self.id, stale)
        self._warnings = set(tags)
        self.tags(tags)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        self._write([(_clean(name), step, float(value)) for name, value in values.items()])

    def curve(self, name: str, x: Sequence[float], y: Sequence[float]) -> None:
        if len(x) != len(y):
            raise ValueError(f"expected as many x as y in curve {name!r}, got {len(x)} and {len(y)}; give one x for each y")
        for own, values in ((name, y), (f"{name}/x", x)):
            self._write([(_clean(own), step, float(value)) for step, value in enumerate(values)])

    def artifact(self, path: Path, folder: str = "") -> None:
        self._client.ask("log_artifact", self.id, str(path), folder or None)

    def model(self, name: str, weights: Path, about: Path, shape: Sequence[int], classes: int) -> None:
        versions = self._client.ask("search_model_versions", f"run_id = '{self.id}'")
        if any(version.name == name for version in versions):
            return
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / MODEL
            pack(packed, weights, about, shape, classes)
            self._client.ask("log_artifacts", self.id, str(packed), MODEL)
        if not self._client.ask("search_registered_models", f"name = '{name}'"):
            self._client.ask("create_registered_model", name)
        self._client.ask("create_model_version", name, f"runs:/{self.id}/{MODEL}", self.id)

    def text(self, text: str, file: str) -> None:
        self._client.ask("log_text", self.id, text, file)

    def data(self, name: str, digest: str, rows: int, shape: Sequence[int], source: str = "", context: str = "evaluation") -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = json.dumps({"num_rows": rows, "features_shape": [rows, *shape]})
        about = json.dumps({"uri": _without_credentials(source)})
        dataset = Dataset(name, digest[:_DIGEST], "advcore", about, json.dumps({"shape": list(shape)}), profile)
        self._client.ask("log_inputs", self.id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def child(self, key: str, name: str) -> Run:
        return _open_run(self._client, self._experiment, key, name, {"mlflow.parentRunId": self.id})

    def end(self, status: str = "FINISHED") -> None:
        self._client.ask("set_terminated", self.id, status)

    def _write(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Metrics (name, step, value) that are not there yet; infinite ones become words in a tag."""
        words = {f"{name} at step {step}" if step else name: math.isinf(value) for name, step, value in points}
        infinite = (self._infinite - set(words)) | {word for word, is_infinite in words.items() if is_infinite}
        if infinite != self._infinite:
            self._infinite = infinite
            self.tags({"advcore.infinite": ", ".join(sorted(infinite))})
        new = [point for point in points if not math.isinf(point[2]) and not self._is_there(*point)]
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        for part in _parts([Metric(name, value, now, step) for name, step, value in new], METRICS):
            self._client.ask("log_batch", self.id, metrics=part)
        for name, step, value in new:
            self._written.setdefault(name, {})[step] = value

    def _is_there(self, name: str, step: int, value: float) -> bool:
        if name not in self._written:
            history = [] if self._fresh else self._client.ask("get_metric_history", self.id, name)
            self._written[name] = {point.step: point.value for point in sorted(history, key=lambda point: point.timestamp)}
        there = self._written[name].get(step)
        return there is not None and (there == value or (math.isnan(there) and math.isnan(value)))


def _open_run(client: _Client, experiment: str, key: str, name: str, tags: Mapping[str, str] | None = None) -> MLflowRun:
    """The newest run with these tags in the experiment, or a new one."""
    if "'" in key:
        raise ValueError(f"expected a key without quotes, got {key!r}; use letters, digits and -_./")
    tags = {"advcore.key": key, **(tags or {})}
    wanted = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items())
    found = client.ask("search_runs", [experiment], filter_string=wanted, max_results=1, order_by=["attributes.start_time DESC"])
    if found:
        return MLflowRun(client, found[0], fresh=False)
    source = {"mlflow.source.name": "advcore", "mlflow.source.type": "LOCAL"}
    return MLflowRun(client, client.ask("create_run", experiment, tags={**source, **tags}, run_name=name), fresh=True)


def _store_uri(uri: str | None, folder: Path) -> str:
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or _default_uri(folder)


def _default_uri(folder: Path) -> str:
    return f"sqlite:///{folder.absolute() / 'mlflow.db'}"


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Few and short tries over HTTP, unless the environment says otherwise; afterwards as before."""
    ours = [name for name in _PATIENCE if name not in os.environ]
    os.environ.update({name: _PATIENCE[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _default_store(uri: str) -> Iterator[None]:
    """For `models:/...`, which MLflow looks up in its default store, whatever store it is told."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI")
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _without_credentials(text: str) -> str:
    return re.sub(r"://\S*@", "://***@", text)


def _clean(name: str) -> str:
    """A name that MLflow takes: what it refuses becomes `_`."""
    allowed = re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)
    steps = [step for step in allowed.split("/") if step]
    return "/".join("_" if set(step) == {"."} else step for step in steps)[:_NAME].rstrip("/") or "_"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _word(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
