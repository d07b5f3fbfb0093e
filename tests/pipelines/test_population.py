"""Population-based training: how settings move, and that a network can be trained again from what
it came of.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sweeps import EPS, sweep_of, tiny_sweep

from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.plan import plan_of
from advcore.pipelines.sweep.population import check_population, explored
from advcore.pipelines.sweep.space import Domain
from advcore.pipelines.sweep.trial import TrialReport, reports
from advcore.pipelines.training.epoch_loop import epochs
from advcore.pipelines.training.settings import Training

DECAY = "recipe.weight_decay"
PBT = {"kind": "pbt", "metric": "test_accuracy", "interval": 1}


def test_settings_move_a_little_or_are_drawn_anew_inside_their_domains() -> None:
    space = {
        "recipe.learning_rate": Domain(loguniform=(0.01, 1.0)),
        DECAY: Domain(grid=(0.0, 1e-4, 1e-3)),
        "recipe.objective.a.steps": Domain(randint=(1, 9)),
        "recipe.objective.a.eps": Domain(quniform=(0.25, 1.0, 0.25)),
        "recipe.seed": Domain(grid=(1, 2)),
    }
    check_population(space)
    point = dict(zip(space, (0.9, 1e-4, 4, 0.5, 1), strict=True))
    random = np.random.default_rng(0)
    near = [explored(space, point, random, 0.0) for _ in range(50)]
    assert sorted({new["recipe.learning_rate"] for new in near}) == [pytest.approx(0.72), 1.0]
    assert {new[DECAY] for new in near} == {0.0, 1e-3}
    assert {new["recipe.objective.a.steps"] for new in near} == {3, 5}
    assert {new["recipe.objective.a.eps"] for new in near} == {0.25, 0.75}
    assert {new["recipe.seed"] for new in near} == {1}
    anew = [explored(space, point, random, 1.0) for _ in range(50)]
    assert len({new["recipe.learning_rate"] for new in anew}) == 50
    assert {new[DECAY] for new in anew} == {0.0, 1e-4, 1e-3}


def _reports(plan: object, point: dict[str, object], folder: Path, count: int) -> list[TrialReport]:
    found = []
    for report in reports(plan, point, folder):  # type: ignore[arg-type]
        found.append(report)
        if len(found) == count:
            break
    return found


def test_a_network_is_trained_again_from_its_json_bit_for_bit(place: Path) -> None:
    """Two epochs at one point, the rest at another, as where a trial goes on from the state of a
    better one.
    """
    space = {EPS: {"grid": [0.1, 0.5]}, DECAY: {"grid": [0, 1e-3]}}
    plan = plan_of(
        sweep_of(
            tiny_sweep(scheduler=PBT, space=space, data=None, probes={}, metric="test_accuracy"),
            runner="ray",
        )
    )
    first, second = {EPS: 0.1, DECAY: 0}, {EPS: 0.5, DECAY: 1e-3}
    _reports(plan, first, place / "state", 2)
    end = _reports(plan, second, place / "state", 9)[-1]
    assert end.epoch == 3
    assert [(stretch["after"], stretch["settings"]) for stretch in end.lineage] == [
        (0, first),
        (2, second),
    ]
    about = json.loads((place / "state/model.json").read_text())
    again = schema.structure(Training, about["settings"], "training")
    assert [change.after for change in again.recipe.changes] == [2]
    for _ in epochs(replace(again, run=plan.training.run), place / "again"):
        pass
    assert (place / "again/model.safetensors").read_bytes() == (
        place / "state/model.safetensors"
    ).read_bytes()
    for _ in epochs(plan.at(second), place / "other"):
        pass
    assert (place / "other/model.safetensors").read_bytes() != (
        place / "state/model.safetensors"
    ).read_bytes()


def test_a_state_goes_on_where_later_epochs_alone_change(place: Path) -> None:
    plan = plan_of(sweep_of(tiny_sweep()))
    training = plan.at({EPS: 0.1})
    changes = schema.structure(
        Training,
        {
            **schema.unstructure(training),
            "recipe": {
                **schema.unstructure(training)["recipe"],
                "changes": [{"after": 2, "values": {"learning_rate": 0.01}}],
            },
        },
        "training",
    )
    seen = []
    for progress in epochs(training, place / "state"):
        seen.append(progress.epoch)
        if progress.epoch == 2:
            break
    assert [progress.epoch for progress in epochs(changes, place / "state")] == [3]
    earlier = replace(
        changes,
        recipe=replace(changes.recipe, changes=(replace(changes.recipe.changes[0], after=1),)),
    )
    assert [progress.epoch for progress in epochs(earlier, place / "state")] == [1, 2, 3]
