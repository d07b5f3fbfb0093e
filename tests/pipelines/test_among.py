"""Samples that claims count by the rows of another probe: what a judge says of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import Among, Claim, Difference, Level, Numbers
from advcore.pipelines.claims.among import Condition
from advcore.pipelines.figures import LinesOver
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError

SEEDS, SAMPLES = 3, 40


def tables(judges=("one",)):
    """Two networks, robust right at the even samples; a judge sure of samples below 10 at eps 1.

    At eps 2 it is sure of those from 30. The second judge is sure of every fourth.
    """
    index = np.indices((2, SEEDS, 2, SAMPLES)).reshape(4, -1)
    model, seed, eps, sample = index
    right = np.where(model == 0, sample % 2 == 0, sample == 0)
    answers = {
        "model": ["robust" if own == 0 else "plain" for own in model],
        "seed": torch.tensor(seed),
        "eps": torch.tensor(eps + 1.0),
        "sample": torch.tensor(sample),
        "correct": torch.tensor(right),
    }
    judge, eps, sample = np.indices((len(judges), 2, SAMPLES)).reshape(3, -1)
    sure = np.where(judge == 0, np.where(eps == 0, sample < 10, sample >= 30), sample % 4 == 0)
    judged = {
        "model": [judges[own] for own in judge],
        "eps": torch.tensor(eps + 1.0),
        "sample": torch.tensor(sample),
        "confidence": torch.tensor(np.where(sure, 0.95, 0.5)),
        "correct": torch.tensor(sample != 4),
    }
    return {"answers": {"": answers}, "judged": {"": judged}}


SURE = Among("judged", "confidence", {"model": "one"}, at_least=0.9)
NUMBERS = Numbers(
    "answers", column="correct", where={"model": "robust", "eps": 1}, statistic="mean", among=SURE
)


def test_only_samples_that_count_are_measured():
    """The numbers' own eps holds for the judge too, its model does not."""
    assert NUMBERS.grid(tables()).samples.tolist() == list(range(10))
    level = Level("", NUMBERS).measure(tables())
    assert level.value == 0.5
    assert level.unit == "3 seeds, 10 samples in each"
    other = replace(NUMBERS, where={"model": "robust", "eps": 2})
    assert other.grid(tables()).samples.tolist() == list(range(30, 40))
    pinned = replace(other, among=replace(SURE, where={"model": "one", "eps": 1}))
    assert pinned.grid(tables()).samples.tolist() == list(range(10))


def test_both_sides_have_the_same_samples():
    found = Difference("", NUMBERS, to={"model": "plain"}).measure(tables())
    assert found.value == pytest.approx(0.5 - 0.1)
    assert found.unit == "3 seeds, 10 samples in each"


def test_rows_that_are_left_out_count_for_nothing():
    among = replace(SURE, where={"model": "one", "correct": True})
    assert 4 not in replace(NUMBERS, among=among).grid(tables()).samples


def test_several_judges_must_agree():
    judges = ("one", "two")
    both = replace(SURE, where={"model": list(judges)})
    counted = replace(NUMBERS, among=both).grid(tables(judges)).samples
    assert counted.tolist() == [0, 4, 8]


def test_one_of_several_judges_may_suffice():
    judges = ("one", "two")
    either = replace(SURE, where={"model": list(judges)}, any_row=True)
    counted = replace(NUMBERS, among=either).grid(tables(judges)).samples
    assert counted.tolist() == sorted({*range(10), *range(0, SAMPLES, 4)})


def test_the_range_has_two_ends():
    among = replace(SURE, at_least=-np.inf, at_most=0.5)
    assert replace(NUMBERS, among=among).grid(tables()).samples.tolist() == list(range(10, 40))


def test_lines_choose_the_samples_anew_at_each_label():
    figure = LinesOver("m", replace(NUMBERS, where={"model": "plain"}, over="eps"))
    (line,) = figure.chart("m", {"": figure}, tables()).series
    assert line.y.tolist() == pytest.approx([0.1, 0.0])


def test_each_of_several_conditions_must_hold():
    right = Condition("answers", "correct", {"model": "robust", "eps": 2}, at_least=1)
    both = replace(NUMBERS, among=replace(SURE, also=(right,)))
    assert both.grid(tables()).samples.tolist() == [0, 2, 4, 6, 8]
    later = replace(right, where={"model": "plain", "eps": 2})
    none = replace(both, among=replace(SURE, also=(right, replace(later, at_most=1))))
    assert none.grid(tables()).samples.tolist() == [0]


def seeded(rows, first=0, lacking=False):
    """Rows of the judge at two or three seeds, each sure of other samples, or also without seed."""
    count = len(rows["sample"])
    seeds = [*range(first, SEEDS), *([float("nan")] if lacking else [])]
    table = {
        name: list(own) * len(seeds) if isinstance(own, list) else own.repeat(len(seeds))
        for name, own in rows.items()
    }
    seed = torch.tensor(seeds, dtype=torch.float64 if lacking else None)
    table["seed"] = seed.repeat_interleave(count)
    sure = (table["sample"] - table["seed"] >= 0) & (table["sample"] - table["seed"] < 5)
    return table | {"confidence": torch.where(sure, 0.95, 0.5)}


def test_rows_are_joined_label_with_label():
    """Each seed counts those of which the judge is sure at that seed, 0 to 4, 1 to 5, 2 to 6."""
    held = tables()
    held["judged"][""] = seeded(held["judged"][""])
    rows = NUMBERS.rows(held)
    for seed in range(SEEDS):
        assert rows("sample")[rows("seed") == seed].tolist() == list(range(seed, seed + 5))
    assert NUMBERS.grid(held).samples.tolist() == [2, 3, 4]
    assert NUMBERS.grid(held).common_of == (7,)
    first = replace(NUMBERS, among=replace(SURE, where={"model": "one", "seed": 0}))
    assert first.grid(held).samples.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("where", [{}, {"eps": [1, 2]}])
def test_what_the_numbers_are_over_is_joined_too_where_listed_or_not(where):
    rows = replace(NUMBERS, where={"model": "robust", **where}, over="eps").rows(tables())
    for eps, counted in ((1, range(10)), (2, range(30, SAMPLES))):
        assert sorted(set(rows("sample")[rows("eps") == eps].tolist())) == list(counted)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"judged": {"first": 1}}, "has seed 1, 2, probe answers 0: choose by among.where"),
        ({"judged": {"lacking": True}, "seedless": True}, "probe answers none: choose by among"),
    ],
)
def test_rows_that_cannot_be_joined_are_refused(change, match):
    held = tables()
    held["judged"][""] = seeded(held["judged"][""], **change["judged"])
    if change.get("seedless"):
        answers = held["answers"][""]
        one = answers["seed"] == 0
        held["answers"][""] = {
            name: [v for v, kept in zip(own, one, strict=True) if kept]
            if isinstance(own, list)
            else own[one]
            for name, own in answers.items()
            if name != "seed"
        }
    with pytest.raises(LookupError, match=match):
        NUMBERS.rows(held)


def test_an_axis_of_the_judge_alone_must_be_chosen():
    unsaid = replace(NUMBERS, where={"eps": 1}, among=replace(SURE, where={}))
    with pytest.raises(LookupError, match="has model one, two, probe answers robust: choose by"):
        unsaid.rows(tables(("one", "two")))


def test_a_range_without_numbers_is_refused():
    with pytest.raises(ValueError, match=r"no number is at least 0\.9 and at most 0\.1"):
        Among("judged", "confidence", at_least=0.9, at_most=0.1)


@pytest.mark.parametrize(
    ("numbers", "match"),
    [
        (
            replace(NUMBERS, where={"model": "robust"}, among=replace(SURE, where={"eps": 1})),
            "has no row with",
        ),
        (replace(NUMBERS, among=replace(SURE, at_least=0.99)), "no sample of probe answers"),
        (replace(NUMBERS, among=replace(SURE, column="sure")), "has no column 'sure'"),
        (replace(NUMBERS, among=replace(SURE, column="model")), "must hold one number a row"),
        (replace(NUMBERS, among=replace(SURE, probe="judge")), "no rows of probe judge"),
    ],
)
def test_what_cannot_be_counted_is_said(numbers, match):
    with pytest.raises(LookupError, match=match):
        numbers.grid(tables())


def test_it_is_read_from_a_file():
    written = {
        "kind": "level",
        "says": "w",
        "of": {
            "probe": "answers",
            "column": "correct",
            "where": {"model": "robust", "eps": 1},
            "statistic": "mean",
            "among": {
                "probe": "judged",
                "column": "confidence",
                "where": {"model": "one"},
                "at_least": 0.9,
                "also": [{"probe": "answers", "column": "correct", "at_most": 0.0}],
            },
        },
    }
    also = (Condition("answers", "correct", at_most=0.0),)
    numbers = replace(NUMBERS, among=replace(SURE, also=also))
    assert schema.structure(Claim, written) == Level("w", numbers)
    kept = schema.unstructure(numbers)["among"]
    (read,) = kept.pop("also")
    assert read == written["of"]["among"].pop("also")[0] | {"where": {}, "at_least": -np.inf}
    assert kept == written["of"]["among"] | {"at_most": np.inf}


@pytest.mark.parametrize(
    ("among", "message"),
    [
        ({"probe": "acuracy", "column": "correct"}, r"of.among: it names the probe 'acuracy'"),
        (
            {"probe": "judged", "column": "correct", "where": {"data": "tests"}},
            r"of.among.where.data: no member has 'tests'; there are test, train; did you mean",
        ),
        (
            {
                "probe": "judged",
                "column": "correct",
                "also": [{"probe": "acuracy", "column": "correct"}],
            },
            r"of.among.also.0: it names the probe 'acuracy'",
        ),
    ],
)
def test_probes_and_labels_that_are_not_there_are_refused_before_any_work(among, message):
    document = {
        "name": "among",
        "data_sets": {
            "test": {"name": "digits", "samples": 6},
            "train": {"name": "digits", "split": "train", "samples": 6},
        },
        "models": {"net": {"architecture": "perceptron"}},
        "probes": {
            name: {"kind": "accuracy", "data": ["test", "train"]} for name in ("judged", "own")
        },
        "claims": {
            "c": {
                "kind": "level",
                "says": "s",
                "of": {"probe": "own", "column": "correct", "among": among},
            }
        },
    }
    with pytest.raises(InputError, match=message):
        graph_layout(schema.structure(GraphStudy, document), Loader())
