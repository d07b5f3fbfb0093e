"""Fits and derived data sets in a graph: what comes of what, wherever it is computed."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from advcore.pipelines import run
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.running.estimates import FILE
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError

NETWORK = {"architecture": "perceptron", "width": 16}
LEARNT = {"recipe": {"base": "plain", "set": {"epochs": 2}}, "network": NETWORK, "seed": "$seed"}


def document(out: Path, **settings: Any) -> dict[str, Any]:
    return {
        "name": "chain",
        "axes": {"seed": 2},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 300},
            "some": {"kind": "subset", "of": "train", "samples": 120},
            "light": {
                "kind": "tiny_products:Lightened",
                "of": "some",
                "model": "plain",
                "fit": "mean",
            },
            "both": {"kind": "union", "of": ["some", "light"]},
            "test": {"name": "digits", "samples": 40},
        },
        "models": {
            "plain": LEARNT | {"data": "train"},
            "student": LEARNT | {"data": "both"},
        },
        "fits": {
            "mean": {
                "kind": "tiny_fits:Mean",
                "model": "plain",
                "data": "some",
                "shard_size": 50,
            },
            "again": {
                "kind": "tiny_products:MeanAround",
                "model": "student",
                "data": "light",
                "fit": "mean",
            },
        },
        "probes": {
            "distance": {
                "kind": "tiny_products:Distance",
                "model": ["plain", "student"],
                "data": "test",
                "fit": "mean",
            },
            "own": {"kind": "tiny_products:Distance", "fit": "again"},
        },
        "run": {
            "out": str(out),
            "track": False,
            "threads": 1,
            "figures": "none",
            "shard_size": 32,
            **settings,
        },
    }


def study(out: Path, **settings: Any) -> GraphStudy:
    return schema.structure(GraphStudy, document(out, **settings))


def tables(out: Path) -> dict[str, Any]:
    folder = out / "chain" / "tables"
    return {
        str(file.relative_to(folder)): pq.read_table(file).to_pydict()
        for file in folder.rglob("*.parquet")
    }


def store(out: Path) -> dict[str, bytes]:
    """Return the finished fits, and the names of all that the store holds."""
    return {
        file.name: file.read_bytes() if file.name.endswith(".fit.safetensors") else b""
        for file in (out / "store").rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    run(study(out))
    return out


def test_what_is_behind_a_fit_and_a_derived_data_set_is_measured(undisturbed: Path) -> None:
    found = tables(undisturbed)
    assert sorted(found) == [
        "distance/plain.parquet",
        "distance/student.parquet",
        "own/student.parquet",
    ]
    own = found["own/student.parquet"]
    assert len(own["sample"]) == 2 * 120  # the samples of the fit that the probe names
    ended = [name for name in store(undisturbed) if name.endswith(".fit.safetensors")]
    assert len(ended) == 4
    assert not [name for name in store(undisturbed) if ".share" in name or ".round" in name]


def test_fits_are_part_of_the_expected_time(undisturbed: Path, tmp_path: Path) -> None:
    known = json.loads((undisturbed / FILE).read_text())
    assert sorted(name.rpartition("/")[0] for name in known if name.startswith("fit/")) == [
        "fit/perceptron/tiny_fits:Mean",
        "fit/perceptron/tiny_products:MeanAround",
    ]
    alone = {name: 1.0 if name.startswith("fit/") else 0.0 for name in known}
    (tmp_path / FILE).write_text(json.dumps(alone))
    assert "about 8.0 min (from earlier measurements here)\n" in describe_dry_run(study(tmp_path))
    alone = {name: 0.0 for name in known if "MeanAround" not in name}
    (tmp_path / FILE).write_text(json.dumps(alone))
    assert "without fit again seed=0, fit again seed=1, not measured here" in describe_dry_run(
        study(tmp_path)
    )


@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(8, marks=pytest.mark.slow)]
)
def test_the_same_bits_on_ray(undisturbed: Path, tmp_path: Path, workers: int) -> None:
    run(study(tmp_path, runner="ray", workers=workers))
    assert tables(tmp_path) == tables(undisturbed)
    assert store(tmp_path) == store(undisturbed)


def test_a_second_run_computes_nothing(undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store(undisturbed)
    for work in ("measure", "train", "share"):
        monkeypatch.setattr(f"advcore.workers.actor.Worker.{work}", None)
    (undisturbed / "chain" / "finished.json").unlink(missing_ok=True)
    run(study(undisturbed))
    assert store(undisturbed) == before


def test_a_dry_run_names_what_is_there_and_what_is_missing(
    undisturbed: Path, tmp_path: Path
) -> None:
    fresh = describe_dry_run(study(tmp_path))
    assert "light (2: seed): tiny_products:Lightened of some" in fresh
    assert "2 to make" in fresh
    assert "tiny_fits:Mean of plain on some: 2 to learn" in fresh
    assert not (tmp_path / "store").exists()
    done = describe_dry_run(study(undisturbed))
    assert "tiny_fits:Mean of plain on some: there" in done
    assert "to make" not in done
    assert "to measure: 0 of" in done


def test_report_and_results_name_what_comes_of_what(undisturbed: Path) -> None:
    text = (undisturbed / "chain" / "report.md").read_text()
    assert "of some, made with plain seed=0" in text
    ids = json.loads((undisturbed / "chain" / "results.json").read_text())["ids"]
    assert len(set(ids["data"].values())) == len(ids["data"])


def test_a_fit_that_fails_takes_what_is_behind_it_along(tmp_path: Path) -> None:
    whole = document(tmp_path)
    first = int(load(DataSpec("digits", split="train", samples=300)).indices[0])
    whole["fits"]["mean"] |= {"bad": first, "how": "raises"}
    whole["fits"]["mean"]["data"] = "train"
    whole["probes"]["noise"] = {"kind": "noise", "model": "plain", "data": "test"}
    with pytest.raises(Exception, match=r"fit mean seed=0.*has no share"):
        run(schema.structure(GraphStudy, whole))
    assert (tmp_path / "chain" / "tables" / "noise" / "plain.parquet").is_file()
    text = (tmp_path / "chain" / "report.md").read_text()
    assert "2 tasks failed, and the numbers leave them out" in text
    (behind,) = (line for line in text.splitlines() if "missing for what failed" in line)
    for missing in ("data set light (2 of 2)", "fit mean (2 of 2)", "model student", "probe own"):
        assert missing in behind, behind
    assert "plain" not in behind


@pytest.mark.parametrize(
    ("section", "name", "changes", "message"),
    [
        ("data_sets", "light", {"model": None}, "is no Derived: it lacks sources, apply"),
        ("data_sets", "some", {"model": "plain"}, "data_sets.some.model: .* leave it out"),
        ("data_sets", "some", {"samples": 301}, "data_sets.some: a subset of train must have"),
        ("data_sets", "some", {"of": None}, "data_sets.some.of: expected the name"),
        ("data_sets", "some", {"kind": "subsets"}, "no kind 'subsets' of data sets.*'subset'"),
        ("fits", "mean", {"kind": "mean"}, "fits.mean"),
        ("fits", "mean", {"shard_size": 0}, "fits.mean.shard_size: expected a whole number"),
        ("fits", "again", {"fit": "other"}, "fits.again.fit: 'other' is not in fits"),
    ],
)
def test_refused_before_any_work(
    tmp_path: Path, section: str, name: str, changes: dict[str, Any], message: str
) -> None:
    whole = document(tmp_path)
    entry = {**whole[section][name], **changes}
    whole[section][name] = {key: value for key, value in entry.items() if value is not None}
    with pytest.raises(InputError, match=message):
        run(schema.structure(GraphStudy, whole))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("place", ["probes.distance", "fits.again", "data_sets.shrunk"])
def test_fits_of_inputs_of_another_shape_are_refused_before_any_work(
    tmp_path: Path, place: str
) -> None:
    whole = document(tmp_path)
    section, name = place.split(".")
    whole["data_sets"]["big"] = {"name": "mnist5k", "samples": 10}
    whole["data_sets"]["shrunk"] = {**whole["data_sets"]["light"], "of": "some"}
    whole["models"]["wide"] = {**LEARNT, "data": "big"}
    fitted = {"kind": "tiny_fits:Mean", "model": "wide", "data": "big"}
    whole["fits"]["large"] = fitted
    whole[section][name]["fit"] = "large"
    with pytest.raises(InputError, match=rf"^{place}.*: the fit large .*big, inputs \(1, 28, 28\)"):
        run(schema.structure(GraphStudy, whole))
    assert not (tmp_path / "store").exists()
