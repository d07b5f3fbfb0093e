"""The driver: rows, reports, resumption, failures, and what MLflow holds afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest
import torch

from advcore.networks import perceptron
from advcore.probes import Curvature
from pipelines import schema
from pipelines.run import run
from pipelines.study import Study
from workers.checkpoints import load_checkpoint, save_checkpoint
from workers.inline import Inline
from workers.store import open_store


def study_of(mapping: dict[str, Any], **settings: Any) -> Study:
    study = schema.structure(Study, mapping)
    return replace(study, run=replace(study.run, **settings))


def stored(place: Path) -> dict[str, bytes]:
    """The rows of all finished shards, by key."""
    return {path.name: path.read_bytes() for path in (place / "out" / "store").rglob("*.parquet")}


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the inline runner stop as Ctrl-C stops it, once `count` shards are done."""
    whole = Inline.run

    def part(self: Inline, *arguments: Any) -> Iterator[Any]:
        for done, outcome in enumerate(whole(self, *arguments)):
            if done == count:
                raise KeyboardInterrupt
            yield outcome

    monkeypatch.setattr(Inline, "run", part)


@dataclass(frozen=True)
class Picky(Curvature):
    """Fails on the shard that holds a certain sample."""

    sample: int = 0

    def measure(self, classifier: Any, batch: Any, randomness: Any) -> Any:
        if self.sample in batch.indices:
            raise RuntimeError("no curvature today")
        return super().measure(classifier, batch, randomness)


@dataclass(frozen=True)
class Mute(Curvature):
    """Measures, and cannot say what came of it."""

    def summarise(self, table: Any) -> Any:
        raise RuntimeError("nothing to say")


@dataclass(frozen=True)
class Anxious(Picky):
    """Fails as Picky does, and warns of what it has measured."""

    sentences: ClassVar[dict[str, str]] = {}

    def summarise(self, table: Any) -> Any:
        return replace(super().summarise(table), warnings=self.sentences)


def test_a_study_measures_summarises_and_draws(tiny: dict[str, Any], place: Path) -> None:
    report = run(study_of(tiny))
    assert (report.measured, report.found, report.failures) == (24, 0, [])
    assert set(report.summaries) == set(tiny["probes"])
    assert set(report.summaries["margins"]) == {"one", "two"}
    assert {figure.name for figure in report.figures} == {
        "robustness-robust_accuracy.png",
        "margins.png",
        "curvature-eigenvalues.png",
        "curvature-gradient_alignment.png",
        "examples.png",
    }
    assert all(figure.stat().st_size > 5000 for figure in report.figures)
    assert "median_margin" in (place / "out/tiny/report.md").read_text()
    again = schema.structure(Study, schema.load_yaml(place / "out/tiny/study.yaml"))
    assert again == report.study


def test_shards_without_rows_are_rows_like_others(tiny: dict[str, Any], place: Path) -> None:
    """Of 20 samples in shards of 8 the first 10 are looked at: all of the first shard, some of the second, none of the third."""
    tiny["probes"] = {
        "landscape": {"kind": "landscape", "count": 10, "size": 3, "planes": ["normal_curved"]},
        "shared": {"kind": "shared_curvature", "top": 9},
    }
    report = run(study_of(tiny))
    assert (report.measured, report.failures, report.problems) == (12, [], [])
    table = pq.read_table(place / "out/tiny/tables/landscape-one.parquet")
    assert table["sample"].to_pylist() == _indices(report.study)[:10].tolist()
    assert {figure.name for figure in report.figures} == {
        "landscape-labels-normal_curved.png",
        "landscape-loss-normal_curved.png",
        "shared-shared_curvature.png",
        "shared-energy.png",
    }


def test_a_second_run_computes_nothing(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(study_of(tiny))
    monkeypatch.setattr(Inline, "run", None)
    second = run(study_of(tiny))
    assert (second.measured, second.found) == (0, 24)
    assert second.summaries == first.summaries


def test_a_run_goes_on_after_an_interruption_with_the_same_rows(
    tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run(study_of(tiny, out="other"))
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            run(study_of(tiny))
    assert len(stored(place)) == 6  # the sixth was measured before the stop
    report = run(study_of(tiny))
    assert (report.measured, report.found) == (18, 6)
    assert report.summaries == undisturbed.summaries


def test_changing_one_probe_measures_that_probe_alone(tiny: dict[str, Any]) -> None:
    run(study_of(tiny))
    tiny["probes"]["margins"]["family"]["size"] = 2
    report = run(study_of(tiny))
    assert (report.measured, report.found) == (6, 18)


def test_another_shard_size_gives_the_same_rows_to_rounding(tiny: dict[str, Any], place: Path) -> None:
    tables = []
    for size in (8, 20):
        report = run(study_of(tiny, shard_size=size, out=f"out{size}"))
        tables.append({probe: by_model["one"] for probe, by_model in report.summaries.items()})
    for name in ("robustness", "margins"):
        for key, value in tables[0][name].scalars.items():
            assert value == pytest.approx(tables[1][name].scalars[key], rel=1e-5)


def test_a_name_used_for_another_study_shows_the_one_that_ran_last(tiny: dict[str, Any], place: Path) -> None:
    first = run(study_of(tiny, track=True))
    del tiny["probes"]["curvature"]
    second = run(study_of(tiny, track=True))
    assert "curvature" not in (place / "out/tiny/report.md").read_text()
    assert not list((place / "out/tiny/figures").glob("curvature*"))
    assert second.measured == 0
    again = run(first.study)
    assert (again.measured, again.found) == (0, 24)
    assert "curvature" in (place / "out/tiny/report.md").read_text()
    assert all(figure.is_file() for figure in again.figures)


def test_a_probe_that_cannot_summarise_keeps_its_table(tiny: dict[str, Any], place: Path) -> None:
    study = study_of(tiny)
    report = run(replace(study, probes={**study.probes, "curvature": Mute()}))
    assert not report.complete
    assert "nothing to say" in report.problems[0]
    assert "margins" in report.summaries
    assert (place / "out/tiny/tables/curvature-one.parquet").is_file()


def test_a_shard_that_fails_is_reported_and_tried_again_alone(tiny: dict[str, Any], place: Path) -> None:
    study = study_of(tiny)
    first = int(torch.as_tensor(_indices(study))[0])
    report = run(replace(study, probes={**study.probes, "curvature": Picky(sample=first)}))
    assert {outcome.name for outcome in report.failures} == {"one/curvature", "two/curvature"}
    assert all("no curvature today" in outcome.error for outcome in report.failures)
    assert len(stored(place)) == 22
    assert report.summaries["curvature"]["one"].scalars["low_rank_share"] == 1
    again = run(replace(study, probes={**study.probes, "curvature": Picky(sample=first)}))
    assert (again.measured, again.found, len(again.failures)) == (2, 22, 2)


def _indices(study: Study) -> Any:
    from workers.datasets import load

    return load(study.data).indices


def test_every_sample_stands_once_in_the_tables(tiny: dict[str, Any], place: Path) -> None:
    import pyarrow.parquet as pq

    study = study_of(tiny)
    run(study)
    table = pq.read_table(place / "out/tiny/tables/margins-one.parquet")
    assert table.num_rows == 3 * 20
    pairs = set(zip(table["sample"].to_pylist(), table["subspace"].to_pylist(), strict=True))
    assert pairs == {(int(sample), block) for sample in _indices(study) for block in range(3)}


class TestMLflow:
    """One run per study, a child per model x probe, the same after an interruption."""

    def runs(self, place: Path) -> list[Any]:
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("advcore")
        return client.search_runs([experiment.experiment_id], max_results=100)

    def test_everything_is_there(self, tiny: dict[str, Any], place: Path) -> None:
        from mlflow import MlflowClient

        run(study_of(tiny, track=True))
        runs = self.runs(place)
        parents = [entry for entry in runs if "mlflow.parentRunId" not in entry.data.tags]
        assert len(parents) == 1
        assert len(runs) == 1 + 2 * 4
        parent = parents[0]
        assert all(entry.info.status == "FINISHED" for entry in runs)
        assert parent.data.params["data.name"] == "digits"
        assert parent.data.params["run.shard_size"] == "8"
        assert parent.data.metrics["shards_measured"] == 24
        assert {"advcore.study", "advcore.data", "advcore.model.one", "advcore.model.two"} <= set(parent.data.tags)
        assert len(parent.inputs.dataset_inputs) == 1
        client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
        assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} >= {"figures", "report.md", "study.yaml"}
        child = next(entry for entry in runs if entry.info.run_name == "one/margins")
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params["probe.family.size"] == "4"
        assert [point.step for point in client.get_metric_history(child.info.run_id, "median_margin")] == [0, 1, 2]
        assert [entry.path for entry in client.list_artifacts(child.info.run_id, "tables")] == ["tables/margins-one.parquet"]

    def test_an_interrupted_study_goes_on_in_the_same_run(
        self, tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            interrupt_after(3, patch)
            with pytest.raises(KeyboardInterrupt):
                run(study_of(tiny, track=True))
        (before,) = self.runs(place)
        assert before.info.status == "KILLED"
        run(study_of(tiny, track=True))
        after = self.runs(place)
        assert before.info.run_id in {entry.info.run_id for entry in after}
        assert len(after) == 9
        assert {entry.info.status for entry in after} == {"FINISHED"}

    def test_failures_and_seconds_are_those_of_the_whole_study(self, tiny: dict[str, Any], place: Path) -> None:
        from mlflow import MlflowClient

        study = study_of(tiny, track=True)
        picky = Picky(sample=int(_indices(study)[0]))
        failing = replace(study, probes={"curvature": picky})
        run(failing)
        client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
        parent = next(entry for entry in self.runs(place) if "mlflow.parentRunId" not in entry.data.tags)
        assert parent.info.status == "FAILED"
        told = client.download_artifacts(parent.info.run_id, "failures.txt", str(place))
        assert "no curvature today" in Path(told).read_text()
        child = next(entry for entry in self.runs(place) if entry.info.run_name == "one/curvature")
        assert child.data.metrics["shards_failed"] == 1
        assert child.data.metrics["seconds"] > 0
        assert child.data.tags["advcore.workers"]
        assert len(child.inputs.dataset_inputs) == 1

    def warnings(self, place: Path) -> dict[str, dict[str, str]]:
        """The warnings in the tags, by the run's name."""
        tags = {entry.info.run_name: entry.data.tags for entry in self.runs(place)}
        return {name: {tag: value for tag, value in own.items() if "warning" in tag} for name, own in tags.items()}

    def test_warnings_are_tags_of_the_child_and_of_the_parent(self, tiny: dict[str, Any], place: Path) -> None:
        """Logits a million times as large hide cross-entropy, and the driver says so wherever one looks."""
        network = perceptron()
        load_checkpoint(network, place / "one.safetensors")
        with torch.no_grad():
            network[-1].weight *= 1e6
        save_checkpoint(network, place / "one.safetensors", {})
        tiny["probes"] = {"robustness": tiny["probes"]["robustness"]}
        report = run(study_of(tiny, track=True))
        told = report.warnings["saturated_logits"]
        assert set(told) == {"one/robustness"}
        tags = self.warnings(place)
        assert tags["one/robustness"]["advcore.warning.saturated_logits"] == told["one/robustness"]
        assert tags["tiny"]["advcore.warning.saturated_logits"] == f"one/robustness: {told['one/robustness']}"
        assert tags["two/robustness"] == {}
        assert told["one/robustness"] in (place / "out/tiny/report.md").read_text()

    def test_a_warning_that_no_longer_holds_leaves_no_tag(
        self, tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = study_of(tiny, track=True)
        study = replace(study, probes={"curvature": Anxious(sample=int(_indices(study)[0]))})
        monkeypatch.setattr(Anxious, "sentences", {"old": "was so", "kept": "is so"})
        run(study)
        assert set(self.warnings(place)["one/curvature"]) == {"advcore.warning.old", "advcore.warning.kept"}
        assert self.warnings(place)["tiny"]["advcore.warning.old"] == "one/curvature: was so\ntwo/curvature: was so"
        monkeypatch.setattr(Anxious, "sentences", {"kept": "is still so"})
        run(study)
        assert self.warnings(place)["two/curvature"] == {"advcore.warning.kept": "is still so"}
        assert set(self.warnings(place)["tiny"]) == {"advcore.warning.kept"}

    def test_a_second_run_writes_nothing(self, tiny: dict[str, Any], place: Path) -> None:
        run(study_of(tiny, track=True))
        before = [(entry.info.run_id, entry.info.end_time) for entry in self.runs(place)]
        run(study_of(tiny, track=True))
        assert [(entry.info.run_id, entry.info.end_time) for entry in self.runs(place)] == before


@pytest.mark.parametrize("workers", [1, 2])
def test_rays_rows_equal_the_inline_runners_bit_for_bit(tiny: dict[str, Any], place: Path, workers: int) -> None:
    run(study_of(tiny, out="inline"))
    report = run(study_of(tiny, runner="ray", workers=workers, out="ray"))
    assert report.measured == 24
    inline, ray = open_store(str(place / "inline/store")), open_store(str(place / "ray/store"))
    keys = [path.stem for path in (place / "inline/store").rglob("*.parquet")]
    assert len(keys) == 24
    for key in keys:
        a, b = inline.read(key), ray.read(key)
        for name, column in a.items():
            same = (
                torch.equal(column.nan_to_num(7e7), b[name].nan_to_num(7e7))
                if isinstance(column, torch.Tensor)
                else column == b[name]
            )
            assert same, (key, name)
