"""The lineage of a network in a population: a training whose recipe changes at some epochs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.population import RECIPE, can_change_between_epochs
from advcore.pipelines.sweep.space import Point
from advcore.pipelines.training.settings import Training
from advcore.training.change import Change, read_numbers
from advcore.workers.redaction import restored
from advcore.workers.training.epoch_loop import ABOUT, STATE

Lineage = list[dict[str, Any]]
"""Stretches of a training: `after` how many epochs each began, and the `settings` of the space in
it."""


def succeeding(plan: Plan, point: Point, folder: Path) -> Training:
    """Return the training that continues from the state in `folder` with the point's settings.

    Without a state it is the training at the point.
    """
    anew = plan.at(point)
    if not (folder / STATE).is_file():
        return anew
    about = json.loads((folder / ABOUT).read_text())
    settings = restored(
        about["settings"], schema.unstructure(anew)
    )  # it was written without credentials
    training = replace(schema.structure(Training, settings, at="training"), run=anew.run)
    done = len(about["metrics"])
    names = [
        name.removeprefix(RECIPE)
        for name in plan.complete(point)
        if can_change_between_epochs(name)
    ]
    now, wanted = read_numbers(training.recipe.after(done), names), read_numbers(anew.recipe, names)
    values = {name: value for name, value in wanted.items() if value != now[name]}
    if not values:
        return training
    return replace(
        training,
        recipe=replace(training.recipe, changes=(*training.recipe.changes, Change(done, values))),
    )


def trace_lineage(plan: Plan, point: Point, training: Training) -> Lineage:
    """Return the settings of each stretch of a training that has come to this point."""
    names = [
        name
        for name, domain in plan.sweep.space.items()
        if domain.free and can_change_between_epochs(name)
    ]
    stretches: Lineage = []
    for after in (0, *(change.after for change in training.recipe.changes)):
        numbers = read_numbers(
            training.recipe.after(after), [name.removeprefix(RECIPE) for name in names]
        )
        settings = {**point, **{f"{RECIPE}{name}": number for name, number in numbers.items()}}
        stretches.append({"after": after, "settings": settings})
    return stretches
