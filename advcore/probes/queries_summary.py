"""The summary and the charts of distances over queries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from advcore.attacks import Attack, kind_and_norm
from advcore.attacks.attack import norm_of
from advcore.probes.attack_labels import told_apart
from advcore.probes.charts import Chart, Lines, Series, medians
from advcore.probes.margins import by_position
from advcore.probes.probe import Curve, Summary, median
from advcore.probes.table import Table


def summarise_queries(table: Table, attacks: Sequence[Attack], reference: Attack | None) -> Summary:
    """Return the numbers of a table of the probe `queries`."""
    if not len(table["sample"]):
        return Summary()
    scalars, curves = dict[str, float](), dict[str, Curve]()
    for name in told_apart(attacks):
        numbers, distance = _over_queries(table, name, "distance")
        found = _over_queries(table, name, "found")[1][:, -1]
        scalars |= {
            f"found/{name}": found.double().mean().item(),
            f"median_distance/{name}": median(distance[:, -1]),
        }
        curves[f"median_distance/{name}"] = _medians(numbers, distance)
        if reference is not None:
            _, over = _over_queries(table, name, "over_white_box")
            scalars[f"median_over_white_box/{name}"] = median(over[:, -1])
            curves[f"median_over_white_box/{name}"] = _medians(numbers, over)
    count = len(table.numbers("sample").unique())
    if reference is not None:
        scalars["median_white_box"] = _median_white_box(table, attacks)
    return Summary(scalars, curves, meanings=_meanings(attacks, reference, count))


def query_charts(
    tables: Mapping[str, Table], attacks: Sequence[Attack], reference: Attack | None
) -> list[Chart]:
    """Return a chart a model: the median distance over queries, one line an attack."""
    tables = {model: table for model, table in tables.items() if len(table["sample"])}
    norm, note = norm_of(attacks[0]), "Out of the predicted class, in the box: medians over samples"
    note += ", from where half of them have one; bands: their 95 % intervals."
    if reference is not None:
        note += " Thin: with gradients, whatever the queries."
    return [
        Lines(
            name="queries" if len(tables) == 1 else f"queries-{place}",
            title=f"Distance over queries of attacks that see labels alone: {model}",
            x_label="queries a sample",
            y_label=f"{norm} distance (pixels in [0, 1])",
            series=_lines(table, attacks, reference),
            x_scale="log",
            y_scale="log",
            note=note,
        )
        for place, (model, table) in enumerate(tables.items(), 1)
    ]


def _lines(table: Table, attacks: Sequence[Attack], reference: Attack | None) -> list[Series]:
    series = [
        replace(medians(name, *_over_queries(table, name, "distance")), outer=None)
        for name in told_apart(attacks)
    ]
    if reference is not None:
        level = torch.tensor(_median_white_box(table, attacks)).expand(2)
        ends = torch.stack([table.numbers("queries").amin(), table.numbers("queries").amax()])
        series.append(Series(f"{kind_and_norm(reference)}, with gradients", ends, level, thin=True))
    return series


def _over_queries(table: Table, attack: str, column: str) -> tuple[Tensor, Tensor]:
    """Return the numbers of queries `(T,)`, and a column of an attack, `(samples, T)`."""
    own = table.take(table.rows_with("attack", attack))
    numbers, values = by_position(own.numbers("queries"), own.numbers(column))
    return numbers, values.mT


def _median_white_box(table: Table, attacks: Sequence[Attack]) -> float:
    """Return the median over samples, each of which has it in many rows."""
    return median(_over_queries(table, told_apart(attacks)[0], "white_box")[1][:, 0])


def _medians(numbers: Tensor, values: Tensor) -> Curve:
    return Curve(numbers.tolist(), [median(column) for column in values.mT])


def _meanings(attacks: Sequence[Attack], reference: Attack | None, count: int) -> dict[str, str]:
    length = f"{norm_of(attacks[0])} length (pixels in [0, 1]) of the shortest perturbation"
    of = f"median over {count} samples of the {length}"
    meanings = {
        "found": f"share of {count} samples for which the attack found an adversarial image",
        "median_distance": f"{of} found with labels alone, out of the predicted class, in the box; "
        "over queries as a curve",
    }
    if reference is not None:
        white = kind_and_norm(reference)
        meanings |= {
            "median_white_box": f"{of} found by {white}",
            "median_over_white_box": f"median over {count} samples of the {length} found with "
            f"labels alone over that by {white}; over queries as a curve",
        }
    return meanings
