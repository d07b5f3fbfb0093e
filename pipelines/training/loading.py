"""The loading of a training: its settings as a description, its samples, checks before any work."""

import sys
from collections.abc import Callable
from typing import Any

from advcore.pipelines.settings import schema
from advcore.pipelines.training.settings import Training
from advcore.workers.code import unseen_imports
from advcore.workers.datasets import Dataset, DataSpec, load
from advcore.workers.models import ModelSpec
from advcore.workers.training.description import TrainingSpec
from advcore.workers.training.loading import Loaded, check_training, with_samples

TUNING = ("freeze", "head")
"""Settings that are told where they are set."""


def load_training(
    training: Training,
    model: ModelSpec | None = None,
    load: Callable[[DataSpec], Dataset] = load,
) -> Loaded:
    """Load the samples and send two of them through the network.

    Raises InputError for whatever cannot work.

    `model` is the training's own, where its checkpoint was fetched from elsewhere; `load` reads a
    data set.
    """
    training.run.check()
    described = describe(training, model)
    data = load(training.data)
    test = load(training.test) if training.test else None
    classes = check_training(described, data, test, training.run.device)
    digest = data.digest
    return with_samples(described, data, test, digest, described.identity(digest), classes)


def describe(training: Training, model: ModelSpec | None = None) -> TrainingSpec:
    """Return what the settings say of the training itself, without its place.

    `model` stands in for its network.
    """
    return TrainingSpec(
        training.name,
        model or training.model,
        training.recipe,
        training.validation,
        training.watch,
        training.on_overfitting,
        training_settings(training),
        training.freeze,
        training.head,
    )


def training_settings(training: Training) -> dict[str, Any]:
    """Return the settings of a training without its place; `freeze` and `head` where they are set.

    So a training that sets none of the two keeps its identity.
    """
    settings: dict[str, Any] = schema.unstructure(training)
    unset = {"run", *(name for name in TUNING if not settings[name])}
    return {name: value for name, value in settings.items() if name not in unset}


def warn_of_unseen(*settings: object) -> None:
    """Print a warning for each of the user's modules whose imports are in no cache key."""
    for sentence in unseen_imports([schema.unstructure(part) for part in settings]).values():
        print(f"advcore: warning: {sentence}", file=sys.stderr)
