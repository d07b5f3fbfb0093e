"""Labels and loss on planes through samples (article, eq. 6, Figs. 3 and 4b)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, get_args

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, Status
from advcore.batch_rows import check_batch_rows
from advcore.classifier import Classifier, full_precision, predict
from advcore.curvature import cross_entropy_of, input_hessian, landscape, most_curved_across
from advcore.margins import check_attack, minimal_perturbations
from advcore.probes.charts import Chart
from advcore.probes.landscape_maps import PlaneName, directions_of, plane_maps
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness

MEANINGS = {
    "mean_own_share": (
        "mean over samples of the share of the plane that is predicted as the sample itself"
    ),
    "mean_largest_loss": "mean over samples of the largest cross-entropy on the plane (nats)",
}
"""Meanings of the summary's numbers."""


@dataclass(frozen=True)
class Landscape:
    """Predicted labels and cross-entropy with the true label on planes through samples.

    `count` samples of the data are drawn. There is one row per sample x plane.

    Point (i, j) of a plane is `x + t_i u + t_j v`, `t` the `size` equal steps over [-w, w], w the
    half width, u and v orthonormal, u along the first direction of the plane's name and v across
    it, along the second: `normal`, the minimal l2 perturbation (without the box); `random`, the
    same for all models; `curved`, the one orthogonal to the normal along which the loss has the
    largest curvature in magnitude (`advcore.curvature.most_curved_across`). Where no minimal
    perturbation was found the normal is 0, and so is the most curved direction where the loss has
    no curvature across the normal: the plane is then constant along that axis. No box: points may
    leave [0, 1].

    Columns: `sample`, `plane`, `label`, `prediction`; `status` and `distance` of the minimal
    perturbation; `half_width`, l2, pixel units; `labels` `(size, size)`; `loss` `(size, size)`,
    nats; `own_share`, the share of the plane's points that are predicted as the sample itself;
    `largest_loss` on the plane.

    Attributes:
        count: number of samples, drawn from the study's by a hash of their indices, the same
            whatever the shards: as many rows x planes.
        shown: number of those samples whose maps are drawn.
        planes: names of the planes.
        size: points of the grid on each side; odd, so that the sample itself is the middle one.
        half_width: half the width of a plane, l2, pixel units, the same for all samples and models.
            When not given, `lengths` times the sample's own minimal perturbation, whatever the data
            and the network: the boundary then lies at 1 along the normal of every map.
        lengths: half the width of a plane, in minimal perturbations, if `half_width` is not given.
        step: step of the Hessian of the most curved direction, l2, pixel units; 0 for the exact
            one.
        attack: attack that finds the minimal perturbation: a minimal-norm l2 attack without a box.
        rows: number of images that go forward at a time; 1,024 at most when not given,
            and fewer of large images, see `advcore.batch_rows`. It changes memory and speed.
    """

    count: int = 4
    shown: int = field(
        default=4, metadata={"cost": True}
    )  # of the charts alone: left out of the key of a result
    planes: tuple[PlaneName, ...] = get_args(PlaneName)
    size: int = 61
    half_width: float | None = None
    lengths: float = 2.5
    step: float = 0.0
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))
    rows: int | None = field(
        default=None, metadata={"cost": True}
    )  # only memory and speed: left out of the key of a result

    shares: ClassVar[tuple[str, ...]] = ("own_share",)

    def __post_init__(self) -> None:
        for name in ("count", "shown"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        check_batch_rows(self.rows)
        known = get_args(PlaneName)
        if (
            not self.planes
            or len(set(self.planes)) < len(self.planes)
            or not set(self.planes) <= set(known)
        ):
            raise ValueError(
                f"planes must be some of {', '.join(known)}, each once; got "
                f"{', '.join(self.planes) or 'none'}"
            )
        if self.size < 3 or self.size % 2 == 0:
            raise ValueError(
                "size must be odd and at least 3, so that the sample is the middle point; got "
                f"{self.size}"
            )
        if self.half_width is not None and not 0 < self.half_width < math.inf:
            raise ValueError(
                "half_width must be a positive length in pixel units, or not given; got "
                f"{self.half_width}"
            )
        if not 0 < self.lengths < math.inf:
            raise ValueError(
                f"lengths must be a positive number of minimal perturbations; got {self.lengths}"
            )
        if not 0 <= self.step < math.inf:
            raise ValueError(
                f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}"
            )
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if math.prod(shape) < 2:
            raise ValueError(f"a plane needs images of at least 2 numbers; got {shape}")

    @property
    def drawn(self) -> int:
        """The number of samples that are measured."""
        return self.count

    def samples(self, batch: Batch) -> Batch:
        return batch.drawn(self.count)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"plane": self.planes}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        some = self.samples(batch)
        images, labels = some.inputs, some.labels
        if not len(images):
            nothing = images.new_zeros(0, len(self.planes), self.size, self.size)
            return self._columns(
                some, labels, [], images.new_zeros(0), nothing.to(torch.int64), nothing
            )
        with full_precision():
            prediction = predict(classifier, images)
            noise = Randomness(randomness.seed, some.indices, randomness.key)
            result = minimal_perturbations(classifier, images, self.attack, noise)
            normal = result.images.flatten(1).masked_fill(~result.found[:, None], 0)
            directions = self._directions(classifier, images, labels, normal, noise)
            steps = torch.linspace(-1, 1, self.size, dtype=images.dtype, device=images.device)
            grid = self._half_widths(result.distance)[:, None] * steps
            sections = [
                landscape(
                    classifier,
                    images,
                    labels,
                    directions[first],
                    directions[second],
                    grid,
                    self.rows,
                )
                for first, second in (directions_of(name) for name in self.planes)
            ]
        status = [Status(code).name.lower() for code in result.status.tolist()]
        predicted = torch.stack([one.labels for one in sections], 1)
        loss = torch.stack([one.loss for one in sections], 1)
        return self._columns(some, prediction, status, result.distance, predicted, loss)

    def summarise(self, table: Table) -> Summary:
        scalars = {}
        for name in self.planes:
            rows = table.rows_with("plane", name)
            for column in ("own_share", "largest_loss"):
                scalars[f"mean_{column}/{name}"] = table.numbers(column)[rows].mean().item()
        return Summary(scalars, meanings=MEANINGS)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        shown = {model: table for model, table in tables.items() if len(table["sample"])}
        if not shown:
            return []
        half = self.lengths if self.half_width is None else self.half_width
        return [
            chart
            for name in self.planes
            for chart in plane_maps(shown, name, self.shown, half, self.half_width is None)
        ]

    def _half_widths(self, distance: Tensor) -> Tensor:
        """Return half the width of the samples' planes, l2, pixel units, `(B,)`.

        It is `lengths` where no perturbation was found.
        """
        if self.half_width is not None:
            return torch.full_like(distance, self.half_width)
        return self.lengths * torch.where(torch.isfinite(distance) & (distance > 0), distance, 1)

    def _directions(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor,
        normal: Tensor,
        randomness: Randomness,
    ) -> dict[str, Tensor]:
        """Return the directions by the words of the planes' names, each `(B, D)`.

        `other` is the second random one.
        """
        source, dimension = randomness.stream("landscape"), normal.shape[1]
        random = {
            name: source.stream(name).normal((dimension,)).to(images.dtype)
            for name in ("random", "other")
        }
        directions = {"normal": normal, **random}
        if "normal_curved" in self.planes:
            hessian = input_hessian(classifier, images, cross_entropy_of(labels), self.step)
            directions["curved"] = most_curved_across(hessian, normal, randomness)
        return directions

    def _columns(
        self,
        batch: Batch,
        prediction: Tensor,
        status: list[str],
        distance: Tensor,
        labels: Tensor,
        loss: Tensor,
    ) -> Table:
        """Return the rows of samples, each with its planes in their order.

        `labels` and `loss` are `(B, planes, size, size)`.
        """
        count = len(self.planes)
        own = labels == prediction[:, None, None, None]
        return Table(
            {
                "sample": batch.indices.repeat_interleave(count),
                "plane": [str(name) for _ in batch.indices for name in self.planes],
                "label": batch.labels.repeat_interleave(count),
                "prediction": prediction.repeat_interleave(count),
                "status": [word for word in status for _ in self.planes],
                "distance": distance.repeat_interleave(count),
                "half_width": self._half_widths(distance).repeat_interleave(count),
                "labels": labels.flatten(0, 1),
                "loss": loss.flatten(0, 1),
                "own_share": own.to(loss.dtype).mean((2, 3)).flatten(),
                "largest_loss": loss.flatten(2).amax(2).flatten(),
            }
        )
