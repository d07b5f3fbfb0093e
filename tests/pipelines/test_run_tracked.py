"""What MLflow holds of a study: one run, a child per model x probe, the same after an
interruption.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from studies import Picky, indices, interrupt_after, study_of

from advcore.networks import perceptron
from advcore.pipelines.graph.running.driver import run_study
from advcore.workers.checkpoints import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Anxious(Picky):
    """Fails as Picky does, and warns of what it has measured."""

    sentences: ClassVar[dict[str, str]] = {}

    def summarise(self, table: Any) -> Any:
        return replace(super().summarise(table), warnings=self.sentences)


class TestMLflow:
    """One run per study, a child per model x probe, the same after an interruption."""

    def runs(self, place: Path) -> list[Any]:
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("advcore")
        return client.search_runs([experiment.experiment_id], max_results=100)

    def test_everything_is_there(self, tiny: dict[str, Any], place: Path) -> None:
        tiny["run"]["figures"] = "png"
        from mlflow import MlflowClient

        run_study(study_of(tiny, track=True))
        runs = self.runs(place)
        parents = [entry for entry in runs if "mlflow.parentRunId" not in entry.data.tags]
        assert len(parents) == 1
        assert len(runs) == 1 + 2 * 4
        parent = parents[0]
        assert all(entry.info.status == "FINISHED" for entry in runs)
        assert parent.data.params["data.name"] == "digits"
        assert parent.data.params["run.shard_size"] == "8"
        assert parent.data.metrics["shards_measured"] == 24
        assert parent.data.metrics["shards_repeated"] == 0
        assert {"advcore.study", "advcore.data", "advcore.model.one", "advcore.model.two"} <= set(
            parent.data.tags
        )
        assert len(parent.inputs.dataset_inputs) == 1
        client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
        assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} >= {
            "figures",
            "report.md",
            "study.yaml",
        }
        child = next(entry for entry in runs if entry.info.run_name == "one/margins")
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params["probe.family.size"] == "4"
        names = list(child.data.metrics)
        assert max(map(names.index, ("found", "median_margin/last"))) < names.index("shards")
        assert [
            point.step for point in client.get_metric_history(child.info.run_id, "median_margin")
        ] == [0, 1, 2]
        assert [
            entry.path for entry in client.list_artifacts(child.info.run_id, "tables/margins")
        ] == ["tables/margins/one.parquet"]

    def test_an_interrupted_study_goes_on_in_the_same_run(
        self, tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            interrupt_after(3, patch)
            with pytest.raises(KeyboardInterrupt):
                run_study(study_of(tiny, track=True))
        (before,) = self.runs(place)
        assert before.info.status == "KILLED"
        run_study(study_of(tiny, track=True))
        after = self.runs(place)
        assert before.info.run_id in {entry.info.run_id for entry in after}
        assert len(after) == 9
        assert {entry.info.status for entry in after} == {"FINISHED"}

    def test_failures_and_seconds_are_those_of_the_whole_study(
        self, tiny: dict[str, Any], place: Path
    ) -> None:
        from mlflow import MlflowClient

        study = study_of(tiny, track=True)
        picky = Picky(sample=int(indices(study)[0]))
        failing = replace(study, probes={"curvature": picky})
        run_study(failing)
        client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
        parent = next(
            entry for entry in self.runs(place) if "mlflow.parentRunId" not in entry.data.tags
        )
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
        return {
            name: {tag: value for tag, value in own.items() if "warning" in tag}
            for name, own in tags.items()
        }

    def test_warnings_are_tags_of_the_child_and_of_the_parent(
        self, tiny: dict[str, Any], place: Path
    ) -> None:
        """Logits a million times as large hide cross-entropy, and the driver says so wherever one
        looks.
        """
        network = perceptron()
        load_checkpoint(network, place / "one.safetensors")
        with torch.no_grad():
            network[-1].weight *= 1e6
        save_checkpoint(network, place / "one.safetensors", {})
        tiny["probes"] = {"robustness": tiny["probes"]["robustness"]}
        report = run_study(study_of(tiny, track=True))
        told = report.warnings["saturated_logits"]
        assert set(told) == {"one/robustness"}
        tags = self.warnings(place)
        assert tags["one/robustness"]["advcore.warning.saturated_logits"] == told["one/robustness"]
        assert (
            tags["tiny"]["advcore.warning.saturated_logits"]
            == f"one/robustness: {told['one/robustness']}"
        )
        assert set(tags["two/robustness"]) == {"advcore.warning.at_chance"}
        assert told["one/robustness"] in (place / "out/tiny/report.md").read_text()

    def test_a_warning_that_no_longer_holds_leaves_no_tag(
        self, tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = study_of(tiny, track=True)
        study = replace(study, probes={"curvature": Anxious(sample=int(indices(study)[0]))})
        monkeypatch.setattr(Anxious, "sentences", {"old": "was so", "kept": "is so"})
        run_study(study)
        chance = "advcore.warning.at_chance"  # the networks are fresh
        assert set(self.warnings(place)["one/curvature"]) == {
            "advcore.warning.old",
            "advcore.warning.kept",
            chance,
        }
        assert (
            self.warnings(place)["tiny"]["advcore.warning.old"]
            == "one/curvature: was so\ntwo/curvature: was so"
        )
        monkeypatch.setattr(Anxious, "sentences", {"kept": "is still so"})
        run_study(study)
        assert set(self.warnings(place)["two/curvature"]) == {"advcore.warning.kept", chance}
        assert self.warnings(place)["two/curvature"]["advcore.warning.kept"] == "is still so"
        assert set(self.warnings(place)["tiny"]) == {"advcore.warning.kept", chance}

    def test_a_second_run_writes_nothing(self, tiny: dict[str, Any], place: Path) -> None:
        run_study(study_of(tiny, track=True))
        before = [(entry.info.run_id, entry.info.end_time) for entry in self.runs(place)]
        run_study(study_of(tiny, track=True))
        assert [(entry.info.run_id, entry.info.end_time) for entry in self.runs(place)] == before
