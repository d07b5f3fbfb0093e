"""Studies as graphs: planned, trained, measured, reported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from small_graph import document, study

from advcore.pipelines import Result, run
from advcore.pipelines.graph import loader
from advcore.pipelines.graph.expanded_layout import graph_layout, planned_of
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.reporting.facts import training_file
from advcore.pipelines.graph.reporting.replicates import charts_over_seeds
from advcore.pipelines.graph.running import side_by_side
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy, read_study
from advcore.pipelines.settings import schema
from advcore.probes import Lines, Series
from advcore.workers import models
from advcore.workers.models import ModelSpec, content_hash


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(study(tmp_path_factory.mktemp("graph")))


def test_a_family_has_one_table_with_a_column_an_axis(measured: Result) -> None:
    table = measured.table("robustness")
    assert set(table["model"]) == {"plain", "tuned"}
    sizes = table.groupby(["model", "data", "seed"])["sample"].nunique()
    assert dict(sizes) == {
        (model, data, seed): count
        for model in ("plain", "tuned")
        for data, count in (("few", 50), ("test", 40))
        for seed in (0, 1)
    }
    assert sorted(
        path.stem for path in (measured.folder / "tables/robustness").glob("*.parquet")
    ) == [
        "plain",
        "tuned",
    ]


def test_a_claim_is_made_for_each_label(measured: Result) -> None:
    assert list(measured.claims) == ["small_eps model=plain", "small_eps model=tuned"]
    for claim in measured.claims.values():
        assert claim["verdict"] == "yes"
        assert claim["resampled"] == "2 seeds, 40 samples in each"
    table = measured.table("robustness")
    own = table[(table["model"] == "plain") & (table["data"] == "test")]
    assert measured.claims["small_eps model=plain"]["value"] == pytest.approx(
        (own[own["attack"] == "fgsm-l2"]["broken_at"] > 0).mean()
    )


def test_numbers_stand_by_member(measured: Result) -> None:
    members = measured.scalars["robustness"]
    assert len(members) == 8
    assert "tuned seed=1 data=few" in members


def test_settings_of_trainings_lie_beside_the_report(measured: Result) -> None:
    assert "(trainings/plain_seed=0.yaml)" in (measured.folder / "report.md").read_text()
    settings = yaml.safe_load((measured.folder / "trainings/plain_seed=0.yaml").read_text())
    assert settings["recipe"]["epochs"] == 2
    assert len(training_file("x" * 300)) < 120
    assert training_file("x" * 300) != training_file("x" * 299)


def test_the_page_draws_that_one_network_begins_as_another(measured: Result) -> None:
    told = json.loads((measured.folder / "results.json").read_text())["lineage"]["edges"]
    assert [start for start, end in told if end == "model tuned"] == ["data set few", "model plain"]
    assert "some are right" in (measured.folder / "report.html").read_text()


def test_a_second_run_computes_nothing(measured: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (measured.folder / "results.json").read_text()

    def never(*arguments: Any) -> None:
        raise AssertionError("computed again")

    own = read_study(measured.folder / "study.yaml")
    assert isinstance(own, GraphStudy)
    monkeypatch.setattr("advcore.workers.actor.Worker.measure", never)
    monkeypatch.setattr("advcore.workers.actor.Worker.train_whole", never)
    run(own)
    assert (
        json.loads(before)["claims"]
        == json.loads((measured.folder / "results.json").read_text())["claims"]
    )


def test_what_is_tuned_begins_with_the_weights_of_its_start(tmp_path: Path) -> None:
    frozen = document(tmp_path)
    frozen["models"]["tuned"]["recipe"]["set"] = {"epochs": 1, "learning_rate": 1e-9}
    frozen["axes"] = {"seed": 1}
    result = run(schema.structure(GraphStudy, frozen))
    numbers = result.scalars["robustness"]
    own, start = numbers["tuned seed=0 data=test"], numbers["plain seed=0 data=test"]
    assert own["accuracy"] == start["accuracy"]


def test_equal_members_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = document(tmp_path)["models"]
    same = {"first": models["plain"], "second": models["plain"] | {"seed": 1}}
    own = study(
        tmp_path,
        models=same,
        probes={"robustness": document(tmp_path)["probes"]["robustness"] | {"model": "first"}}
        | {"other": document(tmp_path)["probes"]["robustness"] | {"model": "second"}},
        claims={},
    )
    layout = graph_layout(own, Loader())
    names = {label: training.name for label, training in layout.trainings.items()}
    assert names["first seed=1"] == names["second"] != names["first seed=0"]
    trained: list[str] = []
    fetch = side_by_side.fetch_network

    def counted(job: Any, store: Any) -> None:
        trained.append(job.training.name)
        fetch(job, store)

    monkeypatch.setattr(side_by_side, "fetch_network", counted)
    run(own)
    assert sorted(trained) == sorted(set(names.values()))


def test_seeds_change_the_first_weights() -> None:
    specs = [ModelSpec("perceptron", arguments={"side": 8}, seed=seed) for seed in (0, 0, 1)]
    first, again, other = map(content_hash, specs)
    assert first == again != other


def test_each_data_set_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = loader.load

    def counted(spec: Any) -> Any:
        read.append(repr(spec))
        return original(spec)

    monkeypatch.setattr(loader, "load", counted)
    describe_dry_run(study(tmp_path))
    assert len(read) == len(set(read)) == 3


def test_a_run_reads_data_once_and_builds_networks_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, built = list[str](), list[str]()
    load, make = loader.load, models.make_network

    def counted_load(spec: Any) -> Any:
        read.append(repr(spec))
        return load(spec)

    def counted_make(*arguments: Any) -> Any:
        built.append(arguments[0])
        return make(*arguments)

    monkeypatch.setattr(loader, "load", counted_load)
    monkeypatch.setattr(models, "make_network", counted_make)
    whole = document(tmp_path)
    whole["axes"] = {"seed": 1}
    run(schema.structure(GraphStudy, whole))
    assert len(read) == len(set(read)) == 3
    # before and after training, by whoever checks the training, trains and measures
    assert len(built) <= 5 * 2


def test_a_plan_shows_the_graph(tmp_path: Path, measured: Result) -> None:
    text = describe_dry_run(study(tmp_path))
    assert "├── train: digits train, 300 samples of 1 x 8 x 8" in text
    assert "├── plain (2: seed): perceptron trained on digits train: 2 to train" in text
    assert "beginning with plain: 2 to train" in text
    assert "└── robustness: robustness of 8 models and data sets, 8 of 8 shards to measure" in text
    assert not any(tmp_path.iterdir())
    own = read_study(measured.folder / "study.yaml")
    done = describe_dry_run(own)
    assert "└── robustness: robustness of 8 models and data sets, there" in done
    assert "to measure: 0 of 8 shards" in done


def test_a_plan_separates_lists_by_semicolons(tmp_path: Path) -> None:
    whole = document(tmp_path)
    whole["data_sets"]["said"] = {"kind": "pseudo_labelled", "of": "few", "model": "plain"}
    whole["data_sets"]["both"] = {"kind": "union", "of": ["few", "said"]}
    whole["probes"]["last"] = {"kind": "accuracy", "model": "plain", "data": "both"}
    text = describe_dry_run(schema.structure(GraphStudy, whole))
    assert "both (2: seed): union of few, said seed=0; union of few, said seed=1, 100 samp" in text


NOTE = (
    "Read it. Bands: 95 % (Wilson). Samples; no box; band: 2.5 % of them (Wilson). Thin: flat. "
    "Median over samples in its 95 % interval, faint between quartiles. By one."
)


class Drawn:
    """A probe that draws one line for each label: its level, and another one at a second seed.

    Those whose labels have the `moving` word in them lie elsewhere at a second seed.
    """

    def __init__(self, moving: str = "none") -> None:
        self.level, self.moving = 0.0, moving

    def charts(self, tables: Any) -> list[Any]:
        self.level += 1
        x = torch.tensor([0.0, 1.0])
        lines = [
            Series(label, x + self.level * (self.moving in label), torch.full((2,), self.level))
            for label in tables
        ]
        return [Lines("one", "One", "x", "y", lines, note=NOTE)]


def test_figures_have_one_line_for_all_seeds(measured: Result) -> None:
    own = read_study(measured.folder / "study.yaml")
    assert isinstance(own, GraphStudy)
    drawn = Drawn()
    members = [
        (replace(member, settings=drawn), {"sample": torch.arange(3)})  # type: ignore[arg-type]
        for member in planned_of(own)
    ]
    (chart,) = charts_over_seeds("p", members)
    assert isinstance(chart, Lines)
    assert [series.label for series in chart.series] == [
        "plain data=few",
        "plain data=test",
        "tuned data=few",
        "tuned data=test",
    ]
    for line in chart.series:
        assert line.low is not None
        assert line.high is not None
        assert (line.low[0], line.y[0], line.high[0]) == (1, 1.5, 2)
    assert chart.note == (
        "Read it. Samples; no box. Thin: flat. Median over samples. By one. Means of 2 seeds, in "
        "bands from the smallest to the largest."
    )
    assert measured.figure("robustness").axes


def test_lines_over_places_that_differ_by_seed_are_those_of_the_first(measured: Result) -> None:
    own = read_study(measured.folder / "study.yaml")
    assert isinstance(own, GraphStudy)

    def chart_of(drawn: Drawn) -> Lines:
        members = [
            (replace(member, settings=drawn), {"sample": torch.arange(3)})  # type: ignore[arg-type]
            for member in planned_of(own)
        ]
        (chart,) = charts_over_seeds("p", members)
        assert isinstance(chart, Lines)
        return chart

    some, every = chart_of(Drawn("tuned")), chart_of(Drawn("data"))
    assert [line.low is None for line in some.series] == [False, False, True, True]
    assert some.note.endswith(
        "Means of 2 seeds, in bands from the smallest to the largest. Of the first seed, as x "
        "differs: tuned data=few, tuned data=test."
    )
    assert (every.title, every.note) == ("One (the first of 2 seeds)", NOTE)
    assert all(line.low is None for line in every.series)


def test_legends_leave_out_what_their_title_says(measured: Result) -> None:
    own = read_study(measured.folder / "study.yaml")
    assert isinstance(own, GraphStudy)
    probes = {"few": Drawn(), "test": Drawn()}
    members = [
        (replace(member, settings=probes[member.at["data"]]), {"sample": torch.arange(3)})  # type: ignore[arg-type, index]
        for member in planned_of(own)
    ]
    charts = charts_over_seeds("p", members)
    assert [chart.title for chart in charts] == ["One (data=few)", "One (data=test)"]
    for chart in charts:
        assert isinstance(chart, Lines)
        assert [series.label for series in chart.series] == ["plain", "tuned"]


def test_a_table_says_of_what_it_was_measured(measured: Result) -> None:
    words = pq.read_schema(measured.folder / "tables/robustness/plain.parquet").metadata
    assert words[b"columns"].startswith(b"Columns: `sample`, `attack`")
    assert json.loads(words[b"networks"]).keys() == {"plain seed=0", "plain seed=1"}
    assert json.loads(words[b"data"]).keys() == {"few", "test"}
    assert (words[b"seed"], words[b"dtype"]) == (b"0", b"float32")
