"""Charts of flatness: one line a network, its samples sorted by a column."""

from collections.abc import Mapping

import torch

from advcore.probes.charts import Chart, Lines, ascending
from advcore.probes.table import Table


def sorted_samples(
    tables: Mapping[str, Table], column: str, title: str, y_label: str, note: str
) -> Chart:
    """Chart one line a model: a column's values, ascending, over the share of the samples.

    Positive values are on a log scale.
    """
    series = [ascending(model, table.numbers(column)) for model, table in tables.items()]
    return Lines(
        name=column,
        title=title,
        x_label="samples, each network's sorted by its own values (%)",
        y_label=y_label,
        series=series,
        y_scale="log",
        note=note,
    )


def alignments(tables: Mapping[str, Table]) -> Chart:
    """Chart the cosines of gradient and minimal perturbation.

    The range of random directions' stands beside them for comparison.
    """
    series = [ascending(model, table.numbers("cosine")) for model, table in tables.items()]
    random = torch.cat([table.numbers("random_cosine") for table in tables.values()]).abs()
    usual = random.nanquantile(0.95).item()
    return Lines(
        name="gradient_alignment",
        title="Gradient of the loss against the minimal perturbation",
        x_label="samples, each network's sorted by its own values (%)",
        y_label="cosine of the angle between the two",
        series=series,
        y_limits=(-1.03, 1.03),
        references=[(0.0, f"random: 95 % within ±{usual:.2g}")] if usual == usual else [],
        note="1: the gradient points along the shortest way out of the predicted class. Below 0: "
        "samples that are misclassified, "
        "whose loss falls along that way.",
    )


def departures(tables: Mapping[str, Table], radius: float) -> list[Chart]:
    """The linearity errors of the loss and, relative, of the margin."""
    seen = f"within l2 {radius:g} (pixels in [0, 1]) of each sample: a lower bound."
    loss = sorted_samples(
        tables,
        "linearity_error",
        title="Departure of the loss from its tangent",
        y_label="local linearity error (nats)",
        note=(
            f"The largest |loss - tangent| that was seen {seen} Unsure networks have large "
            "ones: it is not flatness alone."
        ),
    )
    margin = sorted_samples(
        tables,
        "relative_linearity_error",
        title="Departure of the decision function from its tangent",
        y_label="local linearity error of the margin (share of the tangent's change)",
        note=(
            f"The largest |margin - tangent| over radius times slope that was seen {seen} "
            "Lower is flatter."
        ),
    )
    return [loss, margin]


def change_charts(tables: Mapping[str, Table], length: float, turns: int) -> list[Chart]:
    """Chart the change of the loss's gradient over one length, and the turn of the margin's.

    The change is at each network's temperature, the turn is a mean over so many directions.
    """
    temperatures = "; ".join(
        f"{model} {table.numbers('temperature')[0]:.3g}" for model, table in tables.items()
    )
    loss = sorted_samples(
        tables,
        "loss_change",
        title="Flatness of the loss over one length, all networks equally confident",
        y_label=f"change of the loss's gradient over {length:g} (loss per pixel unit)",
        note=f"Logits are divided by one temperature a network: {temperatures}. Lower is flatter.",
    )
    margin = sorted_samples(
        tables,
        "turn",
        title="Flatness of the decision function over one length",
        y_label=f"turn of the margin's gradient over {length:g} (share of its length)",
        note=(
            f"Mean over {turns} random directions, blind to the scale of the logits. 0: affine. "
            "Lower is flatter."
        ),
    )
    return [loss, margin]
