"""Files to settings and back, with every class that a file can name by its `kind`."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from advcore.alterations import ALTERATIONS, Alteration
from advcore.attacks import ATTACKS, Attack
from advcore.derived import DERIVATIONS, Derivation
from advcore.explain import ATTRIBUTIONS, EXPLANATION_GOALS, Attribution, ExplanationGoal
from advcore.fits import FITS, Fit
from advcore.laws import LAWS, Law
from advcore.learnt import Learnt
from advcore.networks.wrappers import WRAPPERS, Wrapper
from advcore.pipelines.claims import CLAIMS, Claim
from advcore.pipelines.figures import FIGURES, FigureKind
from advcore.pipelines.settings.converter import SeamConverter, Seams, build_value, make_converter
from advcore.pipelines.settings.documents import flatten, load_yaml, override
from advcore.pipelines.settings.messages import describe_value
from advcore.pipelines.settings.schedulers import SCHEDULERS, SEARCHERS, Scheduler, Searcher
from advcore.pipelines.settings.shipped import read_document
from advcore.pipelines.tables import TABLES, TableKind
from advcore.pixel_masks import PIXEL_MASKS, PixelMask
from advcore.probes import PROBES, Probe
from advcore.subspaces import FAMILIES, FamilySpec
from advcore.table_schema import TableSchema
from advcore.tasks import TASKS, Task
from advcore.threats import THREATS, ThreatModel
from advcore.training import (
    AUGMENTATIONS,
    SCHEDULES,
    TERMS,
    WATCHES,
    Augmentation,
    Schedule,
    Term,
    Watch,
)
from advcore.transforms import TRANSFORMS, Transform
from advcore.workers.adapters import ADAPTERS, EXPLAINERS
from advcore.workers.datasets.derived import DERIVED, Derived
from advcore.workers.datasets.tables import TABLES as NAMED_TABLES
from advcore.workers.datasets.tables import table_schema

__all__ = [
    "SEAMS",
    "Seams",
    "flatten",
    "load_yaml",
    "make_converter",
    "override",
    "read",
    "structure",
    "unstructure",
]

T = TypeVar("T")

SEAMS: Seams = {
    Attack: {**ATTACKS, **ADAPTERS},
    Probe: PROBES,
    Fit: FITS,
    Derived: DERIVED,
    Derivation: DERIVATIONS,
    FamilySpec: FAMILIES,
    ThreatModel: THREATS,
    Attribution: {**ATTRIBUTIONS, **EXPLAINERS},
    ExplanationGoal: EXPLANATION_GOALS,
    Law: LAWS,
    Task: TASKS,
    Term: TERMS,
    Schedule: SCHEDULES,
    Augmentation: AUGMENTATIONS,
    Watch: WATCHES,
    Transform: TRANSFORMS,
    PixelMask: PIXEL_MASKS,
    Alteration: ALTERATIONS,
    Wrapper: WRAPPERS,
    Claim: CLAIMS,
    TableKind: TABLES,
    FigureKind: FIGURES,
    Scheduler: SCHEDULERS,
    Searcher: SEARCHERS,
}


def structure(
    cls: type[T], data: Any, at: str = "study", converter: SeamConverter | None = None
) -> T:
    """Build the value of type `cls` (a dataclass, `tuple[int, ...]`, ...) that `data` describes.

    `at` is the root of the places in messages. Raises InputError, one line for all that is wrong.
    """
    return build_value(converter or _own(), cls, data, at)


def read(cls: type[T], name: str, folder: str, settings: Sequence[str] = ()) -> T:
    """Read the dataclass `cls` from a YAML file.

    `name` is a path, or the name of a file that comes with advcore in `folder`; `settings` are
    overrides, `dotted.name=value`.
    """
    return structure(cls, read_document(name, folder, settings), at=cls.__name__.lower())


def unstructure(value: Any, seam: Any = None, converter: SeamConverter | None = None) -> Any:
    """Return what `structure` takes, for MLflow, hashes and files.

    It holds texts, numbers, lists and mappings only.

    A seam's value bears its `kind`. Give `seam` for a value by itself whose class stands in none of
    the dicts.
    """
    own = converter or _own()
    return _plain(own.unstructure(value, unstructure_as=seam or own.seam_of(value)))


@cache
def _own() -> SeamConverter:
    converter = make_converter(SEAMS)
    converter.register_structure_hook(Learnt, _learnt)
    converter.register_unstructure_hook(Learnt, lambda fit: fit.name)
    _take_names_of_tables(converter)
    return converter


def _take_names_of_tables(converter: SeamConverter) -> None:
    """Let a file name the data set whose schema is meant, or write a schema out."""
    written = converter.get_structure_hook(TableSchema)
    plain = converter.get_unstructure_hook(TableSchema)

    def schema_of(data: Any, cls: Any) -> TableSchema:
        if not isinstance(data, str):
            return written(data, cls)
        if data not in NAMED_TABLES:
            raise ValueError(f"expected {', '.join(NAMED_TABLES)} or columns, got {data!r}")
        return table_schema(data)

    def name_or_columns(own: TableSchema) -> Any:
        known = own.name in NAMED_TABLES and own == table_schema(own.name)
        return own.name if known else plain(own)

    converter.register_structure_hook(TableSchema, schema_of)
    converter.register_unstructure_hook(TableSchema, name_or_columns)


def _learnt(data: Any, _: Any) -> Learnt:
    """Return the reference to a fit that a file names."""
    if not isinstance(data, str) or not data:
        raise ValueError(f"expected the name of a fit, got {describe_value(data)}")
    return Learnt(data)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
