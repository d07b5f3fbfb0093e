"""The numbers by which members of a training set are told from other samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from advcore.attacks import Attack
from advcore.attacks.climbing import climbed
from advcore.checks import check_labels, check_pictures
from advcore.classifier import Classifier, first_logits, frozen, full_precision, logits_of
from advcore.criteria import Untargeted
from advcore.membership import label_scores
from advcore.probes.attack_labels import check_ways
from advcore.probes.charts import Chart, Lines, ascending
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness

SCORE = "log p_y - log sum of the others (nats)"
"""The unit of scores."""


@dataclass(frozen=True)
class Membership:
    """Scores of the true label of each sample, plainly and under attack: how sure a network is.

    A network that fits its training set is surer of it than of other samples: the table
    `membership` tells by these numbers what was learnt. Two probes are needed for that: this one,
    of all samples, and an `accuracy` of those that the network has learnt.

    Columns: `sample`; `correct`, whether the prediction is the label; `confidence`, p_y; `score`,
    `log p_y - log sum_{k != y} p_k` (nats), which orders samples as the confidence and the loss do,
    see `advcore.membership.label_scores`; `views`, the scores `(V,)` of the image and of its four
    shifts. With `attack`, `attacked_score`, that of the attacked image, and `attacked_correct`
    (Song et al. 2019, Privacy risks of securing machine learning models against adversarial
    examples). With `margin`, `margin`, the distance to where the label is lost, 0 where it is
    not given and inf where no way was found. All scores are float64.

    Attributes:
        attack: attack with a budget on the true label, which makes all its steps; none to leave it
            out.
        margin: minimal-norm attack whose distance is the margin; none to leave it out.
        shift: length of the shifts of the further views, in pixels; new pixels are 0. At 0 the
            image is the only view.
    """

    shares: ClassVar[tuple[str, ...]] = ("confidence",)

    attack: Attack | None = None
    margin: Attack | None = None
    shift: int = 0

    def __post_init__(self) -> None:
        check_ways(self.attack, self.margin)
        if self.shift < 0:
            raise ValueError(f"shift must not be negative, in pixels; got {self.shift}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if classes < 2:
            raise ValueError(f"membership needs at least two classes; got {classes} logits")
        if self.shift:
            _, height, width = check_pictures(shape, "membership with shift")
            if self.shift >= min(height, width):
                raise ValueError(
                    f"shift must be below the images' sides, {height} x {width}; got {self.shift}"
                )

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision(), frozen(classifier), torch.no_grad():
            logits = first_logits(classifier, batch.inputs)
            check_labels(batch.labels, len(logits), logits.shape[1])
            score = label_scores(logits, batch.labels)
            views = [score] + [
                label_scores(logits_of(classifier, view), batch.labels)
                for view in _shifted(batch.inputs, self.shift)
            ]
        columns: dict[str, Tensor] = {
            "sample": batch.indices,
            "correct": logits.argmax(1) == batch.labels,
            "confidence": score.sigmoid(),
            "score": score,
            "views": torch.stack(views, 1),
        }
        return Table(
            columns
            | self._attacked(classifier, batch, randomness)
            | self._margin(classifier, batch, randomness)
        )

    def _attacked(
        self, classifier: Classifier, batch: Batch, randomness: Randomness
    ) -> dict[str, Tensor]:
        if self.attack is None:
            return {}
        criterion, noise = Untargeted(batch.labels), randomness.stream("attack")
        with full_precision(), frozen(classifier):
            images = climbed(self.attack, classifier, batch.inputs, criterion, noise)
            with torch.no_grad():
                logits = logits_of(classifier, images)
        return {
            "attacked_score": label_scores(logits, batch.labels),
            "attacked_correct": logits.argmax(1) == batch.labels,
        }

    def _margin(
        self, classifier: Classifier, batch: Batch, randomness: Randomness
    ) -> dict[str, Tensor]:
        if self.margin is None:
            return {}
        noise = randomness.stream("margin")
        result = self.margin(classifier, batch.inputs, Untargeted(batch.labels), noise)
        return {"margin": result.distance}

    def summarise(self, table: Table) -> Summary:
        names = [name for name in ("correct", "attacked_correct") if name in table]
        scores = [name for name in ("score", "attacked_score") if name in table]
        return Summary(
            {name: float(table.numbers(name).double().mean()) for name in names}
            | {f"mean_{name}": float(table.numbers(name).mean()) for name in scores},
            meanings={
                "correct": "share of samples whose predicted label is the true one",
                "attacked_correct": "the same under the attack",
                "mean_score": f"mean over samples of {SCORE}",
                "mean_attacked_score": "the same under the attack",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return [
            Lines(
                name="scores",
                title="How sure the networks are of the true label",
                x_label="share of the samples (%)",
                y_label=SCORE,
                series=[ascending(name, own.numbers("score")) for name, own in tables.items()],
            )
        ]


def _shifted(images: Tensor, by: int) -> list[Tensor]:
    """Return images `(B, C, H, W)` moved up, down, left and right; none of 0 pixels."""
    if not by:
        return []
    wide, (height, width) = pad(images, (by,) * 4), images.shape[2:]
    corners = ((0, by), (2 * by, by), (by, 0), (by, 2 * by))
    return [wide[:, :, top : top + height, left : left + width] for top, left in corners]
