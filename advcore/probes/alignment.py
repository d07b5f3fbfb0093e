"""Alignment of the margin's gradient with the image (Etmann et al. 2019; article, Fig. 11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advcore.classifier import Classifier, check_pictures, predict
from advcore.explain import Gradient
from advcore.explain.image_alignment import absolute_cosine, alignment, half_turn, mean_free
from advcore.explain.map_measures import gini, total_variation
from advcore.probes.charts import Chart, Lines, ascending
from advcore.probes.map_gallery import maps_of_models
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness

MEANINGS = {
    "alignment": "`|<x, g>| / ||g||` of the margin's gradient g, pixel units, x from black",
    "cosine": "`|<x, g>| / (||x|| ||g||)`, x from black",
    "centred_cosine": "the same of x less its mean grey",
    "turned_cosine": "the same of x, from black, turned by half a turn: the control",
    "random_cosine": "the same of a random vector in place of g: the control",
    "gini": "Gini index of |g|: 0 for equal pixels, 1 for few",
    "total_variation": "differences of neighbouring pixels of g over the sum of |g|",
}
"""The columns that are summarised."""


@dataclass(frozen=True)
class Alignment:
    """The likeness of the gradient of the margin to the image.

    g is the gradient of `z_y - max_{k != y} z_k` at x, y the predicted label.

    Columns: `sample`, `label`, `prediction`; `alignment`, `|<x, g>| / ||g||`, pixel units, x from
    black; `cosine`, `|<x, g>| / (||x|| ||g||)`, in [0, 1]; `centred_cosine`, of x less the mean of
    its pixels; the controls `turned_cosine`, of x turned by half a turn, and `random_cosine`, of a
    Gaussian vector in place of g; `gini` of |g| and `total_variation` of g (see
    `advcore.explain.map_measures`). All are NaN where g is 0. `image` and `map`, g, `(C, H, W)`.

    Attributes:
        shown: number of samples whose gradients are drawn.
    """

    shown: int = field(default=6, metadata={"cost": True})

    def __post_init__(self) -> None:
        if self.shown < 1:
            raise ValueError(f"shown must be at least 1; got {self.shown}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_pictures(shape, "a gallery of gradients")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images = batch.inputs
        prediction = predict(classifier, images)
        slopes = Gradient("margin")(classifier, images, prediction).maps
        random = randomness.stream("alignment").normal(images.shape[1:]).to(images)
        return Table(
            {
                "sample": batch.indices,
                "label": batch.labels,
                "prediction": prediction,
                "alignment": alignment(images, slopes),
                "cosine": absolute_cosine(images, slopes),
                "centred_cosine": absolute_cosine(mean_free(images), slopes),
                "turned_cosine": absolute_cosine(half_turn(images), slopes),
                "random_cosine": absolute_cosine(images, random),
                "gini": gini(slopes),
                "total_variation": total_variation(slopes),
                "image": images,
                "map": slopes,
            }
        )

    def summarise(self, table: Table) -> Summary:
        return Summary(
            {f"median_{name}": median(table.numbers(name)) for name in MEANINGS},
            meanings={
                f"median_{name}": f"median over samples of {text}"
                for name, text in MEANINGS.items()
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        series = [ascending(model, table.numbers("cosine")) for model, table in tables.items()]
        controls = [median(table.numbers("random_cosine")) for table in tables.values()]
        whose = "median" if len(controls) == 1 else "largest of the networks' medians"
        lines = Lines(
            name="alignment",
            title="Alignment of the margin's gradient with the image",
            x_label="samples, each network's sorted by its own values (%)",
            y_label="|cosine| of the angle between the two",
            series=series,
            y_limits=(0, None),
            references=[(max(controls), f"random vectors, {whose}: {max(controls):.2g}")],
        )
        return [
            lines,
            *maps_of_models(
                tables,
                self.shown,
                "gradients",
                "Gradient of the margin beside the image",
                lambda table, row: f"cos {table.numbers('cosine')[row]:.3g}",
                ("raises the margin", "lowers it"),
                "below: cosine with the image, in magnitude.",
            ),
        ]
