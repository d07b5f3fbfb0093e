"""Tables over methods: the strength that matches a reference, and the range of a statistic."""

from dataclasses import replace

import pytest
import torch

from advcore.pipelines.claims import Among, Numbers
from advcore.pipelines.tables import Matched, Part, Spread

SCORES = {"pgd": 0.75, "weak": 1.0, "middle": 0.5, "strong": 0.25, "plain": 1.0}
"""Shares of four validation samples that are right; weak and middle are equally near."""
ROBUST = {"pgd": 0.5, "weak": 0.0, "middle": 0.25, "strong": 0.75, "plain": 0.0}


def rows(share: float) -> dict[str, torch.Tensor]:
    return {"sample": torch.arange(4), "held": (torch.arange(4) < 4 * share).double()}


def parts(*left_out: str) -> list[Part]:
    return [
        Part(probe, {"way": way, "seed": 0}, rows(share))
        for probe, shares in (("validation", SCORES), ("robust", ROBUST))
        for way, share in shares.items()
        if way not in left_out
    ]


MATCHED = Matched(
    axis="way",
    methods={"plain": ("plain",), "cure": ("weak", "middle", "strong"), "pgd": ("pgd",)},
    reference="pgd",
    score=Numbers("validation", column="held", statistic="mean"),
    numbers={
        "robust": Numbers("robust", column="held", statistic="mean"),
        "above": Numbers("robust", column="held", above=0.5, statistic="mean"),
    },
)


def test_each_method_has_the_first_of_its_nearest_strengths() -> None:
    table = MATCHED.rows(parts())
    assert table["method"] == ["plain", "cure", "pgd"]
    assert table["chosen"] == ["plain", "weak", "pgd"]
    numbers = {name: own.tolist() for name, own in table.items() if isinstance(own, torch.Tensor)}
    assert numbers == {
        "score": [1.0, 1.0, 0.75],
        "off": [0.25, 0.25, 0.0],
        "strengths": [1.0, 3.0, 1.0],
        "robust": [0.0, 0.0, 0.5],
        "above": [0.0, 0.0, 0.5],
    }


def test_members_that_are_missing_are_passed_over() -> None:
    table = MATCHED.rows(parts("plain", "weak"))
    assert table["method"] == ["cure", "pgd"]
    assert table["chosen"] == ["middle", "pgd"]
    with pytest.raises(LookupError, match="no rows of probe validation are there at way=pgd"):
        MATCHED.rows(parts("pgd"))
    alone = [own for own in parts() if own.probe == "validation"]
    with pytest.raises(LookupError, match="no rows of probe robust are there at way=plain"):
        MATCHED.rows(alone)


def test_two_members_of_one_label_and_a_reference_of_many_strengths_are_refused() -> None:
    with pytest.raises(LookupError, match="several members at way=pgd: choose one"):
        MATCHED.rows([*parts(), Part("robust", {"way": "pgd", "seed": 1}, rows(0.5))])
    with pytest.raises(ValueError, match="reference must be a method of one strength"):
        Matched("way", MATCHED.methods, "cure", MATCHED.score, {})


def test_the_range_is_that_of_the_members_of_its_probe() -> None:
    number = Numbers("robust", column="held", statistic="mean")
    table = Spread(number).rows(parts("pgd"))
    assert {name: own.item() for name, own in table.items()} == {
        "range": 0.75,
        "largest": 0.75,
        "smallest": 0.0,
        "members": 4,
    }
    with pytest.raises(LookupError, match="no rows of probe margins are there; name it in of"):
        Spread(Numbers("margins", column="held")).rows(parts())


def test_samples_that_another_probe_chooses_are_refused() -> None:
    beside = replace(MATCHED.score, among=Among("robust", "held", at_least=1))
    for refused in (lambda: Spread(beside), lambda: replace(MATCHED, score=beside)):
        with pytest.raises(ValueError, match="among names the probe 'robust': the statistic"):
            refused()
    own = replace(MATCHED.score, among=Among("validation", "held", at_least=1))
    assert Spread(own).rows(parts())["largest"].item() == 1
