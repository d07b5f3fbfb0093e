from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from advcore.learnt import Learnt, learnt_in, with_learnt


@dataclass(frozen=True)
class Inner:
    fit: Learnt
    size: int = 3


@dataclass(frozen=True)
class Outer:
    parts: tuple[Any, ...]
    named: dict[str, Any]
    other: str = "x"


SETTINGS = Outer((Inner(Learnt("a")), 4, [Learnt("b")]), {"key": Inner(Learnt("c"), 5), "n": None})


def test_references_are_found_and_changed_at_any_depth():
    assert [own.name for own in learnt_in(SETTINGS)] == ["a", "b", "c"]
    keyed = with_learnt(SETTINGS, lambda own: replace(own, key=own.name * 2))
    assert [own.key for own in learnt_in(keyed)] == ["aa", "bb", "cc"]
    assert keyed.named["key"].size == 5
    assert keyed.other == "x"
    assert [own.key for own in learnt_in(SETTINGS)] == ["", "", ""]


def test_settings_without_references_come_back_as_they_are():
    plain = Outer((1, "a"), {"x": [1.0]})
    assert with_learnt(plain, lambda own: replace(own, key="k")) is plain


def test_tensors_by_name():
    with pytest.raises(ValueError, match="the fit a has no 'v'; it has nothing yet"):
        Learnt("a")["v"]
    own = Learnt("a", "k", {"v": torch.ones(2)})
    assert own["v"].tolist() == [1, 1]
    assert own == Learnt("a", "k")
    with pytest.raises(ValueError, match="has no 'w'; it has v"):
        own["w"]
