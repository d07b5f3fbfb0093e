"""Tables of a study that are made of the rows of its probes."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from advcore.pipelines import run
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError


def study(out, **changed):
    document = {
        "name": "means",
        "axes": {"width": [4, 8], "sigma": [0.1, 0.5, 1.0]},
        "data_sets": {"test": {"name": "digits", "samples": 5}},
        "models": {"plain": {"architecture": "perceptron", "arguments": {"width": "$width"}}},
        "probes": {
            "counts": {
                "kind": "smoothed",
                "sigma": "$sigma",
                "draws": 100,
                "model": "plain",
                "data": "test",
            },
        },
        "tables": {
            "by_sigma": {"kind": "mean", "of": "counts", "column": "hits", "reduce": ["width"]},
            "all": {
                "kind": "mean",
                "of": "counts",
                "column": "hits",
                "where": {"sample": 90},
                "reduce": ["width", "sigma"],
            },
        },
        "claims": {
            "small_noise": {
                "kind": "level",
                "of": {"table": "by_sigma", "column": "mean", "where": {"sigma": 0.1}},
                "at_least": -1.0,
                "says": "the mean under little noise",
            },
        },
        "run": {"out": str(out), "track": False, "threads": 1, "figures": "none"},
        **changed,
    }
    return schema.structure(GraphStudy, document)


def test_means_over_samples_and_axes_are_written_shown_and_claimed(tmp_path):
    run(study(tmp_path))
    folder = tmp_path / "means"
    (file,) = (folder / "tables/counts").glob("*.parquet")
    rows = pq.read_table(file).to_pandas()
    with (folder / "tables/by_sigma.csv").open() as file:
        head, *lines = list(csv.reader(file))
    assert head == ["sigma", "mean", "members", "rows"]
    means = {float(sigma): float(mean) for sigma, mean, *_ in lines}
    assert means == pytest.approx(rows.groupby("sigma")["hits"].mean().to_dict())
    assert [line[2:] for line in lines] == [["2.0", "10.0"]] * 3
    with (folder / "tables/all.csv").open() as file:
        head, line = list(csv.reader(file))
    assert head == ["mean", "members", "rows"]
    assert float(line[0]) == pytest.approx(rows[rows["sample"] == 90]["hits"].mean())
    claims = json.loads((folder / "results.json").read_text())["claims"]
    assert np.isclose(claims["small_noise"]["value"], means[0.1])
    text = (folder / "report.md").read_text()
    assert "## Table by_sigma" in text
    assert "the mean under little noise" in text


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"kind": "lira", "of": "counts"}, r"tables.one: .*unknown kind 'lira'; known kinds: mean"),
        ({"kind": "mean", "of": "counts"}, r"tables.one.*column"),
        ({"kind": "mean", "of": "count", "column": "hits"}, r"tables.one.*'count'"),
        (
            {"kind": "mean", "of": "counts", "column": "hits", "reduce": "seed"},
            r"no axis 'seed'",
        ),
        (
            {"kind": "mean", "of": "counts", "column": "hits", "where": {"sample": "$width"}},
            r"tables.one.where.sample: \$width is another value for each member, .*; write the",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, table, match):
    with pytest.raises(InputError, match=match):
        describe_dry_run(study(tmp_path, tables={"one": table}, claims={}))


def test_names_of_probes_are_taken(tmp_path):
    table = {"kind": "mean", "of": "counts", "column": "hits"}
    with pytest.raises(InputError, match=r"tables.counts: a probe has this name"):
        describe_dry_run(study(tmp_path, tables={"counts": table}, claims={}))


def test_a_column_that_is_not_there_is_told_in_the_end(tmp_path):
    table = {"kind": "mean", "of": "counts", "column": "wrong"}
    with pytest.raises(Exception, match=r"table one: probe counts has no column 'wrong'; it has"):
        run(study(tmp_path, tables={"one": table}, claims={}))
