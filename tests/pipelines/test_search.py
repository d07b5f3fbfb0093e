"""Spaces: what a domain draws, which points are tried, what follows from others."""

import math
from typing import Any

import pytest

from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.space import Domain, check_space, complete, label, points, short_names
from advcore.workers.errors import InputError


def space_of(**domains: dict[str, Any]) -> dict[str, Domain]:
    return {
        name.replace("__", "."): schema.structure(Domain, domain)
        for name, domain in domains.items()
    }


def test_grids_make_their_product_once() -> None:
    space = space_of(a__eps={"grid": ["8/255", 0.5]}, b__weight={"grid": [0, 1, 2]})
    found = points(space, 1, 0)
    assert len(found) == 6
    assert found[1] == {"a.eps": 8 / 255, "b.weight": 1}
    assert short_names(space) == {"a.eps": "eps", "b.weight": "weight"}
    assert label(space, found[1]) == "eps=0.03137 weight=1"


def test_draws_stay_when_there_are_more_of_them_or_of_settings() -> None:
    space = space_of(
        a={"loguniform": [1e-3, 1]},
        b={"randint": [2, 5]},
        c={"quniform": [0, 1, 0.25]},
        d={"uniform": [3, 4]},
    )
    few, many = points(space, 5, 1), points(space, 50, 1)
    assert many[:5] == few
    fewer = {name: space[name] for name in "ab"}
    assert points(fewer, 5, 1) == [{name: point[name] for name in "ab"} for point in few]
    assert points(space, 5, 2) != few
    assert all(1e-3 <= point["a"] <= 1 and 3 <= point["d"] <= 4 for point in many)
    assert {point["b"] for point in many} == {2, 3, 4}
    assert {point["c"] for point in many} == {0, 0.25, 0.5, 0.75, 1}
    middle = sorted(math.log10(point["a"]) for point in many)[25]
    assert -2 < middle < -1  # the logarithm is uniform


def test_a_point_that_is_drawn_twice_is_tried_once() -> None:
    assert len(points(space_of(a={"choice": ["x", "y"]}), 40, 0)) == 2


def test_settings_follow_from_others() -> None:
    space = space_of(
        eps={"grid": [0.5]}, test={"same_as": "eps"}, weight={"product": [2, "eps", "eps"]}
    )
    assert complete(space, points(space, 1, 0)[0]) == {"eps": 0.5, "test": 0.5, "weight": 0.5}


def test_cases_set_several_settings_at_once() -> None:
    cases = {"single": {"a.steps": 1, "b.weight": 0}, "many": {"a.steps": 7, "b.weight": 0.5}}
    space = space_of(eps={"grid": [0.1, 0.2]}, method={"cases": cases})
    check_space(space)
    found = points(space, 1, 0)
    assert [label(space, point) for point in found] == [
        "eps=0.1 method=single",
        "eps=0.1 method=many",
        "eps=0.2 method=single",
        "eps=0.2 method=many",
    ]
    assert complete(space, found[1]) == {"eps": 0.1, "a.steps": 7, "b.weight": 0.5}


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({}, "expected exactly one of grid, cases, choice, .*; got none"),
        ({"grid": [1], "choice": [1]}, "got grid and choice"),
        ({"grid": []}, "grid must hold at least one value"),
        ({"cases": {}}, "cases must hold at least one value"),
        (
            {"cases": {"a": {"x": 1}, "b": {}}},
            "all cases must set the same settings, .*; got a: x; b: nothing",
        ),
        ({"uniform": [2, 1]}, r"uniform goes from a lower to a higher number; got \[2.0, 1.0\]"),
        ({"loguniform": [0, 1]}, "loguniform is of positive numbers"),
        ({"quniform": [0, 1, 0]}, "the step of quniform must be positive; got 0"),
        ({"normal": [0, 1]}, "unknown key 'normal'"),
    ],
)
def test_domains_that_are_refused(domain: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        schema.structure(Domain, domain)


def test_spaces_that_are_refused() -> None:
    with pytest.raises(ValueError, match="a sweep needs a setting with values of its own"):
        check_space({})
    with pytest.raises(
        ValueError, match="b follows from 'c', which has no values of its own; those that have: a"
    ):
        check_space(space_of(a={"grid": [1]}, b={"same_as": "c"}))
    with pytest.raises(ValueError, match="a space of grids alone is tried once"):
        points(space_of(a={"grid": [1]}), 2, 0)
    with pytest.raises(ValueError, match="b is a product of numbers; a is 'x': use same_as"):
        complete(space_of(a={"grid": ["x"]}, b={"product": [2, "a"]}), {"a": "x"})
    with pytest.raises(
        ValueError, match=r"a\.eps is set by cases and has values in another place of the space too"
    ):
        check_space(space_of(a__eps={"grid": [1]}, method={"cases": {"one": {"a.eps": 2}}}))


def test_points_without_end_are_refused_before_they_are_made() -> None:
    draw, grid = Domain(uniform=(0.0, 1.0)), Domain(grid=tuple(range(101)))
    with pytest.raises(
        ValueError,
        match="at most 10000 points; these are 1000000000: draw settings, or shorten the grids",
    ):
        points({"a": draw}, 10**9, 0)
    with pytest.raises(ValueError, match="at most 10000 points; these are 1030301"):
        points({"a": grid, "b": grid, "c": grid}, 1, 0)
