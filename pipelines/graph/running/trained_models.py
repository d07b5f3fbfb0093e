"""The models that a study trains before it measures."""

import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from advcore.pipelines.graph.entries import TrainedModel, model_of
from advcore.pipelines.graph.expanded_layout import graph_layout, members_of
from advcore.pipelines.graph.layout import Layout, layout_of
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import Prepared, prepare_layout
from advcore.pipelines.graph.running.estimates import note_training, pending
from advcore.pipelines.graph.running.execution import execute
from advcore.pipelines.graph.running.product_checks import check_products
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.settings import AnyStudy, GraphStudy, Study
from advcore.pipelines.settings.schema import read
from advcore.pipelines.training.driver import train
from advcore.pipelines.training.settings import Training
from advcore.workers.datasets import Dataset, DataSpec, same_images
from advcore.workers.errors import InputError
from advcore.workers.model_checks import fitting
from advcore.workers.models import ModelSpec
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import Runner, TaskResult

Tell = Callable[[Prepared, Mapping[str, Training]], None]
"""The description of a study before it begins: its work with the untrained networks, and the
trainings that are not there yet."""


def with_trained(
    study: AnyStudy, load: Loader, tell: Tell, runner: Runner, location: str
) -> tuple[AnyStudy, Layout, list[TaskResult]]:
    """Train the networks of a study, and return it with its layout, in which all are there.

    Those of a graph are trained side by side on the runner, and shards are measured beside it,
    whose results come third; those of the old form are trained here, one after the other.

    In the old form a recipe's training and test data become those splits of the study's data set,
    where that is another one; the checkpoint then bears its name too. Raises InputError for what
    cannot work before the first training: all is checked with the untrained networks.
    """
    study, layout = untrained(study, load)
    if isinstance(study, GraphStudy):
        if layout.trainings or layout.derived or layout.fits:
            layout = check_products(study, layout, load)
            prepared = prepare_layout(study, layout, load)
            products = Products(study, layout, load, location, lambda: open_store(location))
            products.settle_with_networks()
            missing = products.unfinished
            if missing:
                tell(prepared, missing)
        layout, measured = execute(study, layout, load, runner, location)
        return study, layout, measured
    if layout.trainings:
        prepared, missing = prepare_layout(study, layout, load), pending(layout.trainings)
        if missing:
            tell(prepared, missing)
    for name, training in layout.trainings.items():
        layout = layout.trained(name, str(_trained(name, training)))
    models = {**study.models, **{name: layout.networks[name] for name in layout.trainings}}
    return replace(study, models=models, train={}, wrappers={}), layout, []


def recipes_of(study: AnyStudy) -> list[str]:
    """Return the files and names of the recipes that a study reads."""
    if isinstance(study, Study):
        return list(study.train.values())
    models = (model_of(own) for own in members_of(study.families, "models"))
    trained = [own for own in models if isinstance(own, TrainedModel)]
    return [own.recipe if isinstance(own.recipe, str) else own.recipe.base for own in trained]


def untrained(study: AnyStudy, load: Loader) -> tuple[AnyStudy, Layout]:
    """Return a study and its layout with untrained networks.

    In the old form it has its recipes' transforms then.
    """
    if isinstance(study, GraphStudy):
        return study, graph_layout(study, load)
    if not study.train:
        return study, layout_of(study)
    dataset = load(study.data)
    trainings = {
        name: _training(study, recipe, dataset, load) for name, recipe in study.train.items()
    }
    learnt = {
        name: training.data.transform
        for name, training in trainings.items()
        if training.data.transform is not None
    }
    study = replace(study, transforms={**learnt, **study.transforms})
    return study, layout_of(study, trainings)


def _trained(name: str, training: Training) -> Path:
    """Train unless the checkpoint is there, and return its path."""
    out = training.checkpoint.parents[1]
    begun, start = (out / "training" / training.name).exists(), time.perf_counter()
    result = train(training)
    if not begun and not result.already:
        note_training(out, training, time.perf_counter() - start)
    print(
        f"{name}: {'already trained' if result.already else 'trained'}, {result.checkpoint}",
        file=sys.stderr,
    )
    if result.unlogged:
        print(
            (
                f"advcore: not all of {name} is in MLflow: {result.unlogged}; the next run "
                "completes it"
            ),
            file=sys.stderr,
        )
    return result.checkpoint


def _training(study: Study, recipe: str, dataset: Dataset, load: Loader) -> Training:
    """Read a recipe and put it on the study's data set and results folder."""
    training: Training = read(Training, recipe, "recipes")
    settings = study.run
    threads = (
        settings.threads if settings.runner == "inline" else None
    )  # on Ray they are one worker's, and training is alone
    shared = {
        name: getattr(settings, name) for name in ("out", "tracking_uri", "track", "tracking_wait")
    }
    place = replace(training.run, threads=threads, **shared)
    return on_data(replace(training, run=place), study.data, dataset, load)


def on_data(training: Training, data: DataSpec, dataset: Dataset, load: Loader) -> Training:
    """Return the training on the data set of `data`, already loaded as `dataset`.

    If that is another data set, the training's name gets its name too.

    Raises InputError if it would learn samples that are measured.
    """
    if training.data.name != data.name:
        training = replace(
            training,
            name=re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{training.name}-{Path(data.name).name}"),
            model=_fitting(training.model, replace(dataset, transform=training.data.transform)),
            data=_moved(training.data, data, "train"),
            test=None if training.test is None else _moved(training.test, data, "test"),
        )
    _check_apart(training.data, dataset, load)
    return training


def _check_apart(learnt: DataSpec, measured: Dataset, load: Loader) -> None:
    """Raise InputError if a measured sample is also learnt: some data sets have no splits."""
    known = load(learnt)
    common, ours, theirs = np.intersect1d(measured.indices, known.indices, return_indices=True)
    if len(common) and same_images(measured, ours, known, theirs):
        raise InputError(
            f"{len(common)} of the samples that are measured are those that the models learn: take "
            "data with a test split, or train on another file by a recipe of your own"
        )


def _moved(own: DataSpec, data: DataSpec, split: str) -> DataSpec:
    """Return a whole split of the study's data set with the recipe's transform."""
    return replace(data, split=split, samples=None, transform=own.transform)  # type: ignore[arg-type]


def _fitting(model: ModelSpec, dataset: Dataset) -> ModelSpec:
    """Return a built-in model with the classes and image size of the data set."""
    return replace(model, classes=dataset.classes, arguments=fitting(model, dataset))
