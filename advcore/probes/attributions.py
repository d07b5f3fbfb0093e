"""Maps of what an answer rests on, and how well deleting their pixels takes it away (Fig. 10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_pictures, predict
from advcore.explain import Attribution, IntegratedGradients
from advcore.explain.deletion import area_under, deletion_curve, pixel_order
from advcore.explain.image_alignment import half_turn
from advcore.explain.integrated_gradients import LEAST_CHANGE
from advcore.explain.map_measures import gini, total_variation
from advcore.probes.charts import Chart, Lines, median_band
from advcore.probes.map_gallery import maps_of_models
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness

ORDERS = {
    "map": "the map's order",
    "turned": "map turned",
    "picture": "the picture's order",
    "random": "random order",
}
"""The orders in which pixels go: by the map, by the map turned by half a turn, by how far the
picture's own pixels are from the fill, and at random."""

MEANINGS = {
    "relative_residual": "|sum of the map - change of the scalar| over the larger of 1 logit and "
    "|change|; NaN of a method that promises no sum",
    "gini": "Gini index of |map|: 0 for equal pixels, 1 for few",
    "total_variation": "differences of neighbouring pixels of the map over the sum of |map|",
    "deletion": "area under the deletion curve (predicted class's probability over the share of "
    "pixels taken away); lower is better",
    "deletion_gain": "area under the deletion curve in a random order, less the map's own",
    "turned_deletion_gain": "the same of the map turned by half a turn: a control",
    "picture_deletion_gain": "the same of |picture - fill| as a map, which knows no network: a "
    "control",
    "deletion_beyond_turned": "area under the deletion curve of the map turned by half a turn, "
    "less the map's own",
    "deletion_beyond_picture": "area under the deletion curve of |picture - fill|, less the map's "
    "own",
    "insertion": "area under the insertion curve; higher is better",
    "insertion_gain": "area under the insertion curve, less that of a random order",
    "insertion_beyond_picture": "area under the insertion curve, less that of |picture - fill|",
}
"""The columns that are summarised."""


@dataclass(frozen=True)
class Attributions:
    """The map of each sample's predicted label by one method, and what deleting its pixels does.

    Columns: `sample`, `label`, `prediction`; `residual` and `change` in logits, and `steps`, see
    `advcore.explain.AttributionMaps`; `relative_residual`, over `max(|change|, 1 logit)`; `gini` of
    |map| and `total_variation` of the map; `deletion`, `insertion`, areas under the curves of the
    predicted label's probability as pixels are taken away or put in by the map's order, the largest
    first (see `advcore.explain.deletion`); `random_deletion`, `random_insertion`, those of a random
    order of the sample; `picture_deletion`, `picture_insertion`, of |picture - fill| as a map,
    which knows nothing of the network; `turned_deletion`, of the map turned by half a turn: the
    same values at other places; `deletion_gain`, `turned_deletion_gain`, `picture_deletion_gain`:
    how much lower than `random_deletion` the area is; `deletion_beyond_turned`,
    `deletion_beyond_picture`, how much lower than `turned_deletion`, `picture_deletion` the map's
    own is; `insertion_gain`, `insertion_beyond_picture`, how much higher than `random_insertion`,
    `picture_insertion`; `curves` `(4, points + 1)`, the deletion curves by the orders map, turned,
    picture, random; `image` and `map` `(C, H, W)`.

    Attributes:
        attribution: method that makes the maps.
        points: steps of the curves, of equally many pixels each.
        fill: value of a pixel that was taken away, in pixel units; 0 is black.
        shown: number of samples whose maps are drawn.
    """

    attribution: Attribution = field(default_factory=IntegratedGradients)
    points: int = 28
    fill: float = 0.0
    shown: int = field(default=6, metadata={"cost": True})

    shares: ClassVar[tuple[str, ...]] = (
        "deletion",
        "insertion",
        "random_deletion",
        "random_insertion",
        "picture_deletion",
        "picture_insertion",
        "turned_deletion",
    )

    def __post_init__(self) -> None:
        for name in ("points", "shown"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        _, height, width = check_pictures(shape, "a gallery of maps")
        if self.points > height * width:
            raise ValueError(
                f"points must be at most the {height * width} pixels of a picture; got "
                f"{self.points}"
            )

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images = batch.inputs
        prediction = predict(classifier, images)
        found = self.attribution(classifier, images, prediction, randomness)
        orders = {
            "map": pixel_order(found.maps),
            "turned": pixel_order(half_turn(found.maps)),
            "picture": pixel_order((images - self.fill).abs()),
            "random": randomness.stream("order").uniform((images[0, 0].numel(),)).argsort(1),
        }

        def curve(name: str, insert: bool = False) -> Tensor:
            return deletion_curve(
                classifier, images, prediction, orders[name], self.points, self.fill, insert
            )

        deleted = {name: curve(name) for name in ORDERS}
        area = {name: area_under(own) for name, own in deleted.items()}
        inserted = {name: area_under(curve(name, True)) for name in ("map", "picture", "random")}
        least = found.change.abs().clamp(min=LEAST_CHANGE)
        return Table(
            {
                "sample": batch.indices,
                "label": batch.labels,
                "prediction": prediction,
                "residual": found.residual,
                "change": found.change,
                "steps": found.steps,
                "relative_residual": found.residual / least,
                "gini": gini(found.maps),
                "total_variation": total_variation(found.maps),
                "deletion": area["map"],
                "random_deletion": area["random"],
                "turned_deletion": area["turned"],
                "picture_deletion": area["picture"],
                "deletion_gain": area["random"] - area["map"],
                "turned_deletion_gain": area["random"] - area["turned"],
                "picture_deletion_gain": area["random"] - area["picture"],
                "deletion_beyond_turned": area["turned"] - area["map"],
                "deletion_beyond_picture": area["picture"] - area["map"],
                "insertion": inserted["map"],
                "random_insertion": inserted["random"],
                "picture_insertion": inserted["picture"],
                "insertion_gain": inserted["map"] - inserted["random"],
                "insertion_beyond_picture": inserted["map"] - inserted["picture"],
                "curves": torch.stack([deleted[name] for name in ORDERS], 1),
                "image": images,
                "map": found.maps,
            }
        )

    def summarise(self, table: Table) -> Summary:
        return Summary(
            {f"median_{name}": median(table.numbers(name)) for name in MEANINGS},
            meanings={
                f"median_{name}": f"median over samples of the {text}"
                for name, text in MEANINGS.items()
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        share = torch.linspace(0, 100, self.points + 1)
        series = [
            median_band(f"{model}, {words}", share, table.numbers("curves")[:, place])
            for model, table in tables.items()
            for place, words in enumerate(ORDERS.values())
        ]
        return [
            Lines(
                name="deletion",
                title="Probability of the predicted class as pixels are taken away",
                x_label=f"pixels taken away, set to {self.fill:g} (%)",
                y_label="probability of the class",
                series=series,
                y_limits=(0, 1.03),
                note="Median over samples, in a band between the quartiles.",
            ),
            *maps_of_models(
                tables,
                self.shown,
                "maps",
                f"Maps by {type(self.attribution).__name__}",
                lambda table, row: f"class {int(table.numbers('prediction')[row])}",
                ("speaks for the predicted class", "against it"),
                "below: predicted class.",
            ),
        ]
