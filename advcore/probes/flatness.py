"""How flat a network is around each sample over a length, and where its gradients point: columns of
the probe `curvature`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks import Adversarial
from advcore.classifier import Classifier, frozen
from advcore.criteria import Untargeted
from advcore.curvature import (
    Tempered,
    cross_entropy,
    gradient_change,
    linearity_error,
    one_step_changes,
    turn,
)
from advcore.jacobian import differentiate
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch
from advcore.probes.table import Table
from advcore.randomness import Randomness

BEYOND = 1.5
"""The length of the one step that is tried, in distances to the boundary."""


def flatness(
    classifier: Classifier,
    batch: Batch,
    predicted: Tensor,
    temperature: float,
    length: float,
    turns: int,
    distance: Tensor,
    randomness: Randomness,
) -> dict[str, Tensor]:
    """`loss_change`, `turn` and `one_step`, `(B,)` each; see `advcore.probes.Curvature`."""
    around, still = batch.around(classifier)
    value, loss = _margin(predicted), cross_entropy(batch.labels)
    with frozen(classifier):
        return {
            "loss_change": gradient_change(Tempered(around, temperature), still, loss, length),
            "turn": turn(around, still, value, length, turns, randomness),
            "one_step": one_step_changes(around, still, value, BEYOND * distance),
        }


def directions(way: Adversarial, gradient: Tensor, randomness: Randomness) -> dict[str, Tensor]:
    """The cosines of the loss's gradient `(B, D)` with the minimal perturbation and with a random
    direction; the distance.
    """
    found = way.images.flatten(1).masked_fill(~way.found[:, None], 0)
    random = randomness.stream("direction").normal((gradient.shape[1],)).to(gradient.dtype)
    return {
        "distance": way.distance,
        "cosine": _cosine(found, gradient),
        "random_cosine": _cosine(random, gradient),
    }


def linearity_errors(
    classifier: Classifier, batch: Batch, predicted: Tensor, radius: float, randomness: Randomness
) -> dict[str, Tensor]:
    """`linearity_error`, of the loss, and `relative_linearity_error`, of the margin over the most
    that its tangent changes by in the ball, `radius ||grad m||`; NaN where that is 0.
    """
    around, still = batch.around(classifier)
    value = _margin(predicted)
    with frozen(classifier):
        loss = linearity_error(
            around, still, cross_entropy(batch.labels), "l2", radius, randomness=randomness
        ).error
        error = linearity_error(around, still, value, "l2", radius, randomness=randomness).error
        most = radius * L2.size(differentiate(around, still, value)[0])
    return {
        "linearity_error": loss,
        "relative_linearity_error": (error / most).masked_fill(most == 0, torch.nan),
    }


def _margin(predicted: Tensor) -> Callable[[Tensor], Tensor]:
    """The margin of the predicted class, `max_k z_k - z_predicted` for k any other."""
    criterion = Untargeted(predicted)
    return lambda logits: objectives.logit_margin(logits, criterion)


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """Of the angle between vectors `(B, D)`, `(B,)`; NaN where either is 0."""
    cosine = (L2.steepest(one) * L2.steepest(other)).sum(1)
    return cosine.masked_fill((L2.size(one) == 0) | (L2.size(other) == 0), torch.nan)


def sorted_samples(
    tables: Mapping[str, Table], column: str, title: str, y_label: str, note: str
) -> Chart:
    """One line a model: a column's values, ascending, over the share of the samples; positive ones
    on a log scale.
    """
    series = []
    for model, table in tables.items():
        values = table.numbers(column)
        ordered = values[~values.isnan()].sort().values
        series.append(Series(model, torch.linspace(0, 100, len(ordered)), ordered, style="line"))
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
    """The cosines of gradient and minimal perturbation, and the range of random directions' for
    comparison.
    """
    series = []
    for model, table in tables.items():
        cosine = table.numbers("cosine")
        ordered = cosine[~cosine.isnan()].sort().values
        series.append(Series(model, torch.linspace(0, 100, len(ordered)), ordered, style="line"))
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
