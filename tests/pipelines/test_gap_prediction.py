"""The prediction of gaps: regression, scores, intervals, against hand-made and peers' numbers."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from advcore.pipelines.claims.results import evaluate_claim
from advcore.pipelines.claims.with_interval import WithInterval
from advcore.pipelines.settings import schema
from advcore.pipelines.tables import GapPrediction, Part, TableKind
from advcore.pipelines.tables.conditional_information import conditional_score
from advcore.pipelines.tables.cross_validation import (
    drawn_networks,
    explained,
    held_out_differences,
    held_out_predictions,
    kendall,
    random_folds,
)
from advcore.pipelines.tables.networks import (
    Feature,
    MeasuredNetworks,
    Predictor,
    measured_networks,
)

RANDOM = np.random.default_rng(0)
ONCE = np.ones((1, 40))


def differing(measures):
    """Differences of measures, first less second."""
    return measures[..., :, None] - measures[..., None, :]


def test_held_out_predictions_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.linear_model")
    features, values = RANDOM.normal(size=(40, 3)) * (1, 10, 0.1), RANDOM.normal(size=40)
    folds = random_folds(40, 10, 1)[0]
    found = held_out_predictions(features, values, ONCE, folds, 2.0)[0]
    for fold in range(10):
        train, own = folds != fold, folds == fold
        mean, spread = features[train].mean(0), features[train].std(0)
        model = sklearn.Ridge(alpha=2.0).fit((features[train] - mean) / spread, values[train])
        expected = model.predict((features[own] - mean) / spread)
        np.testing.assert_allclose(found[own], expected, rtol=1e-9)


def test_a_draw_is_a_regression_on_copies_and_none_predicts_itself():
    features, values = RANDOM.normal(size=(12, 2)), RANDOM.normal(size=12)
    weights, folds = drawn_networks(12, 3), random_folds(12, 4, 1)[0]
    assert (weights.sum(1) == 12).all()
    found = held_out_predictions(features, values, weights, folds, 1.0)
    for draw, own in enumerate(weights.astype(int)):
        copies = np.repeat(np.arange(12), own)
        one = np.ones((1, len(copies)))
        again = held_out_predictions(features[copies], values[copies], one, folds[copies], 1.0)[0]
        np.testing.assert_allclose(again, found[draw, copies], rtol=1e-9)
    moved = values.copy()
    moved[3] += 100  # what is predicted of a network does not hang on its own gap
    others = held_out_predictions(features, moved, weights, folds, 1.0)
    np.testing.assert_allclose(others[:, folds == folds[3]], found[:, folds == folds[3]])


def test_a_feature_that_is_the_gap_explains_it_and_one_that_never_varies_nothing():
    gaps = np.linspace(0, 1, 40)
    folds = random_folds(40, 10, 1)[0]
    for feature, expected in ((gaps, 1.0), (np.ones(40), -0.05)):
        predicted = held_out_predictions(feature[:, None], gaps, ONCE, folds, 1e-6)
        assert explained(predicted, gaps, ONCE)[0] == pytest.approx(expected, abs=0.06)


def test_tau_is_scipys_also_with_ties_and_copies():
    measures, gaps = (
        RANDOM.integers(0, 5, 20).astype(float),
        RANDOM.integers(0, 6, 20).astype(float),
    )
    weights = drawn_networks(20, 4)
    found = kendall(np.broadcast_to(differing(measures), (4, 20, 20)), gaps, weights)
    for own, tau in zip(weights.astype(int), found, strict=True):
        copies = np.repeat(np.arange(20), own)
        assert tau == pytest.approx(kendalltau(measures[copies], gaps[copies]).statistic)


def by_counting(measures, gaps, settings):
    """The score of the competition, pair by pair as it is defined."""
    scores = []
    for first in range(settings.shape[1]):
        for second in range(first):
            cells = {}
            for i, j in product(range(len(gaps)), repeat=2):
                cell = tuple(settings[[i, i, j, j], [first, second] * 2])
                signs = (measures[i] > measures[j], gaps[i] > gaps[j])
                cells.setdefault(cell, []).append(signs)
            information, entropy = [], []
            for pairs in cells.values():
                share = {own: pairs.count(own) / len(pairs) for own in product((0, 1), repeat=2)}
                told = [share[v, 0] + share[v, 1] for v in (0, 1)]
                true = [share[0, v] + share[1, v] for v in (0, 1)]
                information.append(
                    sum(p * math.log(p / told[a] / true[b]) for (a, b), p in share.items() if p)
                )
                entropy.append(-sum(p * math.log(p) for p in true if p))
            scores.append(np.mean(information) / np.mean(entropy))
    return 100 * min(scores)


def test_the_score_by_hand():
    """Two networks that differ in one setting: four cells, two of self-pairs without any order.

    In the cell (a, b) the gap is larger for sure, in (b, a) for sure not: no entropy anywhere, and
    no score. With two networks a cell, a cell has 4 pairs, of which self-pairs and ties say no.
    """
    alone = np.array([[0], [1]])
    one = np.ones((1, 2))
    assert np.isnan(
        conditional_score(differing(np.array([[0.0, 1]])), np.array([0.0, 1]), alone, one)
    )
    # Gaps 0, 1 | 2, 3: in both cells of equal settings one pair of 4 is larger, entropy h(1/4); in
    # the others none or all. A measure of the same order tells all of it, a constant nothing.
    settings = np.array([[0], [0], [1], [1]])
    gaps, four = np.array([0.0, 1, 2, 3]), np.ones((1, 4))
    assert conditional_score(differing(gaps[None]), gaps, settings, four)[0] == pytest.approx(100)
    assert conditional_score(differing(0 * gaps[None]), gaps, settings, four)[0] == pytest.approx(0)
    # The other way round in one cell: there 1 of 4 pairs is larger, but another one.
    measures = np.array([[1.0, 0, 2, 3]])
    h = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    apart = 0.5 * math.log(0.5 / (0.75 * 0.75)) + 2 * 0.25 * math.log(0.25 / (0.25 * 0.75))
    expected = 100 * (apart + h) / (2 * h)
    assert conditional_score(differing(measures), gaps, settings, four)[0] == pytest.approx(
        expected
    )


def test_the_score_over_a_grid_is_that_of_counting_also_for_draws():
    settings = np.array(list(product((0, 1), repeat=4)))
    gaps = RANDOM.normal(size=16)
    measures = gaps + RANDOM.normal(size=16)
    weights = np.concatenate([np.ones((1, 16)), drawn_networks(16, 2)])
    found = conditional_score(
        np.broadcast_to(differing(measures), (3, 16, 16)), gaps, settings, weights
    )
    for own, score in zip(weights.astype(int), found, strict=True):
        copies = np.repeat(np.arange(16), own)
        assert score == pytest.approx(
            by_counting(measures[copies], gaps[copies], settings[copies]), abs=1e-9
        )
    again = conditional_score(differing(np.exp(measures)[None]), gaps, settings, np.ones((1, 16)))
    assert again[0] == pytest.approx(found[0])


CUBE = np.array(list(product((0, 1), repeat=6)))


def scores(features, gaps, settings=CUBE):
    """Scores of one predictor over the networks, all once."""
    count = len(gaps)
    networks = MeasuredNetworks(gaps, settings, {"x": features})
    own = GapPrediction("a", "b", {"x": Predictor((Feature("p", "c"),))}, repeats=2)
    return {
        name: float(found[0])
        for name, found in own._scores(networks, "x", np.ones((1, count))).items()
    }


def test_a_difference_is_that_of_a_regression_on_the_folds_of_neither():
    features, values = RANDOM.normal(size=(12, 2)), RANDOM.normal(size=12)
    weights, folds = drawn_networks(12, 3), random_folds(12, 4, 1)[0]
    found = held_out_differences(features, values, weights, folds, 1.0)
    np.testing.assert_array_equal(found, -found.swapaxes(1, 2))
    for first, second in ((0, 5), (3, 4), (7, 7)):
        merged = np.where(folds == folds[second], folds[first], folds)
        alone = held_out_predictions(features, values, weights, merged, 1.0)
        expected = alone[:, first] - alone[:, second]
        np.testing.assert_allclose(found[:, first, second], expected, atol=1e-12)
    moved = values + 100.0 * ((folds == folds[0]) | (folds == folds[5]))
    again = held_out_differences(features, moved, weights, folds, 1.0)
    np.testing.assert_array_equal(again[:, 0, 5], found[:, 0, 5])


@pytest.mark.parametrize("constant", [1.0, 0.1])
def test_constants_tell_no_order(constant):
    found = scores(np.full((64, 2), constant), RANDOM.normal(size=64))
    assert (found["tau"], found["information"]) == (0, pytest.approx(0, abs=1e-9))
    gaps, folds = np.linspace(0, 1, 40), random_folds(40, 10, 1)[0]
    levels = held_out_predictions(np.full((40, 2), constant), gaps, ONCE, folds, 1.0)
    assert kendall(differing(levels), gaps, ONCE)[0] < -0.1  # each fold's holds the others' mean


@pytest.mark.parametrize("count", [1, 2, 15])
def test_noise_tells_no_order_however_many_numbers_it_has(count):
    random = np.random.default_rng(count)
    found = [scores(random.normal(size=(64, count)), random.normal(size=64)) for _ in range(24)]
    tau, information = (np.array([own[name] for own in found]) for name in ("tau", "information"))
    assert abs(tau.mean()) < 4 * tau.std() / math.sqrt(24) < 0.15
    assert information.mean() < 1.5


def test_a_feature_named_twice_scores_as_once():
    gaps = RANDOM.normal(size=64)
    for noise in (0.5, 2.0, 100.0):
        one = gaps[:, None] + noise * RANDOM.normal(size=(64, 1))
        once, twice = scores(one, gaps), scores(np.hstack([one, one]), gaps)
        assert twice == pytest.approx(once, abs=0.02)


def test_one_number_scores_as_itself_in_either_direction():
    gaps = RANDOM.normal(size=64)
    one = gaps + RANDOM.normal(size=64)
    once = np.ones((1, 64))
    found = scores(-one[:, None], gaps)
    assert found["tau"] == pytest.approx(kendalltau(one, gaps).statistic)
    expected = conditional_score(differing(one[None]), gaps, CUBE, once)[0]
    assert found["information"] == pytest.approx(expected)


def test_seeds_of_a_setting_share_a_fold():
    """Noise of each setting, which copies would tell of each other."""
    found = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        places = np.repeat(np.arange(16), 3)
        gaps = random.normal(size=16)[places] + 0.1 * random.normal(size=48)
        features = random.normal(size=(16, 15))[places] + 0.05 * random.normal(size=(48, 15))
        found.append(
            [scores(features, gaps, own[:, None])["r2"] for own in (places, np.arange(48))]
        )
    alone, together = np.mean(found, axis=0)
    assert alone < 0.1 < 0.5 < together


AXES = {"width": [4, 8], "depth": [1, 2], "seed": [0, 1, 2]}


def grid():
    """Parts of twelve networks whose gaps are told by the median margin."""
    parts = []
    for place, labels in enumerate(product(*AXES.values())):
        at = dict(zip(AXES, labels, strict=True))
        correct = torch.arange(100) < 60 + 3 * place
        half = torch.arange(100) < 50
        spread = torch.linspace(0.5, 2, 100)
        margin = torch.cat([math.exp(0.03 * place) * spread, -spread])
        rows = {"margin": margin, "noise": torch.rand(200), "sample": torch.arange(200)}
        parts += [
            Part("learnt", {**at, "data": "learn"}, {"sample": half, "correct": correct}),
            Part("unseen", {**at, "data": "test"}, {"sample": half, "correct": half}),
            Part("margins", at, rows),
        ]
    for part in parts:
        part.at.pop("data", None)
    return parts


SETTINGS = {
    "kind": "gap_prediction",
    "train": "learnt",
    "test": "unseen",
    "draws": 50,
    "predictors": {
        "margins": {"features": [{"probe": "margins", "column": "margin", "summary": "signature"}]},
        "noise": {"features": [{"probe": "margins", "column": "noise"}], "baseline": True},
    },
}


def prediction(**changes) -> GapPrediction:
    return schema.structure(TableKind, {**SETTINGS, **changes}, "tables.one")


def test_the_gap_is_predicted_from_what_tells_it_with_an_interval_beside():
    rows = prediction(penalty=0.01).rows(grid())
    assert rows["predictor"] == ["margins", "noise"]
    assert rows["features"].tolist() == [5, 1]
    assert rows["networks"].tolist() == [12, 12]
    assert rows["r2"][0] > 0.98 > 0.5 > rows["r2"][1]
    assert (rows["r2_low"] <= rows["r2"]).all()
    assert rows["tau"][0] == pytest.approx(1)
    assert rows["lead"][0] == pytest.approx(rows["r2"][0] - rows["r2"][1])
    assert rows["lead"][1].isnan()  # there is no other baseline
    (chart,) = prediction(penalty=0.01).charts(grid())
    first, other, diagonal = chart.series
    assert first.label.startswith("margins, $R^2$ 1.00")
    assert other.label.startswith("noise")
    np.testing.assert_allclose(first.x, np.linspace(10, 43, 12), atol=1e-5)
    assert torch.equal(diagonal.x, diagonal.y)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"train": "accuracy"}, "no rows of probe accuracy are there; name it in of, too"),
        (
            {
                "predictors": {
                    "a": {"features": [{"probe": "margins", "column": "x", "summary": "mean"}]}
                }
            },
            "probe margins has no column 'x'; it has margin, noise, sample",
        ),
        (
            {
                "predictors": {
                    "a": {
                        "features": [
                            {"probe": "margins", "column": "margin", "where": {"sample": 150}}
                        ]
                    }
                }
            },
            "margin of probe margins has no positive number at width=4, depth=1, seed=0",
        ),
    ],
)
def test_what_is_not_there_is_told(changes, match):
    with pytest.raises(LookupError, match=match):
        prediction(**changes).rows(grid())


def test_axes_of_one_value_and_seeds_are_no_settings():
    parts = [Part(own.probe, {**own.at, "norm": "none"}, own.rows) for own in grid()]
    held = prediction().predictors
    networks = measured_networks(parts, "learnt", "unseen", held)
    assert networks.settings.T.tolist() == [[0] * 6 + [1] * 6, ([0] * 3 + [1] * 3) * 2]
    assert networks.place.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    np.testing.assert_allclose(networks.gaps, np.linspace(0.1, 0.43, 12))


def test_several_members_of_a_probe_at_one_network_are_refused():
    more = [Part("unseen", {**own.at, "data": "shifted"}, own.rows) for own in grid()[1::3]]
    match = r"unseen has several members at one network, which differ in data: .* where: {data: "
    with pytest.raises(LookupError, match=match):
        prediction().rows([*grid(), *more])


def test_few_networks_and_settings_that_cannot_be_are_refused():
    with pytest.raises(LookupError, match=r"needs networks of 4 settings that .* there are 3"):
        prediction().rows([own for own in grid() if own.at["width"] + own.at["depth"] < 10])
    with pytest.raises(ValueError, match="folds must be at least 3"):
        prediction(folds=2)
    with pytest.raises(ValueError, match="predictors must name at least one"):
        prediction(predictors={})


def table(seeds):
    rows = {
        "seed": torch.arange(seeds),
        "r2": torch.full((seeds,), 0.7, dtype=torch.float64),
        "r2_low": torch.full((seeds,), 0.6, dtype=torch.float64),
        "r2_high": torch.full((seeds,), 0.75, dtype=torch.float64),
    }
    return {"prediction": {"": rows}}


@pytest.mark.parametrize(("bound", "verdict"), [(0.5, "yes"), (0.65, "undecided"), (0.8, "no")])
def test_a_claim_takes_the_interval_that_its_table_has(bound, verdict):
    numbers = {"table": "prediction", "column": "r2"}
    claim = schema.structure(
        WithInterval, {"says": "it predicts", "of": numbers, "at_least": bound}, "claims.one"
    )
    for seeds in (1, 3):  # equal seeds add nothing to it
        found = evaluate_claim(claim, table(seeds), {})
        assert (found.value, found.low, found.high) == pytest.approx((0.7, 0.6, 0.75))
        assert found.verdict == verdict


def test_a_claim_needs_a_table_with_an_interval():
    with pytest.raises(ValueError, match="about a table"):
        schema.structure(WithInterval, {"says": "", "of": {"probe": "a", "column": "b"}}, "claims")
    claim = schema.structure(
        WithInterval, {"says": "", "of": {"table": "prediction", "column": "seed"}}, "claims.one"
    )
    with pytest.raises(LookupError, match="seed_low"):
        claim.measure(table(1))
