"""Fits are found by the names of fields: those of each class that comes with advcore are known."""

from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from advcore.derived import Derivation
from advcore.fits import Fit
from advcore.learnt import Learnt
from advcore.networks.wrappers import Wrapper
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.notation.references import find_references
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.probes import Probe
from advcore.probes.confidence import Confidence
from advcore.subspaces import FamilySpec
from advcore.training import Term
from advcore.workers.datasets.derived import Derived
from advcore.workers.errors import InputError

SECTIONS: dict[Any, str] = {
    Probe: "probes",
    Fit: "fits",
    Derived: "data_sets",
    Derivation: "data_sets",
}
"""The seams of which an entry is; what is of another one stands inside of an entry."""
OF_MODELS: tuple[Any, ...] = (Wrapper, Term)


def paths_of_fits(cls: type) -> Iterator[tuple[str, ...]]:
    """The paths to the fields of a class and of its parts that hold a fit."""
    for name, hint in get_type_hints(cls).items():
        yield from ((name, *path) for path in _in_type(hint))


def _in_type(hint: Any) -> Iterator[tuple[str, ...]]:
    if hint is Learnt:
        yield ()
    elif isinstance(hint, type) and is_dataclass(hint):
        yield from paths_of_fits(hint)
    for part in get_args(hint):
        yield from _in_type(part)


def held() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each section with each path that leads to a fit inside one of its entries."""
    for seam, kinds in schema.SEAMS.items():
        for cls in kinds.values():
            for path in paths_of_fits(cls):
                if seam in SECTIONS:
                    yield SECTIONS[seam], path
                elif seam in OF_MODELS:
                    yield "models", ("part", *path)
                else:
                    yield from ((section, ("part", *path)) for section in ("data_sets", "probes"))


HELD = sorted(set(held()))


def test_there_are_some_at_the_top_and_inside() -> None:
    assert {("probes", ("fit",)), ("probes", ("part", "fit")), ("data_sets", ("mean",))} <= {*HELD}
    assert list(paths_of_fits(Confidence)) == [("fit",)]


@pytest.mark.parametrize(("section", "path"), HELD)
def test_the_notation_finds_each(section: str, path: tuple[str, ...]) -> None:
    entry: Any = "learnt"
    for name in reversed(path):
        entry = {name: entry}
    (found,) = find_references(section, entry, section)
    assert found.path == path
    assert "fits" in found.sections
    assert found.choices[0].name == "learnt"


@dataclass(frozen=True)
class Another(Confidence):
    """A probe of one's own, a field of which holds a fit."""

    cooled: Learnt | None = None


def test_a_fit_in_another_field_is_refused_in_plain_words(tmp_path: Path) -> None:
    study = schema.structure(
        GraphStudy,
        {
            "name": "own",
            "data_sets": {"test": {"name": "digits", "samples": 20}},
            "models": {"net": {"architecture": "perceptron", "arguments": {"side": 8, "width": 4}}},
            "fits": {"cold": {"kind": "temperature", "model": "net", "data": "test"}},
            "probes": {"sure": {"kind": f"{__name__}:Another", "cooled": "cold"}},
            "run": {"out": str(tmp_path), "track": False, "threads": 1},
        },
    )
    with pytest.raises(
        InputError,
        match=r"probes.sure: the fit 'cold' stands in a field in which none is looked for; "
        r"the fields of probes that name fits: fit, vectors, subspace, originals",
    ):
        graph_layout(study, Loader())


def test_a_subspaces_fit_is_found_inside_of_a_probe() -> None:
    assert any(list(paths_of_fits(cls)) for cls in schema.SEAMS[FamilySpec].values())
