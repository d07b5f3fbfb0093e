"""The smallest part of a picture that decides its label, beside random parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from advcore.attacks import Attack, Greedy
from advcore.attacks.attack import has_budget, with_budget
from advcore.checks import check_pictures
from advcore.classifier import Classifier, check_images, full_precision, predict
from advcore.counts import counted
from advcore.criteria import Targeted, Untargeted
from advcore.explain.masks import (
    FillName,
    Masked,
    OrderName,
    areas,
    filled,
    first_mask,
    random_order,
)
from advcore.probes.charts import Chart
from advcore.probes.mask_charts import all_charts
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.threats import Flips

Goal = Literal["delete", "keep"]
RANDOM: tuple[OrderName, ...] = get_args(OrderName)
BY = ("search", *RANDOM)
"""The kinds of masks: what the attack found, and random ones."""


@dataclass(frozen=True)
class Masks:
    """The smallest masks that change the label by deleting, and that keep it alone.

    `delete`: a fill stands where the mask lies, and the label that the classifier gives is another
    one. `keep`: the picture stands where the mask lies and the fill elsewhere, and the label is
    that of the whole picture. A mask has `cells` x `cells` cells, whole or empty, and is drawn up
    linearly between them to the picture's size. The attack starts from the empty mask and makes
    cell after cell whole; its last look at the picture makes sure of the answer, which bounds the
    smallest mask from above.

    Beside it stand masks of the same family that are random: cells in a `blob` around a random
    point, or `scattered`, of the smallest size at which they do the same, the median of `draws`
    orders; all sizes are tried. Such a mask that never does it counts as the whole picture.

    There is one row per fill x goal x kind of mask x sample.

    Columns: `sample`; `fill`; `goal`; `by`, the kind of mask: `search` for the attack's, `blob` or
    `scattered`; `found`, whether a mask was found, of random ones the share of the draws; `area`,
    the share of the picture that it covers, 1 where none was found, 0 where the fill alone has the
    label; `mask` `(1, cells, cells)`, of random ones the first draw's. With `images`, `image` and
    `masked` `(C, H, W)`: the picture, and what the mask makes of it.

    Attributes:
        search: attack on masks, which begin as zeros: one that counts flips (`greedy`), or one for
            the shortest way, such as `minimal_norm` in l1, whose masks may be half transparent.
        cells: number of cells of a side.
        fills: contents of what is deleted: the picture under a `blur`, a `constant`,
            `noise` uniform in [0, 1].
        blur: standard deviation of the Gaussian of `blur`, in pixels.
        level: value of `constant`, in [0, 1].
        draws: number of random masks of either kind.
        images: keep the pictures and draw them; for few samples.
    """

    search: Attack = field(default_factory=lambda: Greedy(Flips()))
    cells: int = 7
    fills: tuple[FillName, ...] = ("blur", "constant", "noise")
    blur: float = 4.0
    level: float = 0.0
    draws: int = 5
    images: bool = False

    shares: ClassVar[tuple[str, ...]] = (
        "found",
        "area",
    )

    def __post_init__(self) -> None:
        for name, value in {"cells": self.cells, "draws": self.draws}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value}")
        distinct = {*self.fills} & {*get_args(FillName)}
        if not distinct or len(distinct) < len(self.fills):
            raise ValueError("fills must be one or more of blur, constant, noise, each once")
        if not self.blur > 0 or not 0 <= self.level <= 1:
            raise ValueError(
                f"blur must be above 0 and level in [0, 1]; got {self.blur} and {self.level}"
            )

    @property
    def box(self) -> bool:
        """True: masks mix pictures in [0, 1]."""
        return True

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for inputs that are no pictures, or smaller than the masks."""
        channels, height, width = check_pictures(shape, "a mask")
        if self.cells > min(height, width):
            raise ValueError(
                f"cells must not exceed the sides of the pictures, {height} x {width}; got "
                f"{self.cells}"
            )
        if self.blur > max(height, width):
            raise ValueError(
                f"blur must not exceed the pictures' longer side, {max(height, width)} pixels; got "
                f"{self.blur:g}"
            )
        if self.images and channels not in (1, 3):
            raise ValueError(f"images are drawn of pictures of 1 or 3 channels; got {channels}")

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"fill": self.fills, "goal": get_args(Goal), "by": BY}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        inputs = check_images(batch.inputs)
        with full_precision():
            said = predict(classifier, inputs)
            parts = [
                self._measured(classifier, inputs, said, fill, goal, randomness)
                for fill, goal in self._settings()
            ]
        some, count = len(inputs), len(BY) * len(parts)
        return Table(
            {
                "sample": batch.indices.repeat(count),
                "fill": [fill for fill, _ in self._settings() for _ in range(len(BY) * some)],
                "goal": [goal for _, goal in self._settings() for _ in range(len(BY) * some)],
                "by": [by for _ in parts for by in BY for _ in range(some)],
                **{name: torch.cat([part[name] for part in parts]) for name in parts[0]},
                **({"image": inputs.repeat(count, 1, 1, 1)} if self.images else {}),
            }
        )

    def _settings(self) -> Iterator[tuple[FillName, Goal]]:
        return product(self.fills, get_args(Goal))

    def _measured(
        self,
        classifier: Classifier,
        inputs: Tensor,
        said: Tensor,
        fill: FillName,
        goal: Goal,
        randomness: Randomness,
    ) -> dict[str, Tensor]:
        """Return the columns of one fill and goal."""
        fills = filled(fill, inputs, randomness, self.blur, self.level)
        deletes = goal == "delete"
        ends = (inputs, fills) if deletes else (fills, inputs)
        masked = Masked(classifier, *ends)
        criterion = Untargeted(said) if deletes else Targeted(said)
        empty = inputs.new_zeros(len(inputs), 1, self.cells, self.cells)
        search = self.search
        if has_budget(search):
            search = with_budget(search, float(self.cells**2))
        result = search(masked, empty, criterion, randomness.stream(fill, goal))
        area = torch.where(result.found, areas(result.images, inputs), 1.0)
        rows = [(result.images, result.found.double(), area)]
        for kind in RANDOM:
            tried = [
                first_mask(masked, random_order(kind, self.cells, noise), criterion)
                for noise in (randomness.stream(kind, draw) for draw in range(self.draws))
            ]
            found = torch.stack([own for _, own in tried])
            sizes = torch.stack([areas(masks, inputs) for masks, _ in tried])
            sizes = torch.where(found, sizes, 1.0)
            rows.append((tried[0][0], found.double().mean(0), _median_of_draws(sizes)))
        masks, found, area = (torch.cat(own) for own in zip(*rows, strict=True))
        columns = {"found": found, "area": area, "mask": masks}
        if self.images:
            columns["masked"] = torch.cat([masked.pictures(own) for own, _, _ in rows])
        return columns

    def summarise(self, table: Table) -> Summary:
        scalars = dict[str, float]()
        for fill, goal in self._settings():
            own = table.take(table.rows_with("fill", fill))
            own = own.take(own.rows_with("goal", goal))
            for by in BY:
                one = own.take(own.rows_with("by", by))
                scalars[f"found/{by}/{goal}/{fill}"] = one.numbers("found").mean().item()
                scalars[f"median_area/{by}/{goal}/{fill}"] = median(one.numbers("area"))
        count = counted(len(table.numbers("sample").unique()), "sample")
        share = f"median over {count} of the share of the picture"
        return Summary(
            scalars,
            meanings={
                "found": f"share of {count}, and of random draws, for which a mask does it: "
                "changes the label, or keeps it",
                "median_area": f"{share} that a mask covers: the one searched for, a random "
                "blob, cells scattered at random",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return all_charts(tables, self.fills, get_args(Goal), BY, self.images)


def _median_of_draws(sizes: Tensor) -> Tensor:
    """The median `(B,)` of sizes `(draws, B)`: the mean of the middle two of an even number."""
    single = sizes.to(torch.promote_types(sizes.dtype, torch.float32))  # no quantiles of half
    return single.quantile(0.5, 0)
