"""Train one network by one recipe: a checkpoint that knows what it came from, and an MLflow run."""

import hashlib
import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from advcore.training import Recipe, fit
from pipelines import schema
from pipelines.environment import environment_tags
from pipelines.prepare import check_box, check_model
from pipelines.record import Run
from pipelines.study import check_name
from pipelines.tracking import make_tracker
from workers.actor import resolve_device
from workers.checkpoints import check_writable, read_metadata, save_checkpoint
from workers.datasets import Dataset, DataSpec, batch, load
from workers.models import ModelSpec, build, content_hash
from workers.refusal import Refused
from workers.shards import Shard


@dataclass(frozen=True)
class TrainSettings:
    """Where a training runs.

    Attributes:
        threads: CPU threads; all cores when not given.
        device: cpu, cuda, or auto: a GPU where there is one.
        out: folder of the checkpoints and the default MLflow store.
        tracking_uri: MLflow server or store; MLFLOW_TRACKING_URI, else a SQLite file in `out`, when not given.
        experiment: MLflow experiment.
        track: write to MLflow at all.
    """

    threads: int | None = None
    device: str = "auto"
    out: str = "results"
    tracking_uri: str | None = None
    experiment: str = "advcore-training"
    track: bool = True

    def check(self) -> None:
        """Raise Refused for settings that cannot work. Not done on construction: flags and file are put together first."""
        if self.threads is not None and self.threads < 1:
            raise Refused(f"run.threads must be at least 1; got {self.threads}")
        resolve_device(self.device)


@dataclass(frozen=True)
class Training:
    """One network, trained.

    Attributes:
        name: of the checkpoint, `OUT/models/NAME.safetensors`, and of the MLflow run.
        model: the network; its checkpoint, if any, is where training starts.
        data: the training samples.
        test: samples whose accuracy is shown each epoch; nothing is chosen by it.
        recipe: how it is trained.
        run: where.
    """

    name: str
    model: ModelSpec
    data: DataSpec
    test: DataSpec | None = None
    recipe: Recipe = field(default_factory=Recipe)
    run: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True)
class Trained:
    """The checkpoint, whether it had been there already, and the last epoch's numbers (none when it had)."""

    checkpoint: Path
    already: bool
    metrics: dict[str, float]


def train(training: Training) -> Trained:
    """Train, unless the checkpoint of exactly this training is there. Raises Refused before any work for what cannot work."""
    training.run.check()
    out = Path(training.run.out).absolute()
    checkpoint = out / "models" / f"{training.name}.safetensors"
    data = load(training.data)
    for name, term in training.recipe.objective.items():
        check_box(f"objective.{name}", term, data)
    test = load(training.test) if training.test else None
    for dataset in (data, test) if test else (data,):
        check_model("the model", training.model, dataset)
    identity = _identity(training, data)
    if checkpoint.is_file() and read_metadata(checkpoint).get("advcore.training") == identity:
        return Trained(checkpoint, True, {})
    check_writable(checkpoint.parent)
    record = make_tracker(training.run.track, training.run.tracking_uri, out).open(training.run.experiment, identity, training.name)
    status = "FAILED"
    try:
        record.start()
        settings = schema.unstructure(training)
        record.params(schema.flatten({name: settings[name] for name in ("model", "data", "recipe")}))
        record.tags({"advcore.data": data.digest, **environment_tags()})
        record.data(training.data.name, data.digest, len(data), data.shape, training.data.name, "training")
        if training.test is not None and test is not None:
            record.data(training.test.name, test.digest, len(test), test.shape, training.test.name, "testing")
        metrics = _fit(training, data, test, record, checkpoint, identity)
        record.artifact(checkpoint, "model")
        record.tags({"advcore.model": content_hash(replace(training.model, checkpoint=str(checkpoint)))})
        status = "FINISHED"
        return Trained(checkpoint, False, metrics)
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except FloatingPointError as error:
        raise Refused(f"training {training.name} diverged: {error}") from error
    finally:
        record.end(status)


def _fit(training: Training, data: Dataset, test: Dataset | None, record: Run, checkpoint: Path, identity: str) -> dict[str, float]:
    """The epochs, a bar over them, and the checkpoint at the end; gives the last metrics."""
    threads = torch.get_num_threads()
    torch.set_num_threads(training.run.threads or threads)
    try:
        device = resolve_device(training.run.device)
        network = build(training.model).to(device)
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        samples = batch(data, Shard(0, len(data)), device=device)
        metrics: dict[str, float] = {}
        epochs = fit(network, samples.images, samples.labels, training.recipe, box=data.transform is None)
        bar = tqdm(epochs, total=training.recipe.epochs, desc=f"train {training.name}", unit="epoch", file=sys.stderr)
        for epoch in bar:
            terms = {f"loss/{name}": value for name, value in epoch.terms.items()}
            metrics = {"loss": epoch.loss, **terms, "learning_rate": epoch.learning_rate}
            if test is not None:
                held_out = batch(test, Shard(0, len(test)), device=device)
                metrics["test_accuracy"] = accuracy(network, held_out.images, held_out.labels)
            record.metrics(metrics, epoch.number)
            bar.set_postfix({name: f"{value:.4g}" for name, value in metrics.items() if name != "learning_rate"})
        settings = json.dumps(schema.unstructure(training), sort_keys=True)
        save_checkpoint(network, checkpoint, {"advcore.training": identity, "advcore.settings": settings})
        return metrics
    finally:
        torch.set_num_threads(threads)


def accuracy(network: nn.Module, images: Tensor, labels: Tensor, size: int = 1000) -> float:
    """The share classified right, in batches of `size`."""
    with torch.no_grad():
        right = [
            (network(part).argmax(1) == truth).sum() for part, truth in zip(images.split(size), labels.split(size), strict=True)
        ]
    return torch.stack(right).sum().item() / len(images)


def _identity(training: Training, data: Dataset) -> str:
    """The training's id: network, first weights, samples and recipe."""
    parts = [training.name, content_hash(training.model), data.digest, schema.unstructure(training.recipe)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
