"""Lengths to the plane tangent to the boundary over those that attacks find (article, Fig. 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import torch
from torch import Tensor

from advcore.attacks import Attack, Bisected, MinimalNorm, SparseFool, kind_and_norm
from advcore.attacks.attack import norm_of
from advcore.box import keeps_box
from advcore.classifier import Classifier, full_precision, predict
from advcore.criteria import Untargeted
from advcore.norms import NormName, norm_by_name
from advcore.probes.attack_labels import check_attacks, told_apart
from advcore.probes.charts import Chart, Lines, ascending
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.tangent_planes import step_to_tangent_plane

PLANES = ("boundary", "image")
"""The points at which the boundary is linearised: the minimal l2 perturbation's end, the image."""


@dataclass(frozen=True)
class TangentPlane:
    """The shortest way onto the boundary's tangent plane, over the shortest way that was found.

    The plane is tangent at the end of the minimal l2 perturbation, and the way onto it, in the norm
    of the attacks, has a closed form: what SparseFool rests on. Their ratio is 1 for an affine
    classifier with two classes. The control is the plane of the same two classes' logits at the
    image itself, which knows nothing of the boundary. There is one row per attack x plane x sample,
    from the predicted class.

    Columns: `sample`; `attack`; `plane`: `boundary`, or `image` for the control; `tangent`, length
    of the closed form, pixel units, inf where there is none, as where the box does not reach the
    plane; `crosses`, whether the step alone, a hundredth longer, changes the predicted class;
    `found`, the length that the attack found, inf where it found none; `ratio`, tangent over found,
    NaN where either is not known; `distance`, l2, of the point on the boundary, inf where none was
    found.

    Attributes:
        attacks: minimal-norm attacks of one norm: l1, l2 or linf.
        point: minimal-norm l2 attack that finds the point; like the attacks it keeps to the box or
            not.
    """

    attacks: tuple[Attack, ...] = (SparseFool(), MinimalNorm(norm="l1"))
    point: Attack = field(default_factory=lambda: MinimalNorm(norm="l2"))

    def __post_init__(self) -> None:
        for attacks in (self.attacks, (self.point,)):
            check_attacks("tangent_plane", attacks)
        norms = sorted({norm_of(attack) for attack in self.attacks})
        if len(norms) > 1 or norms[0] not in get_args(NormName):
            raise ValueError(
                f"the attacks must share a norm, l1, l2 or linf; got {', '.join(norms)}"
            )
        if norm_of(self.point) != "l2":
            raise ValueError(f"point must be an l2 attack; got {kind_and_norm(self.point)}")
        if len({keeps_box(attack) for attack in (*self.attacks, self.point)}) > 1:
            raise ValueError(
                "the attacks and point must all keep to the box or none of them: set their box"
            )

    @property
    def chosen(self) -> tuple[Attack, ...]:
        """The attacks that run."""
        return (*self.attacks, self.point)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"attack": told_apart(self.attacks), "plane": PLANES}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images, norm = batch.inputs, norm_by_name(norm_of(self.attacks[0]))
        with full_precision():
            own = predict(classifier, images)
            criterion = Untargeted(own)
            end = Bisected(self.point)(classifier, images, criterion, randomness)
            lengths = [
                attack(classifier, images, criterion, randomness).distance
                for attack in self.attacks
            ]
            beyond = predict(classifier, end.images)
            planes = []
            for points in (end.images, images):
                plane = step_to_tangent_plane(
                    classifier, images, points, own, beyond, norm, keeps_box(self.point)
                )
                length = plane.length.masked_fill(~end.found, torch.inf)
                planes.append((length, self._crosses(classifier, images, plane.steps, own)))
        found = torch.cat([length.repeat(len(PLANES)) for length in lengths])
        tangent = torch.cat([length for length, _ in planes]).repeat(len(lengths))
        ratio = (tangent / found).masked_fill(~(tangent.isfinite() & found.isfinite()), torch.nan)
        names = [name for name in PLANES for _ in range(len(images))]
        rows = len(lengths) * len(PLANES)
        return Table(
            {
                "sample": batch.indices.repeat(rows),
                "attack": [name for name in told_apart(self.attacks) for _ in names],
                "plane": names * len(lengths),
                "tangent": tangent,
                "crosses": torch.cat([crosses for _, crosses in planes]).repeat(len(lengths)),
                "found": found,
                "ratio": ratio,
                "distance": end.distance.masked_fill(~end.found, torch.inf).repeat(rows),
            }
        )

    def _crosses(
        self, classifier: Classifier, images: Tensor, steps: Tensor, own: Tensor
    ) -> Tensor:
        """Return whether a step, a hundredth longer, changes the predicted class, `(B,)`."""
        moved = images + 1.01 * steps
        return predict(classifier, moved.clamp(0, 1) if keeps_box(self.point) else moved) != own

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        scalars = dict[str, float]()
        for name in told_apart(self.attacks):
            for plane in PLANES:
                some = _rows(table, name, plane)
                ratio = some.numbers("ratio")
                scalars |= {
                    f"found/{name}": some.numbers("found").isfinite().double().mean().item(),
                    f"median_found/{name}": median(some.numbers("found")),
                    f"median_ratio/{plane}/{name}": median(ratio),
                    f"crosses/{plane}": some.numbers("crosses").double().mean().item(),
                }
        return Summary(scalars, meanings=self._meanings(len(table.numbers("sample").unique())))

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        series = []
        for mark, (model, table) in enumerate(tables.items()):
            for shade, name in enumerate(told_apart(self.attacks)):
                for plane, end in zip(PLANES, ("", ", at the image"), strict=True):
                    ratio = _rows(table, name, plane).numbers("ratio")
                    line = ascending(f"{model}, {name}{end}", ratio)
                    place = len(self.attacks) * mark + shade
                    series.append(replace(line, shade=place, thin=plane != PLANES[0]))
        return [
            Lines(
                name="tangent_plane",
                title="Way onto the tangent plane over the way found",
                x_label="samples, each line's sorted by its own values (%)",
                y_label=f"closed form over found ({norm_of(self.attacks[0])})",
                series=series,
                y_scale="log",
                references=[(1.0, "affine, two classes")],
                note="Plane at the end of the minimal l2 perturbation by "
                f"{kind_and_norm(self.point)}; thin: at the image itself, the control. "
                f"{'In' if keeps_box(self.point) else 'Without'} the box.",
            )
        ]

    def _meanings(self, count: int) -> dict[str, str]:
        length = f"{norm_of(self.attacks[0])} length (pixels in [0, 1])"
        return {
            "found": f"share of {count} samples for which the attack found a perturbation",
            "median_found": f"median over {count} samples of the {length} that the attack found",
            "median_ratio": f"median over samples of the {length} of the step onto the plane "
            "tangent at the end of the minimal l2 perturbation (boundary) or at the image, over "
            "that found",
            "crosses": f"share of {count} samples whose predicted class that step changes, a "
            "hundredth longer",
        }


def _rows(table: Table, attack: str, plane: str) -> Table:
    """Return the rows of an attack and a plane."""
    return table.take(table.rows_with("attack", attack) & table.rows_with("plane", plane))
