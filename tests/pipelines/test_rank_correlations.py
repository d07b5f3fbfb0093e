"""Rank correlations across networks: scipy's, a partial one by residuals of ranks, intervals."""

import numpy as np
import pytest
import torch
from scipy import stats

from advcore.pipelines.claims import Numbers, ranks
from advcore.pipelines.claims.with_interval import WithInterval
from advcore.pipelines.tables import Part, RankCorrelations

NETS = "abcdefgh"
RANDOM = np.random.default_rng(3)
CLEAN = RANDOM.standard_normal(8)
MARGINS = CLEAN + RANDOM.standard_normal(8)
BROKEN = {"fog": RANDOM.standard_normal(8) - MARGINS, "noise": np.arange(8.0) // 2}
TABLE = RankCorrelations(
    number=Numbers("bound", column="broken", where={"attack": "pgd"}, statistic="mean"),
    other=Numbers("margins", column="distance"),
    given=Numbers("clean", column="correct", statistic="mean"),
    axis="net",
    each="change",
)


def part(probe: str, net: str, column: str, value: float, **at: str) -> Part:
    rows = {"sample": torch.arange(3), column: torch.full((3,), value, dtype=torch.float64)}
    return Part(probe, {"net": net, **at}, {**rows, "attack": ["pgd"] * 3})


def parts() -> list[Part]:
    return [
        *(part("margins", net, "distance", MARGINS[i]) for i, net in enumerate(NETS)),
        *(part("clean", net, "correct", CLEAN[i]) for i, net in enumerate(NETS)),
        *(
            part("bound", net, "broken", own[i], change=change)
            for change, own in BROKEN.items()
            for i, net in enumerate(NETS)
        ),
    ]


def test_they_are_scipys_and_the_partial_one_is_that_of_residuals() -> None:
    rows = TABLE.rows(parts())
    assert rows["change"] == list(BROKEN)
    clean, margins = stats.rankdata(CLEAN), stats.rankdata(MARGINS)
    for place, own in enumerate(BROKEN.values()):
        assert rows["spearman"][place] == pytest.approx(stats.spearmanr(own, MARGINS).statistic)
        assert rows["kendall"][place] == pytest.approx(stats.kendalltau(own, MARGINS).statistic)
        left = [
            y - np.polyval(np.polyfit(clean, y, 1), clean) for y in (stats.rankdata(own), margins)
        ]
        assert rows["partial"][place] == pytest.approx(np.corrcoef(*left)[0, 1])
        for name in ("spearman", "kendall", "partial"):
            low, high = (rows[f"{name}_{end}"][place] for end in ("low", "high"))
            assert -1 <= low < rows[name][place] < high <= 1
    assert rows["networks"].tolist() == [8, 8]


@pytest.mark.slow
def test_kendalls_interval_holds_that_of_normal_variables() -> None:
    """Of eight networks with a correlation of .6, whose tau is 2 arcsin(.6) / pi."""
    random, truth = np.random.default_rng(0), 2 / np.pi * np.arcsin(0.6)
    drawn = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], (200, 8))
    held = 0
    for own in drawn:
        found = ranks.kendall_over_networks(stats.kendalltau(*own.T).statistic, 8)
        held += found.low <= truth <= found.high
    assert held >= 180
    perfect = ranks.kendall_over_networks(1.0, 6)
    assert perfect.high == 1
    assert 0.3 < perfect.low < 0.7
    assert ranks.kendall_over_networks(0.5, 2)[1:] == (-1, 1)


def test_what_is_equal_or_settled_has_no_order() -> None:
    held = [
        part(own.probe, own.at["net"], "distance", 1.0) if own.probe == "margins" else own
        for own in parts()
    ]
    rows = TABLE.rows(held)
    assert rows["spearman"].tolist() == rows["kendall"].tolist() == [0, 0]
    settled = [part("margins", net, "distance", CLEAN[i]) for i, net in enumerate(NETS)] + [
        own for own in parts() if own.probe != "margins"
    ]
    assert TABLE.rows(settled)["partial"].isnan().all()


def test_what_has_no_rank_is_refused() -> None:
    whole = parts()
    with pytest.raises(LookupError, match="other has no number at net=h"):
        TABLE.rows([own for own in whole if own.probe == "bound" or own.at["net"] != "h"])
    with pytest.raises(LookupError, match="needs three networks; got 2"):
        TABLE.rows([own for own in whole if own.at["net"] in "ab"])
    with pytest.raises(LookupError, match="probe margins has several members at net=a"):
        TABLE.rows([*whole, whole[0]])
    with pytest.raises(LookupError, match="no rows of probe bound along change are there"):
        TABLE.rows([own for own in whole if own.probe != "bound"])
    with pytest.raises(LookupError, match="NaN, which has no rank"):
        TABLE.rows([part("margins", "a", "distance", np.nan), *whole[1:]])


def test_an_interval_over_seeds_is_cut_where_it_is_asked_for() -> None:
    rows = {"seed": torch.arange(2), "partial": torch.tensor([0.9, 0.5])}
    rows |= {"partial_low": rows["partial"] - 0.3, "partial_high": torch.ones(2)}
    numbers = Numbers(table="ranks", column="partial")
    assert WithInterval("x", numbers).measure({"ranks": {"": rows}}).high > 1
    cut = WithInterval("x", numbers, within=(-1.0, 1.0)).measure({"ranks": {"": rows}})
    assert (cut.low, cut.high) == (-1, 1)
