"""Radii that follow from a bound on the curvature of the logits (Singla and Feizi 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, kind_and_norm
from advcore.certify import curvature_certificate
from advcore.certify.hessian_bound import one_hidden_layer
from advcore.classifier import Classifier, full_precision
from advcore.criteria import Untargeted
from advcore.margins import check_attack
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.proven_distances import proven_share, unattacked
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class CurvatureCertificate:
    """Certificates by the curvature of one hidden layer, and an attack beside them.

    There is one row per sample; see `advcore.certify.curvature_certificate`. l2, no box, for
    networks of one hidden layer of softplus, sigmoid or tanh.

    Columns: `sample`; `label`, the predicted class; `correct`, whether it is the true one;
    `radius`, pixel units, within which it is proven not to change; `rival`, `gap`, `slope`,
    `curvature`: the class, its logit's distance, that distance's gradient and the bound of its
    curvature, from which the radius follows; `attacked_distance`, at which the attack finds another
    class, inf where it finds none; `proven_share`, the radius over it, never above 1, NaN where the
    attack finds none.

    Attributes:
        attack: minimal-norm l2 attack without a box.
    """

    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    shares: ClassVar[tuple[str, ...]] = ("proven_share",)

    def __post_init__(self) -> None:
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept inputs of any shape."""

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        one_hidden_layer(classifier, inputs)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        found = curvature_certificate(classifier, batch.inputs)
        around, still = batch.around(classifier)
        with full_precision():
            attacked = self.attack(around, still, Untargeted(found.label), randomness).distance
        return Table(
            {
                "sample": batch.indices,
                "label": found.label,
                "correct": found.label == batch.labels,
                "radius": found.radius,
                "rival": found.rival,
                "gap": found.gap,
                "slope": found.slope,
                "curvature": found.curvature,
                "attacked_distance": attacked,
                "proven_share": proven_share(found.radius, attacked),
            }
        )

    def summarise(self, table: Table) -> Summary:
        radius, count = table.numbers("radius"), len(table["sample"])
        return Summary(
            {
                "median_radius": median(radius),
                "median_attacked_distance": median(table.numbers("attacked_distance")),
                "median_proven_share": median(table.numbers("proven_share")),
            },
            meanings={
                "median_radius": f"median over {count} samples of the l2 radius within which the "
                "predicted class is proven not to change, no box, pixels in [0, 1]",
                "median_attacked_distance": f"median over {count} samples of the l2 distance at "
                f"which {kind_and_norm(self.attack)} finds another class, no box",
                "median_proven_share": f"median over {count} samples of the proven radius over the "
                f"attacked distance{unattacked(table.numbers('attacked_distance'))}",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        series, attack = [], kind_and_norm(self.attack)
        for place, (model, table) in enumerate(tables.items()):
            found = table.numbers("attacked_distance")
            order, at = found.argsort(), torch.arange(len(found))
            series += [
                Series(f"{model}, attacked", at, found[order], style="line", shade=place),
                Series(
                    f"{model}, proven",
                    at,
                    table.numbers("radius")[order],
                    style="points",
                    shade=place,
                    mark=place,
                ),
            ]
        return [
            Lines(
                name="curvature_certificate",
                title="Radii proven by curvature, below distances attacked",
                x_label="samples in the order of their attacked distance",
                y_label="l2 distance (pixels in [0, 1])",
                series=series,
                y_limits=(0, None),
                note=f"From the predicted class, without a box; attacked by {attack}.",
            )
        ]
