"""The summary and the charts of robust accuracy and minimal distances."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from advcore.attacks import Attack
from advcore.attacks.attack import has_budget, norm_of
from advcore.probes.attack_labels import told_apart, unit_of
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.masking_signs import summarise_signs
from advcore.probes.probe import Curve, Summary, median
from advcore.probes.table import Table
from advcore.robust_accuracy import robust_accuracy

WORST = "worst"
"""The name of all attacks together."""


def summarise_robustness(
    table: Table, eps: Sequence[float], attacks: Sequence[Attack], in_turn: bool
) -> Summary:
    """Return the numbers of a table of the probe `robustness`.

    They are shares of samples, and distances in pixel units.
    """
    grid = [0.0, *eps]
    rows = _rows(table, attacks)
    worst = _worst(rows)
    curves = {f"robust_accuracy/{WORST}": Curve(grid, robust_accuracy(worst["broken_at"], grid))}
    scalars = {
        "accuracy": curves[f"robust_accuracy/{WORST}"].y[0],
        f"found/{WORST}": _found(worst["distance"]),
    }
    known: Tensor | None = None
    for place, ((name, own), attack) in enumerate(zip(rows.items(), attacks, strict=True)):
        if (
            place == 0 or not in_turn or not has_budget(attack)
        ):  # else it did not look at all that it may break
            curves[f"robust_accuracy/{name}"] = Curve(
                grid, robust_accuracy(own.numbers("own_broken_at"), grid)
            )
            scalars[f"found/{name}"] = _found(own.numbers("own_distance"))
        if in_turn and known is not None:
            scalars[f"added/{name}"] = (own.numbers("broken_at") < known).double().mean().item()
        if not has_budget(attack):
            scalars[f"mean_distance/{name}"] = own.numbers("own_distance").mean().item()
            scalars[f"median_distance/{name}"] = median(own.numbers("own_distance"))
        known = own.numbers("broken_at")
    meanings = _meanings(attacks, len(worst["broken_at"]))
    if "saturated" not in table:
        return Summary(scalars, curves, meanings=meanings)
    signs = summarise_signs(table.take(~table.rows_with("attack", WORST)))
    of_signs = {f"masking/{name}": sentence for name, sentence in signs.meanings.items()}
    scalars |= {f"masking/{name}": share for name, share in signs.scalars.items()}
    return Summary(scalars, curves, signs.warnings, meanings | of_signs)


def robustness_charts(
    tables: Mapping[str, Table], eps: Sequence[float], attacks: Sequence[Attack], in_turn: bool
) -> list[Chart]:
    """Return the chart of robust accuracy over eps, by all attacks and by each alone."""
    series, same = [], []
    for place, (model, table) in enumerate(tables.items()):
        rows = _rows(table, attacks)
        curves = summarise_robustness(table, eps, attacks, in_turn).curves
        broken_at = _worst(rows)["broken_at"]
        worst = curves[f"robust_accuracy/{WORST}"]
        standing = broken_at[:, None] > torch.tensor(worst.x, dtype=broken_at.dtype)
        series.append(
            replace(shares(model, torch.tensor(worst.x), standing), shade=place, mark=place)
        )
        for mark, name in enumerate(rows):
            curve = curves.get(f"robust_accuracy/{name}")
            if curve is None or len(rows) == 1:
                continue
            if list(curve.y) == list(worst.y):
                same.append(f"{name} on {model}")
            else:
                line = torch.tensor(curve.x), 100 * torch.tensor(curve.y)
                series.append(
                    Series(f"{model}, {name} alone", *line, shade=place, mark=mark, thin=True)
                )
    norm = norm_of(attacks[0])
    note = (
        "Share of samples classified right that no perturbation found within ε changes: an "
        "upper bound (eq. 12)"
    )
    note += (
        f"; the worst of {', '.join(told_apart(attacks))}."
        if len(attacks) > 1
        else f", by {told_apart(attacks)[0]}."
    )
    note += " Bands: 95 % (Wilson) over the samples."
    if same:
        note += f" Not drawn, because its curve is the worst one: {', '.join(same)}."
    return [
        Lines(
            name="robust_accuracy",
            title="Robust accuracy",
            x_label=f"{norm} radius ε ({unit_of(norm)})",
            y_label="accuracy under attack (%)",
            series=series,
            y_limits=(0, 102),
            note=note,
        )
    ]


def _meanings(attacks: Sequence[Attack], count: int) -> dict[str, str]:
    """A sentence for each name, of `count` samples."""
    norm, names = norm_of(attacks[0]), told_apart(attacks)
    unit = unit_of(norm)
    right = (
        "share of samples classified right (true label) that no perturbation found within "
        "eps changes"
    )
    by = f"all attacks together ({', '.join(names)})" if len(names) > 1 else names[0]
    return {
        "accuracy": (
            f"share of the {count} samples whose most likely class is the true label, "
            "before any attack"
        ),
        "robust_accuracy": (
            f"{right}, by this attack alone, over eps ({norm}, {unit}); an upper bound"
        ),
        f"robust_accuracy/{WORST}": (
            f"{right}, by {by}, over eps ({norm}, {unit}); an upper bound"
        ),
        "found": (
            "share of all samples for which this attack alone finds a perturbation that "
            "changes the predicted label (budget attacks: within the largest eps, and only "
            "where the prediction is right)"
        ),
        f"found/{WORST}": (
            f"share of all samples for which {by} found a perturbation that changes the "
            "predicted label"
        ),
        "added": (
            "share of all samples that this attack breaks at a smaller eps of the grid "
            "than every attack before it"
        ),
        "mean_distance": (
            f"mean {norm} size of the perturbation that this attack alone finds ({unit}), from the "
            f"predicted label, over all {count} samples; inf where one is not found"
        ),
        "median_distance": f"the median of the same {norm} sizes",
        "masking": (
            "share of the samples classified right that show this sign of gradient masking"
        ),
    }


def _rows(table: Table, attacks: Sequence[Attack]) -> dict[str, Table]:
    """The rows of each attack, by its name."""
    return {name: table.take(table.rows_with("attack", name)) for name in told_apart(attacks)}


def _worst(rows: Mapping[str, Table]) -> dict[str, Tensor]:
    """Return what all attacks together found."""
    return {
        name: torch.stack([own.numbers(name) for own in rows.values()]).amin(0)
        for name in ("broken_at", "distance")
    }


def _found(distance: Tensor) -> float:
    return torch.isfinite(distance).double().mean().item()
