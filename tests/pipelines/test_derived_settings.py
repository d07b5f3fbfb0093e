"""Derived data sets as a study writes them: the settings there and back."""

import pytest

from advcore.attacks import PGD
from advcore.derived import AdversarialExamples, Derivation, Projected, PseudoLabelled
from advcore.learnt import Learnt, learnt_in
from advcore.pipelines.settings import schema
from advcore.transforms import LowPass
from advcore.workers.datasets.derived import (
    DERIVED,
    Derived,
    Half,
    Noised,
    Relabelled,
    Subset,
    Transformed,
    Union,
)
from advcore.workers.errors import InputError


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("subset", {"of": "train", "samples": 9, "skip": 3}, Subset("train", 9, 3)),
        ("subset", {"of": "train", "classes": [0, 2]}, Subset("train", classes=(0, 2))),
        ("half", {"of": "pool", "out_of": 16, "number": 3}, Half("pool", 16, 3)),
        ("union", {"of": ["a", "b"]}, Union(("a", "b"))),
        ("relabelled", {"of": "train", "targets": "next"}, Relabelled("train", "next")),
        (
            "noised",
            {"of": "train", "norm": "l2", "size": 1.5, "targets": "random", "labels": "target"},
            Noised("train", 1.5, "l2", "random", "target"),
        ),
        (
            "transformed",
            {"of": "test", "transform": {"kind": "low_pass", "band": 3}},
            Transformed("test", LowPass(3)),
        ),
        (
            "adversarial",
            {
                "attack": {"kind": "pgd", "norm": "l2", "eps": 1.5, "steps": 60},
                "targets": "random",
                "labels": "target",
            },
            AdversarialExamples(PGD(1.5, "l2", 60), "random", "target"),
        ),
        ("projected", {"fit": "normals"}, Projected(Learnt("normals"))),
        (
            "projected",
            {"fit": "normals", "mean": "stats", "directions": 5, "keep": "complement"},
            Projected(Learnt("normals"), "complement", 5, mean=Learnt("stats")),
        ),
        ("pseudo_labelled", {}, PseudoLabelled()),
    ],
)
def test_settings_there_and_back(kind, written, value):
    seam = Derived if kind in DERIVED else Derivation
    built = schema.structure(seam, {"kind": kind, **written})
    assert built == value
    again = schema.unstructure(built)
    assert again["kind"] == kind
    assert schema.structure(seam, again) == value


def test_the_fits_of_a_projection_are_found():
    value = Projected(Learnt("normals"), mean=Learnt("stats"))
    assert [one.name for one in learnt_in(value)] == ["normals", "stats"]


def test_settings_that_are_none():
    with pytest.raises(InputError, match="labels: target needs targets"):
        schema.structure(
            AdversarialExamples, {"attack": {"kind": "pgd", "eps": 1}, "labels": "target"}
        )
