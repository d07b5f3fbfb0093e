"""A study whose shards are ranges of blocks of noise."""

import csv

import pyarrow.parquet as pq
import pytest

from advcore.pipelines import run
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema


def study(out, blocks, shard_size):
    document = {
        "name": "counts",
        "data_sets": {"test": {"name": "digits", "samples": 6}},
        "models": {"plain": {"architecture": "perceptron", "arguments": {"width": 8}}},
        "probes": {
            "certified": {
                "kind": "smoothed",
                "draws": 400,
                "blocks": blocks,
                "model": "plain",
                "data": "test",
            },
        },
        "claims": {
            "radius": {
                "kind": "level",
                "of": {"probe": "certified", "column": "radius"},
                "at_least": 0.0,
                "says": "radii are no less than nothing",
            },
        },
        "run": {
            "out": str(out),
            "track": False,
            "threads": 1,
            "figures": "none",
            "shard_size": shard_size,
        },
    }
    return schema.structure(GraphStudy, document)


def rows(out):
    (file,) = (out / "counts" / "tables").rglob("*.parquet")
    return pq.read_table(file).to_pydict()


def test_a_study_measures_blocks_and_reads_samples(tmp_path):
    small = study(tmp_path / "a", 4, 5)
    assert "5 of 5 shards" in describe_dry_run(small)
    result = run(small)
    assert "0 of 5 shards" in describe_dry_run(small)
    table = rows(tmp_path / "a")
    assert len(set(table["sample"])) == len(table["sample"]) == 6
    assert table["draws"] == [400] * 6
    run(study(tmp_path / "b", 4, 64))
    assert rows(tmp_path / "b") == table
    run(study(tmp_path / "c", 1, 3))
    whole = rows(tmp_path / "c")
    assert list(whole) == list(table)
    assert whole["selected"] == table["selected"]
    assert table["hits"] == pytest.approx(whole["hits"], abs=1)  # other batches round otherwise
    text = (tmp_path / "a" / "counts" / "report.md").read_text()
    assert "average_certified_radius" in text
    assert "6 samples" in text
    assert result.claims["radius"]
    with next((tmp_path / "a" / "counts").rglob("claims.csv")).open() as file:
        assert len(list(csv.reader(file))) == 2
