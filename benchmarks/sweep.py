"""The cost of a sweep's trial beyond its training; two side by side or one after the other."""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.driver import Budget
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.plan import Plan, plan_of
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import Point
from advcore.pipelines.sweep.trial import reports
from advcore.pipelines.tracking.record import NullRun
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.stores.store import open_store
from benchmarks.setting import machine

EPOCHS, TRIALS = 4, 6


def settings(out: str, concurrent: int) -> Sweep:
    """LeNet on 4,000 digits, adversarially trained, and no probes: trials of some seconds on one
    thread each.
    """
    attack = {"kind": "pgd", "norm": "l2", "eps": 1.5, "steps": 3}
    mapping: dict[str, Any] = {
        "name": f"bench{concurrent}",
        "recipe": {
            "model": {"architecture": "lenet"},
            "data": {"name": "mnist5k", "split": "train"},
            "recipe": {
                "objective": {"adversarial": {"kind": "adversarial", "attack": attack}},
                "epochs": EPOCHS,
            },
        },
        "space": {"recipe.seed": {"grid": list(range(TRIALS))}},
        "run": {"concurrent": concurrent, "out": out, "track": False},
    }
    return schema.structure(Sweep, mapping)


def on_ray(plan: Plan, points: list[Point]) -> float:
    """Seconds of these trials on a Ray that is there; the first two trials' actors are started in
    that time.
    """
    from advcore.pipelines.sweep import ray_tune

    out = Path(plan.sweep.run.out)
    journal = Journal(out / plan.sweep.name, plan, NullRun(), lambda journal: None)
    for point in points:
        journal.expect(point)
    place = ray_tune.Place(
        plan.sweep.run, str(out / "storage"), plan.sweep.scheduler, Budget(plan, journal)
    )
    start = time.perf_counter()
    ray_tune.run_trials(plan, points, journal, place)
    if any(trial.status != "finished" for trial in journal.trials.values()):
        raise RuntimeError(
            "every trial should have finished, got "
            f"{[trial.error for trial in journal.trials.values()]}"
        )
    return time.perf_counter() - start


def bare(plan: Plan, points: list[Point]) -> float:
    """Seconds of the same trials in this process, without Ray and without a journal."""
    start = time.perf_counter()
    for number, point in enumerate(points):
        for _ in reports(plan, point, Path(plan.sweep.run.out) / f"bare{number}"):
            pass
    return time.perf_counter() - start


def warm(plan: Plan, points: list[Point]) -> float:
    """Seconds beyond the first trials, which start their actors."""
    first = plan.sweep.run.concurrent
    few = replace(plan, sweep=replace(plan.sweep, name=f"{plan.sweep.name}-few"))
    return on_ray(plan, points) - on_ray(few, points[:first])


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as out:
        open_store(f"{out}/store")
        plans = {concurrent: plan_of(settings(out, concurrent)) for concurrent in (1, 2)}
        points = plans[1].sweep.points()
        with RayPool(f"{out}/store", 2).session():
            both = warm(plans[2], points)
            single = warm(plans[1], points[: TRIALS // 2 + 1]) / (TRIALS // 2)
        alone = bare(plans[1], points[1:3]) / 2
    pair = both / (TRIALS - 2)
    print(
        f"trials of a sweep, LeNet, {EPOCHS} epochs of PGD-3 on 4,000 digits ({machine()}, "
        f"{os.cpu_count()} cores; a thread each)"
    )
    print(f"  in this process               {alone:6.2f} s a trial")
    print(
        f"  on Ray Tune, one at a time    {single:6.2f} s a trial, {single - alone:.2f} s beyond it"
    )
    print(
        f"  on Ray Tune, two at a time    {pair:6.2f} s a trial, {single / pair:.2f} times the "
        "throughput of one at a time"
    )


if __name__ == "__main__":
    sys.exit(main())
