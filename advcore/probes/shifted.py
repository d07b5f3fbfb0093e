"""One vector added to all samples: how many it fools (article, eq. 17 and Fig. 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

import torch

from advcore.classifier import (
    Classifier,
    check_pictures,
    first_logits,
    frozen,
    full_precision,
)
from advcore.learnt import Learnt
from advcore.norms import L2OrLinf, check_norm, norm_by_name
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.shifted_summary import shifted_charts, summarise_shifted
from advcore.probes.shifted_vectors import MINUS, Control, check_fit, effects, shifts
from advcore.probes.table import Table
from advcore.randomness import Randomness

SQUARES = (1, 2, 4, 7, 14)
"""The sides of the chessboards' squares when none are given."""


@dataclass(frozen=True)
class Shifted:
    """Samples under an added vector that a fit learnt, beside other vectors of the same size.

    What nothing was learnt for may fool as well, and most papers do not look: random vectors,
    chessboards, the constant and the mean picture, all scaled to the norm of the learnt vector, and
    all but the random ones in both signs. There is one row per vector x sample.

    Columns: `sample`; `vector`: `none` (nothing added), `learnt`, its opposite `learnt_minus`,
    `sphere` (the mean over random vectors) or `control`; `control`, name of the control, empty for
    the others: `chessboard_1` with squares of 1 pixel, its opposite `chessboard_1_minus`, and so
    on, `constant`, `mean`; `fooled`, whether the prediction differs from that of the sample itself,
    a share of the draws for `sphere`; `correct`, whether it is the label, likewise; `confidence`,
    probability of the sample's own prediction; `norm` of the vector, in pixel units.

    The best control is known from the whole table alone. A claim that the learnt vector fools more
    than each of them is a ratio `of: {column: fooled, over: control, where: {vector: learnt}}, to:
    {vector: control}`: the smallest of its ratios is that to the best control.

    Attributes:
        fit: fit with a `vector` (*shape) and, for the control `mean`, the `mean` (*shape) of the
            inputs that it was learnt from.
        controls: kinds of vectors beside the learnt one.
        squares: sides of the chessboards' squares, in pixels; when not given those of 1, 2, 4, 7
            and 14 that are smaller than the images.
        draws: number of random vectors, the same for all samples and models.
        norm: norm in which all vectors are as long as the learnt one; when not given that of the
            fit, l2 of one that has none. Random vectors are uniform on the sphere in l2, corners of
            the cube in linf.
        box: true to clip the shifted inputs to [0, 1], as the fit does if its own `box` is true: it
            shortens the vectors, those more that point out of the box more.
    """

    fit: Learnt
    controls: tuple[Control, ...] = get_args(Control)
    squares: tuple[int, ...] | None = None
    draws: int = 10
    norm: L2OrLinf | None = None
    box: bool = True

    shares: ClassVar[tuple[str, ...]] = (
        "fooled",
        "correct",
        "confidence",
    )

    def __post_init__(self) -> None:
        known = get_args(Control)
        if len(set(self.controls)) < len(self.controls) or not set(self.controls) <= set(known):
            raise ValueError(
                f"controls must be some of {', '.join(known)}, each once; got "
                f"{', '.join(self.controls)}"
            )
        squares = None if self.squares is None else list(self.squares)
        if squares is not None and (
            not squares or squares[0] < 1 or squares != sorted(set(squares))
        ):
            raise ValueError(
                f"squares must be a growing list of whole numbers of pixels; got {squares}"
            )
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")
        if self.norm is not None:
            check_norm(self.norm, L2OrLinf)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if "chessboard" in self.controls:
            self._check_squares(shape)
        check_fit(self.fit, "vector", shape)
        if "mean" in self.controls:
            check_fit(self.fit, "mean", shape)

    def settled(self, shape: tuple[int, ...]) -> "Shifted":
        fits = self.fit.declared
        norm = self.norm or (fits.norm if fits and fits.norm in get_args(L2OrLinf) else "l2")
        squares = self.squares
        if squares is None:
            side = max(shape[1:], default=0) if "chessboard" in self.controls else SQUARES[-1] + 1
            squares = tuple(own for own in SQUARES if own < side) or SQUARES[:1]
        return replace(self, squares=squares, norm=norm)  # type: ignore[arg-type]

    def values(self) -> Mapping[str, Sequence[str | float]]:
        names = {
            "chessboard": [f"chessboard_{square}" for square in self.squares or SQUARES],
            "constant": ["constant"],
            "mean": ["mean"],
        }
        controls = [
            f"{name}{sign}"
            for kind, own in names.items()
            if kind in self.controls
            for name in own
            for sign in ("", MINUS)
        ]
        sphere = ["sphere"] if "sphere" in self.controls else []
        vectors = ["none", "learnt", f"learnt{MINUS}", *sphere, *(["control"] if controls else [])]
        return {"vector": vectors, "control": ["", *controls]}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        shape = tuple(batch.inputs.shape[1:])
        whole = self.settled(shape)
        assert whole.squares is not None
        assert whole.norm is not None
        added = shifts(
            self.fit, shape, self.controls, whole.squares, self.draws, whole.norm, randomness.seed
        )
        with full_precision(), frozen(classifier), torch.no_grad():
            own = first_logits(classifier, batch.inputs).argmax(1)
            parts = [effects(classifier, batch, own, shift.vectors, self.box) for shift in added]
        fooled, correct, confidence = (torch.cat(part) for part in zip(*parts, strict=True))
        size, count = norm_by_name(whole.norm).size, len(own)
        norms = torch.stack([size(shift.vectors)[0] for shift in added])
        return Table(
            {
                "sample": batch.indices.repeat(len(added)),
                "vector": _words([shift.vector for shift in added], count),
                "control": _words([shift.control for shift in added], count),
                "fooled": fooled,
                "correct": correct,
                "confidence": confidence,
                "norm": norms.repeat_interleave(count),
            }
        )

    def summarise(self, table: Table) -> Summary:
        return summarise_shifted(table, self.fit.family, self.box)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return shifted_charts(tables, self.fit.family, self.norm, self.box)

    def _check_squares(self, shape: tuple[int, ...]) -> None:
        check_pictures(shape, "a chessboard (leave it out of controls)")
        smaller = [square for square in self.squares or SQUARES if square < max(shape[1:])]
        if self.squares is not None and len(smaller) < len(self.squares):
            raise ValueError(
                f"squares must be smaller than the images, {shape[1]} x {shape[2]}, else there is "
                f"one alone; got {self.squares[-1]}: write squares: {smaller}, or leave it out"
            )


def _words(names: list[str], count: int) -> list[str]:
    """Return each name as often as there are samples."""
    return [name for name in names for _ in range(count)]
