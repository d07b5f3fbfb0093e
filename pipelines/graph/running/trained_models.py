"""The models that a study trains before it measures."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from advcore.pipelines.graph.entries import TrainedModel, model_of
from advcore.pipelines.graph.expanded_layout import graph_layout, members_of
from advcore.pipelines.graph.layout import Layout, PlannedFit, layout_of
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import Prepared, prepare_layout
from advcore.pipelines.graph.running.execution import Place, execute
from advcore.pipelines.graph.running.product_checks import check_claims, check_products
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.running.progress_log import ProgressLog
from advcore.pipelines.graph.settings import AnyStudy, GraphStudy, Study
from advcore.pipelines.settings.schema import read
from advcore.pipelines.training.loading import warn_of_unseen
from advcore.pipelines.training.outcome import Trained
from advcore.pipelines.training.settings import Training
from advcore.workers.datasets import Dataset, DataSpec, same_images
from advcore.workers.errors import InputError
from advcore.workers.model_checks import fitting
from advcore.workers.models import ModelSpec
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import TaskResult

Tell = Callable[[Prepared, Mapping[str, Training], Mapping[str, PlannedFit]], None]
"""The description of a study before it begins: its work with the untrained networks, and the
trainings and the fits that are not there yet."""


def with_trained(
    study: AnyStudy, load: Loader, tell: Tell, place: Place, progress: ProgressLog
) -> tuple[AnyStudy, Layout, list[TaskResult]]:
    """Train the networks of a study, and return it with its layout, in which all are there.

    They are trained side by side at `place`, and shards are measured beside it, whose results
    come third. `progress` is told of each.

    In the old form a recipe's training and test data become those splits of the study's data set,
    where that is another one; the checkpoint then bears its name too. Raises InputError for what
    cannot work before the first training: all is checked with the untrained networks.
    """
    study, layout = untrained(study, load)
    if layout.trainings or layout.derived or layout.fits:
        layout = check_products(study, layout, load)
        prepared = prepare_layout(study, layout, load)
        progress.planned(prepared)
        products = Products(study, layout, load, place.store, lambda: open_store(place.store))
        products.settle_with_networks()
        if products.unfinished or products.unlearnt:
            tell(prepared, products.unfinished, products.unlearnt)
    check_claims(layout)
    if isinstance(study, GraphStudy):
        layout, measured = execute(study, layout, load, place, _say_unlogged, progress)
        return study, layout, measured
    warn_of_unseen(*layout.trainings.values())
    layout, measured = execute(study, layout, load, place, _say, progress)
    models = {**study.models, **{name: layout.networks[name] for name in layout.trainings}}
    return replace(study, models=models, train={}, wrappers={}), layout, measured


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
    _check_names(trainings)
    learnt = {
        name: training.data.transform
        for name, training in trainings.items()
        if training.data.transform is not None
    }
    study = replace(study, transforms={**learnt, **study.transforms})
    return study, layout_of(study, trainings)


def _say(name: str, result: Trained) -> None:
    """Tell of a network that is there."""
    there = "already trained" if result.already else "trained"
    tqdm.write(f"{name}: {there}, {result.checkpoint}", file=sys.stderr)
    _say_unlogged(name, result)


def _say_unlogged(name: str, result: Trained) -> None:
    """Tell what MLflow lacks of a trained network, if anything."""
    if result.unlogged:
        tqdm.write(
            f"advcore: not all of {name} is in MLflow: {result.unlogged}; "
            "the next run completes it",
            file=sys.stderr,
        )


def _check_names(trainings: Mapping[str, Training]) -> None:
    """Raise InputError where two trainings would write the same file."""
    first: dict[str, str] = {}
    for label, training in trainings.items():
        other = first.setdefault(training.name, label)
        if trainings[other] != training:
            raise InputError(
                f"train: {other} and {label} are different trainings of one name, "
                f"{training.name!r}: give one of the recipes another name"
            )


def _training(study: Study, recipe: str, dataset: Dataset, load: Loader) -> Training:
    """Read a recipe and put it on the study's data set and results folder."""
    training: Training = read(Training, recipe, "recipes")
    settings = study.run
    own = settings.threads or (1 if settings.runner == "ray" else torch.get_num_threads())
    shared = {
        name: getattr(settings, name) for name in ("out", "tracking_uri", "track", "tracking_wait")
    }
    place = replace(training.run, threads=own, **shared)
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
