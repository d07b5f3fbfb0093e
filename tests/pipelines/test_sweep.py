"""Sweeps in this process: trials, resumption, budgets, failures, what is refused, what MLflow
holds.
"""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from mlflow_store import client
from read_only import read_only
from sweeps import EPS, results, sweep_of, tiny_sweep, with_term

from advcore.pipelines.cli import main
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.runs import RunSettings
from advcore.pipelines.settings.shipped import shipped_files
from advcore.pipelines.sweep import driver, report
from advcore.pipelines.sweep.choice import chosen_on_test, interval, resampled
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.metric_names import curves_of, summary_numbers
from advcore.pipelines.sweep.plan import plan_of
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.trials_charts import charts
from advcore.pipelines.training.epoch_loop import accuracy
from advcore.pipelines.training.loading import load_training
from advcore.shares import wilson
from advcore.workers.checkpoints import read_metadata, read_weights
from advcore.workers.datasets import batch
from advcore.workers.errors import InputError
from advcore.workers.models import build
from advcore.workers.shards import Shard

CLAIM = {
    "kind": "level",
    "says": "some are classified right",
    "of": {
        "probe": "robustness",
        "model": "eps=0.5",
        "column": "broken_at",
        "above": 0.0,
        "statistic": "mean",
    },
}


@pytest.fixture(autouse=True)
def _one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest; `test_trials.py` draws them all."""
    monkeypatch.setattr(report, "charts", lambda *arguments: charts(*arguments)[:1])


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
            "is no better than always to answer the most frequent class"
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
    monkeypatch.setattr("advcore.training.Fit.epoch", None)
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"metric": "robustnes"},
            "sweep.metric: 'robustnes' will be no number of any trial; did you mean 'robustness",
        ),
        (
            {"metric": "robustness/robust_accuracy/worst/0.3"},
            "did you mean .robustness/robust_accuracy/worst/0.4.",
        ),
        ({"metric": "test_acuracy"}, "did you mean 'test_accuracy'"),
        (
            {"tradeoff": ["robustness/accuracy", "robustness/nothing"]},
            "sweep.tradeoff: 'robustness/nothing' will be no number",
        ),
        ({"metric": "validation/accuracy"}, "'validation/accuracy' will be no number of any trial"),
    ],
)
def test_a_metric_that_nobody_will_have_is_refused_before_the_first_trial(
    place: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        sweep(sweep_of(tiny_sweep(**changes)))
    assert not (place / "out/tiny").exists()


def test_numbers_of_a_name_compare_as_numbers() -> None:
    own = sweep_of(
        tiny_sweep(
            metric="robustness/robust_accuracy/worst/0.20",
            tradeoff=["robustness/accuracy", "a/b/1.0"],
        )
    )
    assert own.metric == "robustness/robust_accuracy/worst/0.2"
    assert own.tradeoff == ("robustness/accuracy", "a/b/1")


def test_without_a_finite_metric_all_else_is_reported(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "advcore.pipelines.sweep.trial.summary_numbers",
        lambda summary: {**summary_numbers(summary), "robust_accuracy/worst/0.2": math.nan},
    )
    report = sweep(sweep_of(tiny_sweep(claims={"right": CLAIM})))
    assert report.complete
    assert report.best is None
    assert "no finite number of any trial, so there is no best one" in report.warnings["no_best"]
    assert report.warnings["no_best"] in (place / "out/tiny/report.md").read_text()
    assert report.claims["right"].value >= 0  # type: ignore[union-attr]


def test_the_best_trial_is_chosen_on_samples_held_out_and_reported_on_others(place: Path) -> None:
    report = sweep(sweep_of(tiny_sweep(validation=40)))
    metric = "robustness/robust_accuracy/worst/0.2"
    assert report.best is max(
        report.trials, key=lambda trial: trial.metrics[f"validation/{metric}"]
    )
    plan = plan_of(report.sweep)
    ready = load_training(plan.at(report.best.point))
    assert ready.held_out is not None
    assert (len(ready.data), len(ready.held_out)) == (160, 40)
    assert not set(ready.data.indices) & set(ready.held_out.indices)
    network = build(replace(ready.model, checkpoint=str(report.folder / "best.safetensors")))
    samples = batch(ready.held_out, Shard(0, 40))
    right = accuracy(network, samples.images, samples.labels)
    assert report.best.metrics["validation/robustness/accuracy"] == pytest.approx(right)
    assert report.warnings == {}
    assert report.choice is not None
    low, high = wilson(round(12 * report.best.metrics[metric]), 12)
    assert (report.choice.low, report.choice.high) == (low, high)
    said = (place / "out/tiny/report.md").read_text()
    assert f"the max of validation/{metric}" in said
    assert "on samples held out of training" in said
    assert sweep(sweep_of(tiny_sweep(validation=40))).ran == 0


def test_a_choice_on_test_samples_is_warned_of_and_ties_are_told(place: Path) -> None:
    report = sweep(
        sweep_of(
            tiny_sweep(
                space={"recipe.seed": {"grid": [1, 2]}},
                metric="robustness/robust_accuracy/worst/0.4",
            )
        )
    )
    assert "on test samples, and reported by the same number" in report.warnings["chosen_on_test"]
    assert report.choice is not None
    one, other = (trial.metrics["robustness/robust_accuracy/worst/0.4"] for trial in report.trials)
    assert bool(report.choice.tied) == (one == other)
    assert chosen_on_test(plan_of(sweep_of(tiny_sweep(validation=40)))) == ""
    assert chosen_on_test(plan_of(sweep_of(tiny_sweep(metric="loss")))) == ""
    assert "test_accuracy on test samples" in chosen_on_test(
        plan_of(sweep_of(tiny_sweep(metric="test_accuracy")))
    )


def test_validation_twice_is_refused(place: Path) -> None:
    mapping = tiny_sweep(validation=40)
    mapping["recipe"]["validation"] = {"samples": 40}
    with pytest.raises(InputError, match="the recipe holds samples out already"):
        sweep(sweep_of(mapping))


def test_a_number_that_is_no_share_has_a_bootstrap_interval() -> None:
    own = sweep_of(
        tiny_sweep(
            probes={
                "margins": {"kind": "margins", "family": {"kind": "dct", "size": 8, "stride": 1}}
            },
            metric=None,
        )
    )
    distance = torch.rand(60, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    table = {
        "sample": torch.arange(60),
        "subspace": torch.zeros(60, dtype=torch.int64),
        "distance": distance,
    }
    table |= {
        "found": torch.ones(60, dtype=torch.bool),
        "label": torch.zeros(60, dtype=torch.int64),
    }
    name = "margins/median_margin/0"
    low, high = interval(own, name, {name: distance.median().item()}, table)
    assert low is not None
    assert high is not None
    assert 0 < low < distance.median() < high < 1


@pytest.mark.parametrize("layout", ["by sample", "by index"])
def test_resampled_tables_keep_the_rows_of_a_sample_together(layout: str) -> None:
    sample = (
        torch.arange(5).repeat_interleave(3) if layout == "by sample" else torch.arange(5).repeat(3)
    )
    index = (
        torch.arange(3).repeat(5) if layout == "by sample" else torch.arange(3).repeat_interleave(5)
    )
    drawn = resampled(
        {
            "sample": sample,
            "index": index,
            "was": sample,
            "word": [str(i) for i in sample.tolist()],
        },
        torch.Generator(),
    )
    assert torch.equal(drawn["sample"], sample)
    assert torch.equal(drawn["index"], index)
    was = torch.as_tensor(drawn["was"])
    assert all(len(set(was[sample == i].tolist())) == 1 for i in range(5))
    assert drawn["word"] == [str(i) for i in was.tolist()]
    with pytest.raises(
        ValueError, match="expected as many rows of each of 2 samples, got 3 in all"
    ):
        resampled({"sample": torch.tensor([0, 0, 1])}, torch.Generator())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spaces": {}}, "unknown key 'spaces'; did you mean 'space'"),
        (
            {"space": {"recipe.objectiv.eps": {"grid": [1]}}},
            "with recipe.objectiv.eps = 1: training.recipe: unknown key 'objectiv'",
        ),
        ({"space": {EPS: {"grid": [-1]}}}, "eps = -1: training.recipe.objective.*eps"),
        (
            {"space": {"model.architecture.x": {"grid": [1]}}},
            "sweep.space.model.architecture.x: expected a mapping or a list",
        ),
        (
            {"space": {EPS: {"grid": ["x"]}, "recipe.learning_rate": {"product": [2, EPS]}}},
            "sweep.space: .* is a product of numbers",
        ),
        ({"space": {EPS: {"uniform": [0, 1]}}, "trials": 0}, "trials must be at least 1; got 0"),
        ({"data": None}, "probes need data"),
        (
            {"data": {"name": "digits", "split": "train", "samples": 5}},
            "samples that are measured are those that the models learn",
        ),
        (
            {"scheduler": {"kind": "pbt", "metric": "loss", "interval": 0}},
            "interval must be at least 1 epoch; got 0",
        ),
        (
            {"scheduler": {"kind": "pbt", "metric": "loss", "share": 0.6}},
            r"share must lie in \(0, 0.5\] .*; got 0.6 and 0.25",
        ),
        (
            {
                "scheduler": {"kind": "pbt", "metric": "loss"},
                "space": {"recipe.seed": {"grid": [1, 2]}},
            },
            (
                "pbt changes numbers of recipe.objective, .* the space has none of them; it "
                "has recipe.seed"
            ),
        ),
        (
            {
                "scheduler": {"kind": "pbt", "metric": "loss"},
                "space": {EPS: {"grid": [1, 2]}, "watch.eps": {"same_as": EPS}},
            },
            (
                "watch.eps follows from a setting that pbt changes, and cannot change in a "
                "training: leave it out"
            ),
        ),
        (
            {"scheduler": {"kind": "asha", "metric": "loss", "grace": 0}},
            "grace must be at least 1 and reduction above 1; got 0",
        ),
        (
            {"scheduler": {"kind": "median", "metric": "loss", "least": 0}},
            "grace and least must be at least 1; got 1 and 0",
        ),
        (
            {"scheduler": {"kind": "asha", "metric": "robustness/accuracy"}},
            "robustness/accuracy is a probe's, known after the last",
        ),
        (
            {"scheduler": {"kind": "asha", "metric": "loss"}},
            "run.runner inline runs one trial at a time",
        ),
        (
            {"claims": {"c": {**CLAIM, "of": {**CLAIM["of"], "probe": "p"}}}},
            "claim c names the probe 'p'; known: robustness",
        ),
        (
            {"claims": {"c": {**CLAIM, "of": {**CLAIM["of"], "model": "m"}}}},
            "claim c names the model 'm'; known: all, eps=VALUE",
        ),
        ({"run": {"concurrent": 0}}, "run.concurrent must be at least 1; got 0"),
        ({"run": {"gpus": 2}}, r"run.gpus must lie in \[0, 1\]"),
        ({"run": {"cost": 3}}, "run.cost is counted by run.cost_per_hour"),
        ({"run": {"cost": 3, "cost_per_hour": 0}}, "run.cost_per_hour must be positive; got 0"),
        ({"run": {"gpu_hours": 3}}, "run.gpu_hours counts GPUs, and run.gpus is 0"),
        ({"run": {"runner": "inline", "gpus": 0.5}}, "run.gpus is for runner: ray"),
        ({"run": {"storage": "ftp://x"}}, "run.storage is a folder, or s3://BUCKET/PREFIX"),
        (
            {"run": {"runner": "ray", "storage": "s3://key:word@bucket/x"}},
            r"run.storage must be s3://BUCKET/KEY, without cred",
        ),
        (
            {"run": {"store": "s3://bucket/../x"}},
            "store needs a key of names between single slashes",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(
    place: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        sweep(sweep_of(tiny_sweep(**changes)))
    assert not (place / "out/tiny").exists()


def test_optuna_wants_its_package_a_metric_and_no_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = {"searcher": {"kind": "optuna"}}
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(InputError, match="needs the package optuna: pip install optuna"):
            sweep_of(tiny_sweep(**optuna))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(
        InputError, match=f"the searcher optuna has no grids or cases: make {EPS} a choice"
    ):
        sweep_of(tiny_sweep(**optuna))
    with pytest.raises(InputError, match="the searcher optuna needs a metric"):
        sweep_of(tiny_sweep(**optuna, metric=None))


def test_the_command_runs_and_refuses(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "tiny.yaml").write_text(json.dumps(tiny_sweep()))
    assert main(["sweep", "tiny.yaml", "--set", "metric=test_accuracy", "--set", "probes={}"]) == 0
    told = capsys.readouterr()
    assert "Best: trial " in told.out
    assert "tiny:   1  eps=0.1  finished  epoch 3  test_accuracy" in told.err
    assert main(["sweep", "tiny.yaml", "--concurrent", "0"]) == 2
    assert "run.concurrent" in capsys.readouterr().err
    assert main(["sweep", "nothing"]) == 2


@pytest.mark.parametrize("name", shipped_files("sweeps"))
def test_shipped_sweeps_are_in_order(name: str, place: Path) -> None:
    settings = schema.structure(Sweep, schema.load_yaml(shipped_files("sweeps")[name]))
    plan = driver.plan_of(settings)
    driver.check_trial_settings(plan, settings.points())
    assert replace(settings, claims={}) != settings
    assert settings.name == name


def test_curves_are_taken_apart_and_put_together_again() -> None:
    numbers = {"a/1": 1.0, "a/2.5": 2.0, "b": 3.0, "c/d/7": 4.0}
    alone, curves = curves_of(numbers)
    assert alone == {"b": 3.0, "c/d/7": 4.0}
    assert curves == {"a": ([1.0, 2.5], [1.0, 2.0])}


def test_an_address_means_ray() -> None:
    assert sweep_of(tiny_sweep(run={"runner": "inline", "address": "auto"})).run.runner == "ray"
    assert RunSettings(address="host:1").runner == "ray"
    assert RunSettings().runner == "inline"
