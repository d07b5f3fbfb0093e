"""The study file, in its two forms: every probe on every model, or a graph."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from advcore.learnt import learnt_in
from advcore.networks.wrappers import Wrapper
from advcore.pipelines.claims import Claim, MaskingWarnings, Numbers, OfTwoModels
from advcore.pipelines.graph.notation.expansion import expand
from advcore.pipelines.graph.notation.members import Families
from advcore.pipelines.graph.notation.references import SECTIONS, fields_of_fits, find_references
from advcore.pipelines.settings.names import check_folder_name, check_name
from advcore.pipelines.settings.runs import RunSettings
from advcore.pipelines.settings.schema import read, structure
from advcore.pipelines.settings.small import Small, SmallOf, read_study_document
from advcore.pipelines.settings.study_checks import check_study
from advcore.probes import Probe
from advcore.transforms import Transform
from advcore.workers.datasets import DataSpec
from advcore.workers.models import ModelSpec


@dataclass(frozen=True)
class Study:
    """Every probe on every model, on the same samples.

    Attributes:
        name: name of the folder of results and of the MLflow run.
        data: data set whose samples are measured.
        probes: probes by name; each has a `kind`.
        models: models by the names that tables and legends show.
        train: recipes by model name: a file, or the name of one that comes with advcore. These
            models are trained first, unless they are there already. They learn the training
            split of the study's data set, and are measured on images transformed like those
            that they learnt.
        transforms: transforms by model name, of the images on which the model is measured,
            instead of the data's own.
        wrappers: wrappers by model name, put around the trained model when it is measured:
            `{kind: scaled_logits, factor: 1000}`.
        claims: expectations of the numbers by name, shown beside them.
        minutes: expected time on two idle cores when nothing is there yet, trainings included,
            in minutes.
        small: its small version, for a first look.
        small_of: the study whose small version it is; None for a whole one.
        run: settings of the run.
    """

    name: str
    data: DataSpec
    probes: dict[str, Probe]
    models: dict[str, ModelSpec] = field(default_factory=dict)
    train: dict[str, str] = field(default_factory=dict)
    transforms: dict[str, Transform] = field(default_factory=dict)
    wrappers: dict[str, Wrapper] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    minutes: float | None = None
    small: Small | None = None
    small_of: SmallOf | None = None
    run: RunSettings = field(default_factory=RunSettings)

    @classmethod
    def read(cls, file: str | os.PathLike[str], settings: Sequence[str] = ()) -> "Study":
        """Read a study file of this form, or one that comes with advcore by its name.

        `settings` are put over it, each as `--set` takes it: "data.samples=64".

        Raises InputError for what is no study.
        """
        return read(cls, os.fspath(file), "studies", settings)

    def __post_init__(self) -> None:
        check_study(self, Study)
        names = {**self.models, **self.train}
        for what, held in (("models", names), ("probes", self.probes)):
            if not held:
                raise ValueError(f"expected at least one of {what}; got none")
        check_folder_name(self.name)
        for name in (*names, *self.probes, *self.claims):
            check_name(name)
        for name in self.train:
            if name in self.models:
                raise ValueError(f"{name!r} is both in models and in train; remove it from one")
        for probe, settings in self.probes.items():
            for fit in learnt_in(settings):
                raise ValueError(
                    f"probe {probe} names the fit {fit.name!r}, which only a graph can have: write "
                    "data_sets, models, fits and probes, in place of one data"
                )
        if self.train and self.data.transform is not None:
            raise ValueError(
                "trained models see images as they learnt them: leave data.transform out, or "
                "give transforms by model"
            )
        known = {"probe": tuple(self.probes), "model": tuple(names), "table": ()}
        for claim_name, claim in self.claims.items():
            for what, given in _names_in_claim(claim):
                if given not in known[what]:
                    raise ValueError(
                        f"claim {claim_name} names the {what} {given!r}; known: "
                        f"{', '.join(known[what]) or 'none'}"
                    )
            if len(names) > 1 and _lacks_model(claim):
                raise ValueError(f"claim {claim_name} must name a model: {', '.join(names)}")
        of_models = [("transforms", name) for name in self.transforms] + [
            ("wrappers", name) for name in self.wrappers
        ]
        for what, name in of_models:
            if name not in names:
                raise ValueError(
                    f"{what} names {name!r}, which is not a model of the study; models: "
                    f"{', '.join(names)}"
                )
        for name in self.wrappers:
            if name in self.models and self.models[name].wrapper is not None:
                raise ValueError(
                    f"model {name} has a wrapper of its own and one in wrappers; remove one"
                )


def _lacks_model(claim: Claim) -> bool:
    """Return whether a built-in claim has numbers of no model by name."""
    numbers = [
        part
        for part in (claim, *vars(claim).values())
        if isinstance(part, Numbers | MaskingWarnings)
    ]
    return any(own.model is None for own in numbers)


def _names_in_claim(claim: Claim) -> list[tuple[str, str]]:
    """Return the probes and the models that a built-in claim names."""
    if isinstance(claim, MaskingWarnings):
        return [("probe", claim.probe), *([("model", claim.model)] if claim.model else [])]
    named = [
        (what, name)
        for of in vars(claim).values()
        if isinstance(of, Numbers)
        for what, name in (
            ("table", of.table),
            ("probe", of.probe),
            ("model", of.model),
            *(("probe", own.probe) for _, own in (of.among.placed() if of.among else ())),
        )
        if name is not None
    ]
    other = claim.to if isinstance(claim, OfTwoModels) else None
    return [*named, ("model", other)] if named and isinstance(other, str) else named


FIT_FIELDS = fields_of_fits("probes")
"""Fields of a probe that name a fit; what a probe leaves out is that of the first."""

Entry = dict[str, Any]
"""Settings of one entry, in which `$NAME` stands for the values of an axis."""

GRAPH = "data_sets"
"""The section that a study has if it is a graph."""

TAKEN_FIGURES = ("fits", "data_sets", "study")
"""Folders of a report's figures that are no probe's and no table's."""


@dataclass(frozen=True)
class GraphStudy:
    """A study as a graph: data sets, models that come of data sets and models, probes on both.

    Attributes:
        name: name of the folder of results and of the MLflow run.
        data_sets: data sets by name.
        models: models by name: an architecture with its checkpoint, or `recipe` and `data` for
            one that is trained first.
        probes: probes by name; each has a `kind`, and `model` and `data` where they are not all.
        axes: named axes over which entries repeat: a list, a whole number n for 0 to n - 1, or
            named cases. `$NAME` stands for a value.
        fits: tensors that are learnt from many samples of one model.
        tables: pure functions of tables.
        claims: expectations of the numbers by name, shown beside them.
        figures: charts of the numbers of all members, by name.
        minutes: expected time on two idle cores when nothing is there yet, trainings included,
            in minutes.
        small: its small version, for a first look.
        small_of: the study whose small version it is; None for a whole one.
        run: settings of the run.
    """

    name: str
    data_sets: dict[str, Entry]
    models: dict[str, Entry]
    probes: dict[str, Entry]
    axes: dict[str, Any] = field(default_factory=dict)
    fits: dict[str, Entry] = field(default_factory=dict)
    tables: dict[str, Entry] = field(default_factory=dict)
    claims: dict[str, Entry] = field(default_factory=dict)
    figures: dict[str, Entry] = field(default_factory=dict)
    minutes: float | None = None
    small: Small | None = None
    small_of: SmallOf | None = None
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        check_study(self, GraphStudy)
        check_folder_name(self.name)
        for section in ("data_sets", "models", "probes"):
            if not getattr(self, section):
                raise ValueError(f"{section} must name at least one; got none")
        for section in (*SECTIONS, "claims", "figures"):
            for name in getattr(self, section):
                check_name(name)
        for section in ("probes", "tables"):
            for name in getattr(self, section):
                if name.lower() in TAKEN_FIGURES:
                    raise ValueError(
                        f"{section}.{name}: the report has a folder figures/{name.lower()} of its "
                        f"own: give the {section[:-1]} another name"
                    )

    @property
    def families(self) -> Families:
        """The entries with all their members."""
        sections = {name: getattr(self, name) for name in ("axes", *SECTIONS)}
        return expand({**sections, "probes": self._whole_probes()}, self.run.most)

    def _whole_probes(self) -> dict[str, Entry]:
        """Return the probes with a model and data where they name none.

        Those of the fit that one names, else all.
        """
        return {
            name: {**self._all_inputs(), **self._inputs_of_fit(name, entry), **entry}
            for name, entry in self.probes.items()
        }

    def _inputs_of_fit(self, name: str, probe: Entry) -> Entry:
        """Return the model and the data of the first fit that a probe names, at any depth.

        None where it names several there whose models or data differ.
        """
        named = [
            own
            for own in find_references("probes", probe, f"probes.{name}")
            if own.sections == ("fits",)
        ]
        first = min(named, key=lambda own: FIT_FIELDS.index(own.path[-1]), default=None)
        fits = [self.fits.get(own.name, {}) for own in (first.choices if first else ())]
        found: list[Entry] = [
            {key: fit[key] for key in ("model", "data") if key in fit} for fit in fits
        ]
        alike = all(own == found[0] for own in found)
        return found[0] if found and alike else {}

    def _all_inputs(self) -> Entry:
        return {"model": self._all("models"), "data": self._all("data_sets")}

    def _all(self, section: str) -> Any:
        names = list(getattr(self, section))
        return names if len(names) > 1 else names[0]


AnyStudy = Study | GraphStudy


def read_study(
    file: str | os.PathLike[str], settings: Sequence[str] = (), small: bool = False
) -> AnyStudy:
    """Read a study file of either form, or one that comes with advcore by its name.

    It is a graph if it has data_sets. `small` takes its small version, as `--small` does.
    `settings` are put over it, each as `--set` takes it: "data.samples=64".

    Raises InputError for what is no study, and for one without a small version.
    """
    document = read_study_document(os.fspath(file), settings, small)
    return structure_study(document)


def structure_study(document: Mapping[str, Any]) -> AnyStudy:
    """Return the study that a document holds, of either form. Raises InputError for none."""
    if GRAPH in document:
        return structure(GraphStudy, document, "study")
    return structure(Study, document, "study")
