"""Checks of derived data sets and fits before any work, with untrained networks and stand-ins."""

from collections.abc import Callable
from functools import partial
from typing import Any

from advcore.fits import FitSamples
from advcore.learnt import learnt_in
from advcore.pipelines.graph.layout import Layout, PlannedFit
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.tracking.checkpoints import resolve_checkpoint
from advcore.workers.datasets import Dataset
from advcore.workers.errors import USERS_ERRORS, InputError, named
from advcore.workers.model_checks import check_box
from advcore.workers.models import content_hash
from advcore.workers.paths import expand_path
from advcore.workers.shards import split


def check_products(study: AnyStudy, layout: Layout, load: Loader) -> None:
    """Check that derived data sets can be made and fits learnt. Raises InputError where not."""
    for own in layout.derived.values():
        if own.made is not None:
            at, settings = f"data_sets.{own.label}", own.made.settings
            source = load(layout.data[own.made.data])
            check_box(at, settings, source)
            _check_learnt(at, settings, own.made.data, layout, load)
            classes = _classes(study, layout, load, own.made.network, source)
            _validate(at, partial(settings.validate, source.shape, classes))
    for fit in layout.fits.values():
        at, source = f"fits.{fit.label}", load(layout.data[fit.data])
        check_box(at, fit.settings, source)
        _check_learnt(at, fit.settings, fit.data, layout, load)
        classes = _classes(study, layout, load, fit.network, source)
        samples = FitSamples(source.shape, classes, len(source), fit.seed)
        _validate(at, partial(fit.settings.validate, samples))
        _validate(at, partial(_check_shards, fit, samples))
    for planned in layout.planned:
        at = f"probes.{planned.probe}"
        _check_learnt(at, planned.settings, planned.data, layout, load)


def _check_learnt(at: str, settings: Any, data: str, layout: Layout, load: Loader) -> None:
    """Raise InputError where settings name a fit of inputs of another shape."""
    shape = load(layout.data[data]).shape
    for fit in (layout.fits[own.name] for own in learnt_in(settings)):
        learnt = load(layout.data[fit.data]).shape
        if learnt != shape:
            raise InputError(
                f"{at}: the fit {fit.label} is learnt of {fit.data}, inputs {learnt}, and used on "
                f"{data}, inputs {shape}: name a fit of such inputs"
            )


def _check_shards(fit: PlannedFit, samples: FitSamples) -> None:
    """Raise ValueError where a fit does not work on so many shards."""
    shards = len(split(samples.count, fit.shard_size))
    fit.settings.shards(fit.settings.start(samples), shards)


def _classes(study: AnyStudy, layout: Layout, load: Loader, label: str, dataset: Dataset) -> int:
    """Return the number of a network's logits, from the first images of a data set."""
    out = expand_path(study.run.out).absolute()
    with named(f"model {label}"):
        spec = resolve_checkpoint(layout.networks[label], study.run.tracking_uri, out)
        return load.check(f"model {label}", spec, content_hash(spec), dataset).classes


def _validate(at: str, validate: Callable[[], None]) -> None:
    try:
        validate()
    except USERS_ERRORS as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise InputError(f"{at}: {kind}{error}") from error
