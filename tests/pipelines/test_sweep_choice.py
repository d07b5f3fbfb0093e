"""Which trial a sweep calls the best: by which number, on which samples, how surely."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sweeps import CLAIM, sweep_of, tiny_sweep

from advcore.pipelines.sweep.choice import chosen_on_test, interval, resampled
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.sweep.metric_names import curves_of, summary_numbers
from advcore.pipelines.sweep.plan import plan_of
from advcore.pipelines.training.loading import load_training
from advcore.shares import wilson
from advcore.workers.datasets import batch
from advcore.workers.errors import InputError
from advcore.workers.models import build
from advcore.workers.shards import Shard
from advcore.workers.training.epoch_loop import accuracy

pytestmark = pytest.mark.usefixtures("one_figure")


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
    network = build(
        replace(ready.training.model, checkpoint=str(report.folder / "best.safetensors"))
    )
    samples = batch(ready.held_out, Shard(0, 40))
    right = accuracy(network, samples.inputs, samples.labels)
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


def test_curves_are_taken_apart_and_put_together_again() -> None:
    numbers = {"a/1": 1.0, "a/2.5": 2.0, "b": 3.0, "c/d/7": 4.0}
    alone, curves = curves_of(numbers)
    assert alone == {"b": 3.0, "c/d/7": 4.0}
    assert curves == {"a": ([1.0, 2.5], [1.0, 2.0])}
