"""Members as typed values: data sets, networks with their trainings, probes."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from advcore.derived import DERIVATIONS, Derivation, OfFits
from advcore.fits import Fit
from advcore.learnt import Learnt, with_learnt
from advcore.networks.wrappers import Wrapper
from advcore.pipelines.graph.layout import PlannedFit
from advcore.pipelines.graph.notation.members import Member
from advcore.pipelines.graph.notation.references import fields_of_fits
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import put
from advcore.pipelines.settings.messages import suggestion
from advcore.pipelines.settings.runs import RunSettings, TrainSettings
from advcore.pipelines.settings.shipped import read_document
from advcore.pipelines.training.loading import training_settings
from advcore.pipelines.training.settings import Training
from advcore.seams import lacking
from advcore.training import Recipe
from advcore.workers.datasets import Dataset, DataSpec
from advcore.workers.datasets.derived import DERIVED, Derived
from advcore.workers.errors import InputError
from advcore.workers.model_checks import fitting
from advcore.workers.models import ModelSpec
from advcore.workers.training.description import Head

FIT_SHARD = 100
"""Samples of a share of a fit, unless its entry says `shard_size`."""


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


@dataclass(frozen=True)
class TrainedEpoch:
    """A network as it is after an epoch of a training.

    Attributes:
        of: model whose training it is.
        epoch: number of the epoch, 0 for the network before the first.
        wrapper: wrapper around the network when it is measured.
    """

    of: str
    epoch: int
    wrapper: Wrapper | None = None


@dataclass(frozen=True)
class DerivedEntry:
    """The entry of a data set that comes of others.

    Attributes:
        settings: how it comes of them: `Derived` without a network, `Derivation` with one.
        sources: labels of the data sets that it comes of.
        network: label of the network, if one is needed; none for what is made of fits alone.
        seed: seed of what is drawn as it is made with a network.
    """

    settings: Derived | Derivation
    sources: tuple[str, ...]
    network: str | None
    seed: int = 0


def data_of(member: Member) -> DataSpec | DerivedEntry:
    """Return the data set of a member: one that is there, or one that comes of others.

    Raises InputError for what is neither.
    """
    at, settings = f"{member.section}.{member.family}", dict(member.settings)
    if "kind" not in settings:
        return schema.structure(DataSpec, settings, at)
    kind, of = settings["kind"], settings.pop("of", None)
    network = settings.pop("model", None)
    if of is None:
        raise InputError(f"{at}.of: expected the name of a data set that this one comes of")
    sources = tuple(label_in(own) for own in (of if isinstance(of, list) else (of,)))
    if kind in DERIVED or (":" in str(kind) and "model" not in member.settings):
        if network is not None:
            raise InputError(f"{at}.model: data sets of kind {kind!r} need no model: leave it out")
        named = {**settings, "of": list(sources) if isinstance(of, list) else sources[0]}
        return DerivedEntry(schema.structure(Derived, named, at), sources, None)  # type: ignore[type-abstract]
    if kind not in DERIVATIONS and ":" not in str(kind):
        known = [*DERIVED, *DERIVATIONS]
        raise InputError(
            f"{at}.kind: there is no kind {kind!r} of data sets; known: {', '.join(known)}"
            f"{suggestion(str(kind), known)}"
        )
    seed = _whole_number(settings.pop("seed", 0), f"{at}.seed", 0)
    if network is None and not _needs_none(str(kind)):
        raise InputError(f"{at}.model: data sets of kind {kind!r} are made with a model: name one")
    derivation = schema.structure(Derivation, settings, at)  # type: ignore[type-abstract]
    made = without_sections(derivation, member)
    own = None if isinstance(made, OfFits) else label_in(network)
    return DerivedEntry(made, sources, own, seed)


def _needs_none(kind: str) -> bool:
    return kind in DERIVATIONS and not lacking(DERIVATIONS[kind], OfFits)


def without_sections(settings: Any, member: Member) -> Any:
    """Return a member's settings whose references to fits are labels, in place of ids.

    Raises InputError for a fit that stands in a field that is no reference.
    """

    def labelled(own: Learnt) -> Learnt:
        if not own.name.startswith("fits."):
            known = ", ".join(fields_of_fits(member.section)) or "none"
            raise InputError(
                f"{member.section}.{member.family}: the fit {own.name!r} stands in a field in "
                f"which none is looked for; the fields of {member.section} that name fits: {known}"
            )
        return replace(own, name=label_in(own.name))

    return with_learnt(settings, labelled)


def label_in(member_id: str) -> str:
    """Return the label in a member's id."""
    return member_id.partition(".")[2]


def fit_of(member: Member, run: RunSettings) -> PlannedFit:
    """Return the fit of a member. Raises InputError for what is none."""
    at, settings = f"{member.section}.{member.family}", dict(member.settings)
    inputs = {name: settings.pop(name, None) for name in ("model", "data")}
    for name, own in inputs.items():
        if own is None:
            raise InputError(f"{at}.{name}: expected a name, got nothing")
    size = _whole_number(settings.pop("shard_size", FIT_SHARD), f"{at}.shard_size", 1)
    seed = _whole_number(settings.pop("seed", run.seed), f"{at}.seed", 0)
    fit: Fit = without_sections(schema.structure(Fit, settings, at), member)  # type: ignore[type-abstract]
    model, data = (label_in(inputs[name]) for name in ("model", "data"))
    return PlannedFit(member.label, model, data, fit, size, seed, member.at)


def _whole_number(given: Any, at: str, least: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise InputError(f"{at}: expected a whole number from {least}, got {given!r}")
    return given


def model_of(member: Member) -> ModelSpec | TrainedModel | TrainedEpoch:
    """Return the network of a member: one that is there, one that is trained, or an epoch of it."""
    cls: Any = ModelSpec
    if "recipe" in member.settings:
        cls = TrainedModel
    elif "epoch" in member.settings:
        cls = TrainedEpoch
    value: ModelSpec | TrainedModel | TrainedEpoch = without_sections(
        schema.structure(cls, member.settings, f"{member.section}.{member.family}"), member
    )
    return value


def training_of(
    model: TrainedModel,
    member: Member,
    data: DataSpec,
    dataset: Dataset,
    text_of: Callable[[Recipe], str],
    run: RunSettings,
) -> Training:
    """Return the training of a member on its data set.

    Its name is made of the recipe's and of a hash of all its settings, so that members of equal
    content are trained once; `text_of` gives what stands in it for the weights that it begins with
    and for the fits that its recipe names. The recipe's own data sets are not used, and so no epoch
    is tested.
    """
    at = f"models.{member.family}"
    recipe = _recipe(model, at)
    name = str(recipe.get("name", "training"))
    training = schema.structure(Training, {**recipe, "test": None}, at)
    known = replace(data, columns=())  # which say nothing to a training
    named = without_sections(training.recipe, member)
    training = replace(training, data=known, recipe=named, run=_place(run))
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
    text = json.dumps([settings, text_of(training.recipe), run.threads or 1], sort_keys=True)
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
    names = ("out", "tracking_uri", "track", "tracking_wait")
    return TrainSettings(threads=run.threads or 1, **{name: getattr(run, name) for name in names})
