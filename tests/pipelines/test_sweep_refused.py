"""Sweeps that cannot work, refused before any work; and those that come along, which can."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweeps import CLAIM, EPS, sweep_of, tiny_sweep

from advcore.pipelines.settings import schema
from advcore.pipelines.settings.runs import RunSettings
from advcore.pipelines.settings.shipped import shipped_files
from advcore.pipelines.sweep import driver
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.sweep.settings import Sweep
from advcore.workers.errors import InputError


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
        (
            {"claims": {"c": {**CLAIM, "of": {**CLAIM["of"], "model": None}}}},
            "claim c must name a model: all, or NAME=VALUE",
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


@pytest.mark.parametrize("name", shipped_files("sweeps"))
def test_shipped_sweeps_are_in_order(name: str, place: Path) -> None:
    settings = schema.structure(Sweep, schema.load_yaml(shipped_files("sweeps")[name]))
    plan = driver.plan_of(settings)
    driver.check_trial_settings(plan, settings.points())
    assert replace(settings, claims={}) != settings
    assert settings.name == name


def test_an_address_means_ray() -> None:
    assert sweep_of(tiny_sweep(run={"runner": "inline", "address": "auto"})).run.runner == "ray"
    assert RunSettings(address="host:1").runner == "ray"
    assert RunSettings().runner == "inline"
