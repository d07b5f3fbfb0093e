"""Checks of derived data sets, fits and what names them before any work, with stand-ins."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from advcore.fits import FITS, FitSamples, declared_by
from advcore.learnt import Declared, Learnt, learnt_in, with_each, with_learnt
from advcore.pipelines.claims.labels import check_values
from advcore.pipelines.graph.layout import DerivedData, Layout, Planned, PlannedFit
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.fit_choices import Choices, check_with_fits, kinds_of_fits
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.tracking.checkpoints import resolve_checkpoint
from advcore.probes import Indexed, ReadsLayers, Settled
from advcore.subspaces import Fitted
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.batches import check_others
from advcore.workers.errors import named
from advcore.workers.made import Making
from advcore.workers.model_checks import check_box, check_layers, check_threats
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.paths import expand_path
from advcore.workers.shards import split


def check_products(study: AnyStudy, layout: Layout, load: Loader) -> Layout:
    """Check that derived data sets can be made, fits learnt, and fits used where they are named.

    Return the layout in which the fits that are named have what they declare, and probes the
    settings that follow from it. Raises InputError, with the place in the document.
    """
    checks = _Checks(study, layout, load)
    fits = {label: checks.fit(own) for label, own in layout.fits.items()}
    derived = {label: checks.derived(own) for label, own in layout.derived.items()}
    planned = tuple(checks.planned(own) for own in layout.planned)
    return replace(layout, fits=fits, derived=derived, planned=planned)


def check_claims(layout: Layout) -> None:
    """Raise InputError for claims and figures that choose what no row of their probe can have."""
    known: dict[str, dict[str, dict[str | float, None]]] = {}
    axes: dict[str, set[str]] = {}
    for own in layout.planned:
        values = own.settings.values() if isinstance(own.settings, Indexed) else {}
        axes.setdefault(own.probe, set()).update(own.at)
        columns = known.setdefault(own.probe, {})
        for column, held in values.items():
            columns.setdefault(column, {}).update(dict.fromkeys(held))
    for name, claim in layout.claims.items():
        check_values(f"claims.{name}", claim, axes, known)
    for figure in layout.figures:
        for series in figure.series.values():
            check_values(f"figures.{figure.name}", series, axes, known)


class _Checks:
    """The checks of a layout's members, each after the fits that it names."""

    def __init__(self, study: AnyStudy, layout: Layout, load: Loader) -> None:
        self._study = study
        self._layout = layout
        self._load = load
        self._declared: dict[str, Declared] = {}
        self._known: dict[tuple[str, str], int] = {}

    def fit(self, own: PlannedFit) -> PlannedFit:
        """Return a fit that can be learnt, and note what it declares."""
        at = f"fits.{own.label}"
        check_box(at, own.settings, self._source(own.data))
        samples = self._samples(own.network, own.data, own.seed)

        def check(settings: Any) -> None:
            settings.validate(samples)
            declared_by(settings, samples)
            settings.shards(settings.start(samples), len(split(samples.count, own.shard_size)))

        settings = self._checked(at, own.settings, own.data, samples, check)
        self._declared[own.label] = declared_by(settings, samples)
        return replace(own, settings=settings)

    def derived(self, own: DerivedData) -> DerivedData:
        """Return a data set that can be made."""
        if own.made is None:
            return own
        at, making = f"data_sets.{own.label}", own.made.settings
        assert isinstance(making, Making)
        source, network = self._source(own.made.data), own.made.network
        check_box(at, making, source)
        samples = self._samples(network, own.made.data)
        spec = self._spec(network)

        def check(settings: Any) -> None:
            settings.validate(samples.shape, samples.classes)
            check_threats(settings, spec, source)
            if making.paired():
                check_others(source)
            if isinstance(settings, ReadsLayers):
                check_layers(settings, spec, source)

        made = self._checked(
            at,
            making.derivation,
            own.made.data,
            samples,
            check,
        )
        return replace(own, made=replace(own.made, settings=Making(made)))

    def planned(self, own: Planned) -> Planned:
        """Return a measurement whose fits do, with the settings that follow from them."""
        at, shape = f"probes.{own.probe}", self._source(own.data).shape
        if not learnt_in(own.settings):
            return replace(own, settings=_settled(own.settings, shape))
        samples = self._samples(own.network, own.data)
        settings = self._checked(
            at,
            own.settings,
            own.data,
            samples,
            lambda settings: _settled(settings, shape).validate(shape, samples.classes),
        )
        return replace(own, settings=_settled(settings, shape))

    def _checked(
        self,
        at: str,
        settings: Any,
        data: str,
        samples: FitSamples,
        check: Callable[[Any], None],
    ) -> Any:
        """Return settings that pass a check, with what follows from what their fits declare."""
        settings = with_learnt(
            settings, lambda one: replace(one, declared=self._declared[one.name])
        )

        def whole(tried: Any) -> None:
            for one in learnt_in(tried):
                self._check_shape(one, data)
            check(tried)

        known = {cls: kind for kind, cls in FITS.items()}
        fits = self._layout.fits.items()
        own = {label: known.get(type(fit.settings), "") for label, fit in fits}
        choices = Choices(self._by_family(), kinds_of_fits(samples), own)
        check_with_fits(at, settings, whole, choices)
        return with_each(Fitted, settings, Fitted.settled)

    def _by_family(self) -> dict[str, Learnt]:
        """Return the first fit of each family that is checked, by the family's name."""
        found: dict[str, Learnt] = {}
        for label, declared in self._declared.items():
            own = Learnt(label, declared=declared)
            found.setdefault(own.family, own)
        return found

    def _check_shape(self, one: Learnt, data: str) -> None:
        """Raise ValueError for a fit of inputs of another shape; sequences take one of words."""
        fit = self._layout.fits.get(one.name)
        if fit is None:
            return
        learnt, shape = self._source(fit.data).shape, self._source(data).shape
        words = shape[1:] if len(shape) == 2 else shape
        if learnt not in (shape, words):
            raise ValueError(
                f"the fit {fit.label} is learnt of {fit.data}, inputs {learnt}, and used on "
                f"{data}, inputs {shape}: name a fit of such inputs"
            )

    def _source(self, data: str) -> Dataset:
        return self._load(self._layout.data[data])

    def _samples(self, network: str, data: str, seed: int = 0) -> FitSamples:
        """Return a data set without its pixels, with the number of a network's logits."""
        source = self._source(data)
        if (network, data) not in self._known:
            with named(f"model {network}"):
                spec = self._spec(network)
                checked = self._load.check(f"model {network}", spec, content_hash(spec), source)
            self._known[network, data] = checked.classes
        return FitSamples(source.shape, self._known[network, data], len(source), seed)

    def _spec(self, network: str) -> ModelSpec:
        out = expand_path(self._study.run.out).absolute()
        return resolve_checkpoint(self._layout.networks[network], self._study.run.tracking_uri, out)


def _settled(settings: Any, shape: tuple[int, ...]) -> Any:
    return settings.settled(shape) if isinstance(settings, Settled) else settings
