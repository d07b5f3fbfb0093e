"""Planes by name, and the maps of labels and loss that are drawn of them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from advcore.probes.charts import Chart, Maps, Mark
from advcore.probes.table import Table

PlaneName = Literal["normal_random", "normal_curved", "random_random"]

AXES = {
    "normal": "along the minimal perturbation",
    "random": "along a random direction",
    "curved": "along the most curved direction across it",
    "other": "along another random direction",
}
"""The directions of planes, in words."""

SPANNED = {
    "normal_random": "across the boundary: the minimal perturbation and a random direction",
    "normal_curved": "where the loss is most curved: the minimal perturbation and that direction",
    "random_random": "between two random directions",
}
"""Titles of the maps, by what planes show."""


def directions_of(name: PlaneName) -> tuple[str, str]:
    """Return the names of the plane's directions."""
    first, second = name.split("_")
    return first, "other" if first == second else second


def plane_maps(
    tables: Mapping[str, Table],
    name: PlaneName,
    shown: int,
    half: float,
    own: bool,
) -> tuple[Chart, Chart]:
    """Map the labels and the loss on one plane.

    There is a panel for each model and sample, `shown` of each, and rows hold samples of one model.

    A plane reaches `half` from the sample: in lengths of its own minimal perturbation where `own`,
    else l2, in pixel units.
    """
    labels, losses, marks = [], [], []
    for model, table in tables.items():
        for row in table.rows_with("plane", name).nonzero()[:shown, 0].tolist():
            caption = _caption(model, table, row)
            marks.append(_marked(table, row, half, own) if name != "random_random" else ())
            labels.append((table.numbers("labels")[row], caption))
            losses.append((table.numbers("loss")[row], caption))
    along, across = (AXES[word] for word in directions_of(name))
    classes = max(int(some.max()) for some, _ in labels) + 1
    unit = "multiples of the length of r" if own else "l2, pixels in [0, 1]"
    maps = Maps(
        name=f"labels-{name}",
        title=f"Predicted class {SPANNED[name]}",
        x_label=f"{across} ({unit})",
        y_label=f"{along} ({unit})",
        panels=labels,
        x_limits=(-half, half),
        y_limits=(-half, half),
        value_label="class",
        categories=[str(number) for number in range(classes)],
        origin=True,
        marks=marks,
        across=each if 1 < (each := len(labels) // len(tables)) < 4 else 4,
        note=(
            "The sample lies in the middle, r is its minimal perturbation out of the "
            "predicted class"
        )
        + (
            ", which ends where it is marked."
            if any(marks)
            else ". One colour: nothing in the plane leaves the class."
        ),
    )
    loss, title = "cross-entropy with the true label (nats)", f"Loss {SPANNED[name]}"
    return maps, replace(
        maps,
        name=f"loss-{name}",
        title=title,
        panels=losses,
        value_label=loss,
        categories=(),
        colours="own",
    )


def _marked(table: Table, row: int, half: float, own: bool) -> tuple[Mark, ...]:
    """The end of the minimal perturbation, on the axis upwards, where it lies in the map."""
    distance = table.numbers("distance")[row].item()
    height = 1.0 if own else distance
    return (Mark(0.0, height, "r"),) if math.isfinite(distance) and height <= half else ()


def _caption(model: str, table: Table, row: int) -> str:
    sample, label = (int(table.numbers(name)[row]) for name in ("sample", "label"))
    distance = table.numbers("distance")[row].item()
    return f"{model}, sample {sample}:\nlabel {label}, ‖r‖ = {distance:.2f}"
