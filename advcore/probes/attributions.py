"""Maps of what an answer rests on, and how well deleting their pixels takes it away (Fig. 10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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

ORDERS = ("map", "turned", "random")
"""The orders in which pixels go: the map's, that of the map turned by half a turn, a random one."""

MEANINGS = {
    "relative_residual": "|sum of the map - change of the scalar| over the larger of 1 logit and "
    "|change|; NaN of a method that promises no sum",
    "gini": "Gini index of |map|: 0 for equal pixels, 1 for few",
    "total_variation": "differences of neighbouring pixels of the map over the sum of |map|",
    "deletion": "area under the deletion curve (predicted class's probability over the share of "
    "pixels taken away); lower is better",
    "deletion_gain": "area under the deletion curve in a random order, less the map's own",
    "turned_deletion_gain": "the same of the map turned by half a turn: the control",
    "insertion": "area under the insertion curve; higher is better",
    "insertion_gain": "area under the insertion curve, less that of a random order",
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
    order of the sample, and `turned_deletion`, of the order of the map turned by half a turn: the
    same values at other places; `deletion_gain`, `turned_deletion_gain`: how much lower than
    `random_deletion` the area is; `insertion_gain`, how much higher than `random_insertion`;
    `curves` `(3, points + 1)`, the deletion curves by the orders map, turned, random; `image` and
    `map` `(C, H, W)`.

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
            "random": randomness.stream("order").uniform((images[0, 0].numel(),)).argsort(1),
        }

        def curve(name: str, insert: bool = False) -> Tensor:
            return deletion_curve(
                classifier, images, prediction, orders[name], self.points, self.fill, insert
            )

        deleted = {name: curve(name) for name in ORDERS}
        area = {name: area_under(own) for name, own in deleted.items()}
        inserted, at_random = (area_under(curve(name, True)) for name in ("map", "random"))
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
                "deletion_gain": area["random"] - area["map"],
                "turned_deletion_gain": area["random"] - area["turned"],
                "insertion": inserted,
                "random_insertion": at_random,
                "insertion_gain": inserted - at_random,
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
        share = torch.linspace(0, 100, self.points + 1)
        words = {"map": "the map's order", "turned": "map turned", "random": "random order"}
        series = [
            median_band(f"{model}, {words[name]}", share, table.numbers("curves")[:, place])
            for model, table in tables.items()
            for place, name in enumerate(ORDERS)
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
            maps_of_models(
                tables,
                self.shown,
                "maps",
                f"Maps by {type(self.attribution).__name__}",
                lambda table, row: f"class {int(table.numbers('prediction')[row])}",
                "Red speaks for the predicted class, blue against it; each map has its own scale. "
                "Samples are the first; below: predicted class.",
            ),
        ]
