"""Tables of groups of samples: statistics with permutation tests, fairness, what changes."""

import numpy as np
import pytest
import torch
from fairlearn import metrics
from scipy.stats import permutation_test

from advcore.pipelines.claims import Numbers
from advcore.pipelines.claims.permutation import Permutation
from advcore.pipelines.tables import Changed, Disparity, Groups, Part

RANDOM = np.random.default_rng(0)
COUNT = 90
GROUP = np.array(["a", "b", "c"])[RANDOM.integers(0, 3, COUNT)]
LABEL = RANDOM.integers(0, 2, COUNT)
PREDICTION = RANDOM.integers(0, 2, COUNT)
DISTANCE = RANDOM.gamma(2, size=COUNT) + (GROUP == "a")


def part(distance=DISTANCE, seed=None, **more):
    rows = {
        "sample": torch.arange(len(distance)),
        "distance": torch.from_numpy(distance),
        "label": torch.from_numpy(LABEL),
        "prediction": torch.from_numpy(PREDICTION),
        "group": GROUP.tolist(),
    }
    return Part("margins", {} if seed is None else {"seed": seed}, {**rows, **more})


def margins(statistic="median", **more):
    return Numbers(probe="margins", column="distance", statistic=statistic, **more)


def test_effects_are_those_of_one_group_and_all_others_and_p_scipys():
    table = Groups(margins("mean"), "group").rows([part()])
    assert table["group"] == ["a", "b", "c"]
    for place, name in enumerate("abc"):
        own, others = DISTANCE[name == GROUP], DISTANCE[name != GROUP]
        row = {key: float(values[place]) for key, values in table.items() if key != "group"}
        assert row["samples"] == len(own)
        assert row["value"] == pytest.approx(own.mean())
        assert row["difference"] == pytest.approx(own.mean() - others.mean())
        assert row["ratio"] == pytest.approx(own.mean() / others.mean())
        for effect in ("value", "difference", "ratio"):
            assert row[f"{effect}_low"] < row[effect] < row[f"{effect}_high"]
        found = permutation_test(
            (own, others), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True
        )
        assert row["difference_p"] == pytest.approx(found.pvalue, abs=0.04)
    assert table["difference_p"][0] < 0.01


def test_labels_stay_with_their_samples_where_seeds_lack_others():
    there = np.ones((2, COUNT), dtype=bool)
    there[0, [0, 7]] = there[1, 20] = False
    parts = []
    for seed, own in enumerate(there):
        rows = dict(part(seed=seed).rows)
        kept = {
            name: [one for one, held in zip(column, own, strict=True) if held]
            if isinstance(column, list)
            else column[torch.from_numpy(own)]
            for name, column in rows.items()
        }
        parts.append(Part("margins", {"seed": seed}, kept))
    table = Groups(margins("mean"), "group").rows(parts)
    common = there.all(0)
    for place, name in enumerate("abc"):
        expected = DISTANCE[common & (name == GROUP)].mean()
        assert float(table["value"][place]) == pytest.approx(expected)


def test_seeds_are_averaged_and_widen_the_interval():
    seeds = [part(DISTANCE * factor, seed) for seed, factor in enumerate((1.0, 2.0, 3.0))]
    table = Groups(margins("mean"), "group", groups=("a", "b"))
    one, three = (table.rows(parts) for parts in ([part()], seeds))
    torch.testing.assert_close(three["difference"], 2 * one["difference"])
    width = [own["difference_high"] - own["difference_low"] for own in (one, three)]
    assert (width[1] > 2 * width[0]).all()


def test_equal_robustness_is_the_share_beyond_tau():
    (chart,) = Groups(margins(), "group", groups=("a", "b")).charts([part()])
    for series, name in zip(chart.series, "ab", strict=True):
        own = DISTANCE[name == GROUP]
        shares = [100 * np.mean(own > tau) for tau in series.x.numpy()]
        torch.testing.assert_close(series.y, torch.tensor(shares, dtype=torch.float64))
        assert (series.low <= series.y).all()
        assert (series.y <= series.high).all()
    assert Groups(margins(above=1.0), "group").charts([part()]) == []


def test_a_column_of_numbers_names_groups_too_and_a_ratio_of_negative_numbers_is_none():
    table = Groups(margins("mean"), "label").rows([part(DISTANCE - 10)])
    assert table["group"] == ["0", "1"]
    assert table["ratio"].isnan().all()
    torch.testing.assert_close(table["difference"][0], -table["difference"][1])


def test_groups_that_cannot_be_compared_are_refused():
    with pytest.raises(LookupError, match=r"group names 1 group \(a\): two at least"):
        Groups(margins(), "group").rows([part(group=["a"] * COUNT)])
    with pytest.raises(LookupError, match="at least 2 samples"):
        Groups(margins(), "group").rows([part(group=["b"] + ["a"] * (COUNT - 1))])
    with pytest.raises(LookupError, match="has no column 'town'"):
        Groups(margins(), "town").rows([part()])
    with pytest.raises(LookupError, match="no rows of probe other are there"):
        Groups(Numbers(probe="other", column="distance"), "group").rows([part()])


def test_disparities_are_fairlearns():
    table = Disparity("group").rows([part()])
    for name, peer in {
        "demographic_parity_difference": metrics.demographic_parity_difference,
        "demographic_parity_ratio": metrics.demographic_parity_ratio,
        "equalised_odds_difference": metrics.equalized_odds_difference,
        "equalised_odds_ratio": metrics.equalized_odds_ratio,
    }.items():
        (value,) = table[name].tolist()
        assert value == pytest.approx(peer(LABEL, PREDICTION, sensitive_features=GROUP))
        assert table[f"{name}_low"] <= value <= table[f"{name}_high"]


def test_an_interval_of_a_disparity_is_the_bootstraps():
    rows = []
    for _ in range(400):
        drawn = RANDOM.integers(0, COUNT, COUNT)
        rates = [PREDICTION[drawn][GROUP[drawn] == name].mean() for name in "ab"]
        rows.append(abs(rates[0] - rates[1]))
    table = Disparity("group", groups=("a", "b")).rows([part()])
    low, high = np.quantile(rows, (0.025, 0.975))
    assert table["demographic_parity_difference_low"].item() == pytest.approx(low, abs=0.03)
    assert table["demographic_parity_difference_high"].item() == pytest.approx(high, abs=0.06)


def test_groups_without_a_class_and_seeds_twice_are_refused():
    with pytest.raises(LookupError, match="each with samples of class 1 and others"):
        Disparity("group").rows([part(label=torch.ones(COUNT, dtype=torch.int64))])
    with pytest.raises(LookupError, match="two groups of group at least"):
        Disparity("group", groups=("a",)).rows([part()])
    with pytest.raises(LookupError, match="one member a seed"):
        Disparity("group").rows([part(), part()])


@pytest.mark.parametrize(
    "table",
    [
        lambda groups: Groups(margins(), "group", groups),
        lambda groups: Disparity("group", groups=groups),
    ],
    ids=["groups", "disparity"],
)
def test_a_group_that_is_named_twice_is_refused(table):
    with pytest.raises(ValueError, match="groups must be different ones; got a, b, a: name a once"):
        table(("a", "b", "a"))
    table(("a", "b"))


def test_changed_is_whether_rows_that_belong_together_differ():
    pair = torch.tensor([3.0, 3, 7, 7, float("nan")])
    prediction, sample = torch.tensor([0, 1, 1, 1, 0]), torch.arange(5)
    score = torch.tensor([0.2, 0.7, 0.9, 0.8, 0.1])
    rows = {"sample": sample, "pair": pair, "prediction": prediction, "score": score}
    words = Part("accuracy", {}, rows)
    table = Changed(by="pair").rows([words])
    assert table["sample"].tolist() == [3, 7]
    assert table["changed"].tolist() == [1, 0]
    assert Changed("score", "pair").rows([words])["range"].tolist() == pytest.approx([0.5, 0.1])
    before, after = (
        Part("accuracy", {"data": name}, {"sample": torch.arange(3), "prediction": said})
        for name, said in [("one", torch.tensor([0, 1, 0])), ("two", torch.tensor([1, 1, 0]))]
    )
    assert Changed().rows([before, after])["changed"].tolist() == [1, 0, 0]
    with pytest.raises(LookupError, match=r"two at least; \[0, 1, 2\] have one"):
        Changed().rows([before])


def test_numbers_that_cannot_be_compared_within_are_refused_by_changed():
    def table(pair, score):
        rows = {"sample": torch.arange(2), "pair": torch.tensor(pair), "score": torch.tensor(score)}
        return Changed("score", "pair").rows([Part("accuracy", {}, rows)])

    with pytest.raises(LookupError, match="1 of 2 numbers score are NaN or inf"):
        table([1, 1], [0.5, np.nan])
    with pytest.raises(LookupError, match=r"pair must be whole numbers: 1.2 is none"):
        table([1.2, 1.2], [0.5, 0.5])


def test_a_seed_without_positive_predictions_loses_its_ratios_alone():
    none = part(seed=1, prediction=torch.zeros(COUNT, dtype=torch.int64))
    table = Disparity("group").rows([part(seed=0), none])
    alone = Disparity("group").rows([part()])
    for name in ("demographic_parity", "equalised_odds"):
        assert table[f"{name}_ratio"].isnan().all()
        assert table[f"{name}_ratio_high"].isnan().all()
        torch.testing.assert_close(2 * table[f"{name}_difference"], alone[f"{name}_difference"])
        assert table[f"{name}_difference_low"].item() >= 0
        assert table[f"{name}_difference_high"].item() <= 1


def test_draws_without_a_rate_do_not_make_an_interval_infinite():
    """Of two positives in a group some draws hold none."""
    few = np.where((GROUP == "a") & (np.cumsum(GROUP == "a") > 2), 0, 1)
    table = Disparity("group", groups=("a", "b")).rows([part(label=torch.from_numpy(few * LABEL))])
    for values in table.values():
        assert values.isfinite().all()


def test_seeds_with_other_groups_are_not_averaged():
    fewer = np.where(GROUP == "c", "b", GROUP).tolist()
    with pytest.raises(LookupError, match="different groups of group, give groups: a, b, c; a, b"):
        Disparity("group").rows([part(seed=0), part(seed=1, group=fewer)])


def test_a_group_beside_zeros_has_no_ratio_and_keeps_its_difference():
    wrong = np.where(GROUP == "a", LABEL, 0).astype(float)
    table = Groups(margins("mean"), "group").rows([part(wrong, seed) for seed in (0, 1)])
    assert table["ratio"].isnan().tolist() == [True, False, False]
    assert table["ratio_p"].isnan().tolist() == [True, False, False]
    assert table["difference"][0] == table["value"][0] > 0
    assert table["difference_p"].isfinite().all()
    zeros = Groups(margins("mean"), "group").rows([part(0 * DISTANCE)])
    assert zeros["ratio"].isnan().all()
    assert zeros["difference"].tolist() == [0, 0, 0]


def test_a_median_that_was_not_found_in_two_seeds_is_no_number():
    far = np.where(GROUP == "a", np.inf, DISTANCE)
    table = Groups(margins(), "group").rows([part(far, seed) for seed in (0, 1)])
    assert table["value"].isnan().tolist() == [True, False, False]
    assert table["difference"].isnan().tolist() == [True, False, False]


def test_shares_stay_shares_over_seeds():
    seeds = [part(np.where(GROUP == "a", own, 1.0 - own), own) for own in (0, 1)]
    table = Groups(margins("mean"), "group", groups=("a", "b")).rows(seeds)
    assert table["value_low"].tolist() == table["value_low"].clamp(0, 1).tolist()
    assert table["value_high"].tolist() == [1, 1]
    assert table["difference_high"].tolist() == [1, 1]
    assert table["difference_low"].tolist() == [-1, -1]


def test_a_column_of_switches_and_one_with_nan_name_groups():
    switches = Groups(margins("mean"), "flag").rows([part(flag=torch.from_numpy(GROUP == "a"))])
    assert switches["group"] == ["False", "True"]
    own = DISTANCE[GROUP == "a"]
    assert switches["value"][1].item() == pytest.approx(own.mean())
    numbers = torch.from_numpy(np.select([GROUP == "a", GROUP == "b"], [0.5, 2.0], np.nan))
    table = Groups(margins("mean"), "number").rows(
        [part(seed=own, number=numbers) for own in (0, 1)]
    )
    assert table["group"] == ["0.5", "2.0"]
    assert table["samples"].tolist() == [np.sum(name == GROUP) for name in "ab"]


def test_groups_of_a_claim_are_two_and_apart():
    with pytest.raises(ValueError, match="groups must be two different labels"):
        Permutation("", margins(), "group", groups=["a", "a"])
    tables = {"margins": {"": {name: np.asarray(own) for name, own in part().rows.items()}}}
    with pytest.raises(LookupError, match="groups share samples"):
        Permutation("", margins(), "group", groups=["a", ["a", "b"]]).measure(tables)
