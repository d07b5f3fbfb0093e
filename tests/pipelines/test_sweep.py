"""Sweeps in this process: trials, resumption, budgets, failures, what is refused, what MLflow
holds.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from mlflow_store import client
from read_only import read_only
from sweeps import CLAIM, EPS, results, sweep_of, tiny_sweep, with_term

from advcore.pipelines.cli import main
from advcore.pipelines.settings import schema
from advcore.pipelines.sweep import driver
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.settings import Sweep
from advcore.workers.checkpoints import read_metadata, read_weights
from advcore.workers.errors import InputError

pytestmark = pytest.mark.usefixtures("one_figure")


def interrupt_after(reports: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the sweep stop as Ctrl-C stops it, after so many epochs."""
    whole, count = Journal.reported, iter(range(reports))

    def part(self: Journal, *arguments: Any) -> None:
        whole(self, *arguments)
        if next(count, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "reported", part)


def test_a_sweep_trains_measures_and_reports(place: Path) -> None:
    report = sweep(sweep_of(tiny_sweep(claims={"right": CLAIM})))
    assert (report.complete, report.ran, len(report.trials)) == (True, 2, 2)
    assert report.best is max(
        report.trials, key=lambda trial: trial.metrics["robustness/robust_accuracy/worst/0.2"]
    )
    folder = place / "out/tiny"
    table = pq.read_table(folder / "trials.parquet").to_pydict()
    assert table["eps"] == [0.1, 0.5]
    assert table["epoch"] == [3, 3]
    assert table["robustness/accuracy"] == [
        trial.metrics["robustness/accuracy"] for trial in report.trials
    ]
    weights = read_weights(folder / "best.safetensors")
    assert (
        weights.keys()
        == (own := read_weights(folder / "models" / f"{report.best.key}.safetensors")).keys()
    )
    assert all(torch.equal(weights[name], own[name]) for name in own)
    words = read_metadata(folder / "best.safetensors")
    score = json.loads(words["advcore.score"])
    assert score["value"] == report.best.metrics[report.sweep.metric or ""]
    assert score["interval"][0] <= score["value"] <= score["interval"][1]
    assert (words["advcore.architecture"], words["advcore.mean"], words["advcore.sweep"]) == (
        "perceptron",
        "null",
        "tiny",
    )
    assert (
        json.loads(words["advcore.recipe"])["objective"]["adversarial"]["attack"]["eps"]
        == report.best.point[EPS]
    )
    assert report.claims["right"].value == table["robustness/accuracy"][1]  # type: ignore[union-attr]
    assert schema.structure(Sweep, schema.load_yaml(folder / "sweep.yaml")) == report.sweep
    assert (folder / "figures/pareto.png").is_file()


def test_a_finished_sweep_on_a_disk_that_may_only_be_read_is_shown(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Moved there, too; what is not all there is refused as anything that cannot be written."""
    mapping = tiny_sweep(claims={"right": CLAIM})
    written = sweep(sweep_of(mapping))
    shutil.move(place / "out", archive := place / "archive")
    other = tiny_sweep(space={EPS: {"grid": [0.1, 0.5, 1.0]}})
    with read_only(archive):
        shown = sweep(sweep_of(mapping, out=str(archive)))
        told = capsys.readouterr().err
        assert "everything is measured, but the results cannot be written again" in told
        assert (shown.complete, shown.ran, shown.text) == (True, 0, written.text)
        assert (shown.folder, shown.trials) == (archive / "tiny", written.trials)
        assert shown.figures == [archive / "tiny" / "figures" / written.figures[0].name]
        with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\)"):
            sweep(sweep_of(other, out=str(archive)))
    (archive / "tiny/models" / f"{written.trials[0].key}.safetensors").unlink()
    with (
        read_only(archive),
        pytest.raises(InputError, match=r"cannot be written \(Read-only file system\)"),
    ):
        sweep(sweep_of(mapping, out=str(archive)))


def test_trials_that_learnt_nothing_are_warned_of(place: Path) -> None:
    mapping = tiny_sweep()
    mapping["recipe"]["recipe"] |= {"epochs": 1, "learning_rate": 1e-9}
    report = sweep(sweep_of(mapping))
    for trial in report.trials:
        assert (
            "is no better than that of a network which always answers the most"
            in trial.warnings["robustness.at_chance"]
        )
    assert "robustness.at_chance: the accuracy" in (place / "out/tiny/report.md").read_text()


def test_a_trial_at_eps_0_is_plain_training(place: Path) -> None:
    attacked = sweep(sweep_of(tiny_sweep(space={EPS: {"grid": [0, 0.5]}}), out="attacked"))
    recipe = tiny_sweep()["recipe"]
    plain = {
        **recipe,
        "recipe": {**recipe["recipe"], "objective": {"adversarial": {"kind": "cross_entropy"}}},
    }
    weight = {"recipe.objective.adversarial.weight": {"grid": [1.0]}}
    control = sweep(sweep_of(tiny_sweep(recipe=plain, space=weight), out="plain"))
    files = [
        read_weights(report.folder / f"models/{report.trials[0].key}.safetensors")
        for report in (attacked, control)
    ]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    assert (
        attacked.trials[0].metrics["loss"]
        == control.trials[0].metrics["loss"]
        != attacked.trials[1].metrics["loss"]
    )


def test_a_second_run_trains_nothing_and_more_points_only_those(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sweep(sweep_of(tiny_sweep()))
    with monkeypatch.context() as patch:
        patch.setattr(driver, "reports", None)
        again = sweep(sweep_of(tiny_sweep()))
    assert (again.ran, again.trials) == (0, first.trials)
    more = sweep(sweep_of(tiny_sweep(space={EPS: {"grid": [0.1, 0.3, 0.5]}})))
    assert more.ran == 1
    assert [trial.point[EPS] for trial in more.trials] == [0.1, 0.3, 0.5]


def test_another_probe_is_measured_without_training(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(sweep_of(tiny_sweep()))
    monkeypatch.setattr("advcore.training.TrainingLoop.epoch", None)
    report = sweep(
        sweep_of(
            tiny_sweep(
                probes={"curvature": {"kind": "curvature"}}, metric="curvature/mean_top_eigenvalue"
            )
        )
    )
    assert (report.ran, report.complete) == (2, True)


def test_an_interrupted_sweep_goes_on_and_ends_as_an_undisturbed_one(
    place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After four of six epochs; in MLflow each epoch stands once, and no run is left running."""
    claims = {"own": {"kind": "studies:Warned"}}
    sweep(sweep_of(tiny_sweep(claims=claims), out="undisturbed"))
    tracked = sweep_of(tiny_sweep(claims=claims), out=str(folder), track=True)
    with monkeypatch.context() as patch:
        interrupt_after(4, patch)
        with pytest.raises(KeyboardInterrupt):
            sweep(tracked)
    mlflow = client(folder)
    experiment = mlflow.get_experiment_by_name("advcore-sweeps").experiment_id
    statuses = [run.info.status for run in mlflow.search_runs([experiment])]
    assert sorted(statuses) == ["FINISHED", "KILLED", "KILLED"]
    report = sweep(tracked)
    assert report.ran == 1
    assert results(folder / "tiny") == results(place / "undisturbed/tiny")
    runs = {
        run.data.tags.get("advcore.trial", "parent"): run
        for run in mlflow.search_runs([experiment])
    }
    assert len(runs) == len(mlflow.search_runs([experiment])) == 3
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert (
        runs["parent"].data.tags["advcore.warning.few_samples"]
        == "claim own: one sample carries all of a mean"
    )
    tags = runs["parent"].data.tags
    assert tags["advcore.claim.own"] == "1, 95 % 0.5 to 2: undecided (1 coin)"
    assert tags["mlflow.note.content"].startswith("# tiny")
    assert "## Trials" in tags["mlflow.note.content"]
    uses = [
        (used.dataset.name, used.tags[0].value) for used in runs["parent"].inputs.dataset_inputs
    ]
    assert uses == [("digits", "training")]
    assert [name for name in runs["parent"].data.metrics if name.startswith("claim")] == [
        "claim/own"
    ]
    assert (
        mlflow.get_experiment(experiment).tags["mlflow.experimentKind"]
        == "custom_model_development"
    )
    for trial in report.trials:
        run = runs[trial.key]
        assert run.data.params[EPS] == str(trial.point[EPS])
        assert run.data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
        assert [point.step for point in mlflow.get_metric_history(run.info.run_id, "loss")] == [
            1,
            2,
            3,
        ]
        assert run.data.metrics["robustness/accuracy"] == trial.metrics["robustness/accuracy"]
        curve = mlflow.get_metric_history(run.info.run_id, "robustness/robust_accuracy/worst")
        wanted = [trial.metrics[f"robustness/robust_accuracy/worst/{eps}"] for eps in (0, 0.2, 0.4)]
        assert [point.value for point in sorted(curve, key=lambda point: point.step)] == wanted
        metric = "robustness/robust_accuracy/worst/0.2"
        assert run.data.metrics[metric] == trial.metrics[metric]  # the best one is chosen by it
        assert "robustness/robust_accuracy/worst/0.4" not in run.data.metrics
        files = [file.path for file in mlflow.list_artifacts(run.info.run_id, "checkpoint")]
        assert files == [f"checkpoint/{trial.key}{end}" for end in (".json", ".safetensors")]
    assert report.best is not None
    versions = mlflow.search_model_versions("name = 'tiny'")
    assert [version.run_id for version in versions] == [runs[report.best.key].info.run_id]
    words = read_metadata(folder / "tiny/best.safetensors")
    assert words["advcore.run"] == versions[0].tags["advcore.run"] == versions[0].run_id
    assert words["advcore.score"] == versions[0].tags["advcore.score"]
    assert f"The best of sweep `tiny`: `{metric}` " in versions[0].description
    sweep(tracked)
    assert read_metadata(folder / "tiny/best.safetensors") == words
    assert len(mlflow.search_runs([experiment])) == 3
    assert len(mlflow.search_model_versions("name = 'tiny'")) == 1


def test_a_trial_that_fails_leaves_the_others_alone(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = with_term(tiny_sweep(), kind="sweeps:Failing")
    settings["space"] = {"recipe.objective.extra.weight": {"grid": [2, 1]}}
    report = sweep(sweep_of(settings))
    assert [trial.status for trial in report.trials] == ["failed", "finished"]
    assert report.problems == ["trial 1 (weight=2) failed: ArithmeticError: two is too much"]
    assert sweep(sweep_of(settings)).ran == 1


def test_a_training_that_diverges_is_a_failed_trial(place: Path) -> None:
    report = sweep(
        sweep_of(
            tiny_sweep(
                space={
                    "recipe.learning_rate": {"grid": [1e30]},
                    "recipe.gradient_clip": {"grid": [None]},
                }
            )
        )
    )
    assert [trial.status for trial in report.trials] == ["failed"]
    assert "FloatingPointError: the objective is" in report.problems[0]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"time_budget_s": 1e-9}, "run.time_budget_s is spent"),
        ({"cost": 1e-9, "cost_per_hour": 5.0}, "run.cost is spent"),
    ],
)
def test_a_budget_stops_the_trials_and_the_next_run_goes_on(
    place: Path, limit: dict[str, float], words: str
) -> None:
    first = sweep(sweep_of(tiny_sweep(), **limit))
    assert words in first.problems[0]
    assert {trial.status for trial in first.trials} <= {"interrupted", "waiting"}
    assert sweep(sweep_of(tiny_sweep())).complete


def test_the_command_runs_and_refuses(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "tiny.yaml").write_text(json.dumps(tiny_sweep()))
    assert main(["sweep", "tiny.yaml", "--set", "metric=test_accuracy", "--set", "probes={}"]) == 0
    told = capsys.readouterr()
    assert "Best: trial " in told.out
    assert "tiny:   1  eps=0.1  finished  epoch 3  test_accuracy" in told.err
    assert main(["sweep", "tiny.yaml", "--concurrent", "0"]) == 2
    assert "run.concurrent" in capsys.readouterr().err
    assert main(["sweep", "nothing"]) == 2
