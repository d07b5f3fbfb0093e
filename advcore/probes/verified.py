"""The radius within which each prediction is verified, beside the attacked distance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from advcore.attacks import Attack
from advcore.attacks.attack import has_budget, norm_of
from advcore.box import keeps_box
from advcore.certify import lipschitz, verified_radius
from advcore.certify.margin_bounds import check_radius_search, check_rows
from advcore.certify.tracing import trace
from advcore.classifier import Classifier, first_logits, frozen, full_precision
from advcore.criteria import Untargeted
from advcore.logit_gradients import jacobian
from advcore.norms import NORMS, L2OrLinf, check_norm
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.probes.verified_summary import summarise_verified, verified_charts
from advcore.randomness import Randomness

VerifiedBy = Literal["lipschitz", "ibp", "crown_ibp", "crown"]
"""The ways to verify a radius, from the cheapest."""


@dataclass(frozen=True)
class Verified:
    """The largest eps that is proven to leave the true label, for each sample and method.

    There is one row per sample; see `advcore.certify.verified_radius`. The network may have the
    layers that `advcore.certify.bounds` knows; another is refused.

    Columns: `sample`; `correct`, whether the label is predicted; `verified_ibp`,
    `verified_crown_ibp`, `verified_crown`, as far as asked for: the largest eps verified, pixel
    units, 0 where there is none; `margin`, the label's logit less the largest other one, and
    `margin_gradient`, the dual norm of its gradient: how fast the margin falls in the norm at the
    sample itself.

    By `lipschitz`: `slope_bound`, the same for each sample of a model: no margin changes faster
    anywhere, by the product of spectral norms, `sqrt(2) L` in l2 and `sqrt(2 D) L` in linf; and
    `verified_lipschitz`, the margin over it. See `advcore.certify.lipschitz`.

    With an `attack`: `attacked_distance`, the norm of what it finds, 0 where the label is not
    predicted, inf where nothing was found. The smallest change of the label lies between the
    verified eps and it.

    Cost: intervals are a few forward passes for each of the halvings; CROWN's are as many backward
    passes as there are units of open sign, twice.

    Attributes:
        largest: largest eps that is tried, pixel units; curves end there.
        norm: norm of the ball, l2 or linf.
        methods: ways to verify; the last one has the band of the chart.
        attack: minimal-norm attack in that norm; none when not given.
        halvings: number of times that the interval of eps is halved.
        box: leave out what a linf ball has outside [0, 1]; an l2 ball is always whole.
        rows: number of linear forms that pass backward at once; it changes memory and speed.
    """

    largest: float
    norm: L2OrLinf = "linf"
    methods: tuple[VerifiedBy, ...] = ("lipschitz", "ibp", "crown")
    attack: Attack | None = None
    halvings: int = 10
    box: bool = True
    rows: int = field(default=1024, metadata={"cost": True})

    def __post_init__(self) -> None:
        check_norm(self.norm, L2OrLinf)
        check_radius_search(self.largest, self.halvings)
        check_rows(self.rows)
        unknown = [method for method in self.methods if method not in get_args(VerifiedBy)]
        if unknown or not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(
                f"methods must be some of {', '.join(get_args(VerifiedBy))}, each once; got "
                f"{', '.join(self.methods) or 'none'}"
            )
        if self.attack is not None:
            _check_attack(self.attack, self.norm, self.box)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        with frozen(classifier):
            trace(classifier, inputs)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with frozen(classifier):
            first_logits(classifier, batch.inputs)
        margin, gradient = self._margins(classifier, batch)
        table = Table({"sample": batch.indices, "correct": margin > 0})
        for method in self.methods:
            if method == "lipschitz":
                slope = self._slope_bound(classifier, batch.inputs)
                table["slope_bound"] = torch.full_like(margin, slope)
                radius = torch.where(margin > 0, margin / slope, 0)
                table["verified_lipschitz"] = radius.clamp(max=self.largest)
                continue
            table[f"verified_{method}"] = verified_radius(
                classifier,
                batch.inputs,
                self.norm,
                batch.labels,
                self.largest,
                method,
                self.halvings,
                self.box,
                self.rows,
            )
        table["margin"], table["margin_gradient"] = margin, gradient
        if self.attack is not None:
            table["attacked_distance"] = self._attacked(self.attack, classifier, batch, randomness)
        return table

    def _margins(self, classifier: Classifier, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the margins and the dual norms of their gradients, `(B,)` each."""
        own = batch.labels[:, None]

        def margins(logits: Tensor) -> Tensor:
            others = logits.scatter(1, own, -torch.inf)
            return logits.gather(1, own) - others.amax(1, keepdim=True)

        with full_precision(), frozen(classifier):
            logits, gradients = jacobian(classifier, batch.inputs, margins)
        return margins(logits)[:, 0], NORMS[self.norm].dual(gradients[:, 0])

    def _slope_bound(self, classifier: Classifier, images: Tensor) -> float:
        """Return how fast a margin may change at most, by the norm of a step."""
        stretch = images[0].numel() if self.norm == "linf" else 1
        return (2 * stretch) ** 0.5 * lipschitz(classifier, images)

    def _attacked(
        self, attack: Attack, classifier: Classifier, batch: Batch, randomness: Randomness
    ) -> Tensor:
        """The distances, `(B,)`, from the true label."""
        images = batch.inputs
        if not keeps_box(attack):
            classifier, images = batch.around(classifier)
        with full_precision():
            return attack(classifier, images, Untargeted(batch.labels), randomness).distance

    def summarise(self, table: Table) -> Summary:
        return summarise_verified(table, self.methods, self.largest, self.norm, self.attack)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return verified_charts(tables, self.methods, self.largest, self.norm, self.attack)


def _check_attack(attack: Attack, norm: str, box: bool) -> None:
    """Raise ValueError for an attack whose distances are no bounds of the same quantity."""
    if has_budget(attack) or norm_of(attack) != norm:
        raise ValueError(
            f"verified needs a minimal-norm attack in {norm}: {{kind: minimal_norm, norm: "
            f"{norm}}}; got {attack!r}"
        )
    if norm == "linf" and box and not keeps_box(attack):
        raise ValueError(
            "an attack that leaves [0, 1] is no bound of what is verified inside: give the probe "
            "box: false, or the attack box: true"
        )
