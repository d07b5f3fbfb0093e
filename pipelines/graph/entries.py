"""Members as typed values: data sets, networks with their trainings, probes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from advcore.networks.wrappers import Wrapper
from advcore.pipelines.graph.members import Member
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import put
from advcore.pipelines.settings.runs import RunSettings, TrainSettings
from advcore.pipelines.settings.shipped import read_document
from advcore.pipelines.training.loading import training_settings
from advcore.pipelines.training.settings import Training
from advcore.workers.datasets import Dataset, DataSpec
from advcore.workers.errors import InputError
from advcore.workers.model_checks import fitting
from advcore.workers.models import ModelSpec
from advcore.workers.training.description import Head


@dataclass(frozen=True)
class RecipeChange:
    """A recipe with changes.

    Attributes:
        base: recipe file, or the name of one that comes with advcore.
        set: values to put over it, by dotted name: `objective.adversarial.attack.eps: 0.5`.
    """

    base: str
    set: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainedModel:
    """A network that is trained before it is measured.

    Attributes:
        recipe: recipe file, or the name of one that comes with advcore, or one with changes.
        data: data set that it learns.
        network: architecture and its arguments, in place of the recipe's:
            `{architecture: perceptron, width: 256}`.
        seed: seed of the first weights, of the order of samples and of all noise, in place of the
            recipe's.
        start: model whose weights it begins with.
        freeze: patterns of parameters and modules that stay as they are, `*` standing for any
            text, in place of the recipe's.
        head: `new` for a last layer of fresh weights, for the classes of the data, in place of the
            recipe's.
        wrapper: wrapper around the trained network when it is measured.
    """

    recipe: str | RecipeChange
    data: str
    network: dict[str, Any] | None = None
    seed: int | None = None
    start: str | None = None
    freeze: tuple[str, ...] | None = None
    head: Head | None = None
    wrapper: Wrapper | None = None


def data_of(member: Member) -> DataSpec:
    """Return the data set of a member. Raises InputError for one that would have to be made."""
    if "kind" in member.settings:
        raise InputError(
            f"{member.section}.{member.family}: data sets of kind {member.settings['kind']!r} "
            "cannot be made; give the name of a data set that is there (advcore list data)"
        )
    return schema.structure(DataSpec, member.settings, f"{member.section}.{member.family}")


def model_of(member: Member) -> ModelSpec | TrainedModel:
    """Return the network of a member: one that is there, or one that is trained."""
    trained = "recipe" in member.settings
    cls: Any = TrainedModel if trained else ModelSpec
    value: ModelSpec | TrainedModel = schema.structure(
        cls, member.settings, f"{member.section}.{member.family}"
    )
    return value


def training_of(
    model: TrainedModel, at: str, data: DataSpec, dataset: Dataset, start: str, run: RunSettings
) -> Training:
    """Return the training of a member on its data set.

    Its name is made of the recipe's and of a hash of all its settings, so that members of equal
    content are trained once; `start` stands in it for the weights that it begins with. The
    recipe's own data sets are not used, and so no epoch is tested.
    """
    recipe = _recipe(model, at)
    name = str(recipe.get("name", "training"))
    training = schema.structure(Training, {**recipe, "test": None}, at)
    training = replace(training, data=data, run=_place(run))
    spec = training.model
    if model.network is not None:
        spec = schema.structure(ModelSpec, _network(model.network), f"{at}.network")
    spec = replace(spec, classes=dataset.classes)
    spec = replace(spec, arguments=fitting(spec, dataset))
    if model.seed is not None:
        spec = replace(spec, seed=model.seed)
        training = replace(training, recipe=replace(training.recipe, seed=model.seed))
    training = replace(
        training,
        model=spec,
        freeze=training.freeze if model.freeze is None else model.freeze,
        head=model.head or training.head,
    )
    settings = {key: own for key, own in training_settings(training).items() if key != "name"}
    text = json.dumps([settings, start, run.threads or 1], sort_keys=True)
    return replace(training, name=f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}")


def _recipe(model: TrainedModel, at: str) -> Mapping[str, Any]:
    """Return the document of a recipe with its changes."""
    if isinstance(model.recipe, str):
        return read_document(model.recipe, "recipes")
    known = {own.name for own in fields(Training)}
    changes = {
        name if name.split(".")[0] in known else f"recipe.{name}": value
        for name, value in model.recipe.set.items()
    }
    return put(read_document(model.recipe.base, "recipes"), changes, f"{at}.recipe.set")


def _network(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's settings, those that are no model's own as its factory's arguments."""
    known = {own.name for own in fields(ModelSpec)}
    arguments = {name: value for name, value in given.items() if name not in known}
    own = {name: value for name, value in given.items() if name in known}
    return {**own, "arguments": {**own.get("arguments", {}), **arguments}}


def _place(run: RunSettings) -> TrainSettings:
    """Return where a study's trainings run: threads and the folder of results are the study's."""
    threads = run.threads if run.runner == "inline" else None
    names = ("out", "tracking_uri", "track", "tracking_wait")
    return TrainSettings(threads=threads, **{name: getattr(run, name) for name in names})
