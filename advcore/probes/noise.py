"""Gaussian noise and random directions, beside the minimal perturbation.

Article: eqs. 7, 20 and 21.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, Status, kind_and_norm
from advcore.batch_rows import check_batch_rows
from advcore.classifier import Classifier
from advcore.counts import counted
from advcore.margins import check_attack, minimal_perturbations
from advcore.noise_thresholds import implied_distance, noise_level
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.probe import Batch, Curve, Summary, median
from advcore.probes.table import Table
from advcore.random_noise import (
    MEDIAN_RATIO,
    distance_along,
    flip_probability,
    noise_ratio,
    random_directions,
)
from advcore.randomness import Randomness

FLIPPED = 0.1
"""The share of the draws at `sigma_10`."""

QUANTILE = 1.2815515655446004
"""-Phi^-1(0.1): a flat boundary between two classes is so many `sigma_10` away."""


@dataclass(frozen=True)
class Noise:
    """Flips under Gaussian noise and distances along random directions.

    Both stand beside the minimal perturbation. There is one row per sample.

    Columns: `sample`; `distance`, the minimal one, and `status`; `flips` `(S,)`, the share of the
    draws that change the predicted label at each sigma (eq. 7); `along` `(directions,)`, how far
    the boundary is along each random direction, to the nearer side, inf beyond 1,000 (eq. 20);
    `ratio`, the median of `along` over `sqrt(D) ||r*||` (eq. 21), inf where either is not known;
    `sigma_10`, the sigma at which a tenth of the draws changes the label, inf beyond 1,000;
    `sigma_10_ratio`, `sqrt(D) sigma_10 / ||r*||`; `implied` `(S,)`, the distance `-sigma
    Phi^-1(flips)` to which the flips amount where boundaries are flat, inf where no draw flips.

    For a flat boundary between two classes the ratio has the median 1.483
    (`advcore.random_noise.MEDIAN_RATIO`), `sigma_10_ratio` is `sqrt(D) / 1.2816`, 21.85 for 28 x 28
    pixels, and `implied` is `||r*||`. More classes make them smaller, and so does an `attack` that
    goes farther than it must: DeepFool ends 1.4 times as far as `MinimalNorm` on LeNets. Cost: some
    `(S + 10) draws` forward passes a sample beside the attack, and 30 for each direction.

    Attributes:
        sigmas: standard deviations of a pixel, growing, in pixel units; the noisy images are not
            clipped.
        draws: number of draws of the noise at each sigma.
        directions: number of random directions, odd: their median is then one of them, and that of
            one sample has the median of them all.
        attack: minimal-norm l2 attack without a box, for the minimal perturbation.
        rows: number of images sent forward as one batch; 2,048 at most when not given,
            and fewer of large images, see `advcore.batch_rows`. It changes memory and speed.
    """

    sigmas: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.8)
    draws: int = 100
    directions: int = 11
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))
    rows: int | None = field(default=None, metadata={"cost": True})

    shares: ClassVar[tuple[str, ...]] = ("flips",)

    def __post_init__(self) -> None:
        sigmas = list(self.sigmas)
        if (
            not sigmas
            or not all(0 < sigma < math.inf for sigma in sigmas)
            or sigmas != sorted(set(sigmas))
        ):
            raise ValueError(
                "sigmas must be a growing list of finite positive numbers in pixel units; got "
                f"{sigmas}"
            )
        if self.directions < 1 or self.directions % 2 == 0:
            raise ValueError(
                "directions must be an odd number, so that one is the median; got "
                f"{self.directions}"
            )
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")
        check_batch_rows(self.rows)
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images = batch.inputs
        minimal = minimal_perturbations(classifier, images, self.attack, randomness)
        flips = flip_probability(
            classifier, images, self.sigmas, self.draws, randomness, rows=self.rows
        )
        start = torch.where(minimal.found & (minimal.distance > 0), minimal.distance, 1)
        directions = (
            random_directions(images, randomness.stream("along", number))
            for number in range(self.directions)
        )
        along = torch.stack(
            [distance_along(classifier, images, one, start).abs() for one in directions], 1
        )
        dimension = images[0].numel()
        ratio = noise_ratio(along.median(1).values, minimal.distance, dimension)
        level = noise_level(
            classifier, images, start / QUANTILE, FLIPPED, self.draws, randomness, rows=self.rows
        )
        return Table(
            {
                "sample": batch.indices,
                "distance": minimal.distance,
                "status": [Status(code).name.lower() for code in minimal.status.tolist()],
                "flips": flips.mT,
                "along": along,
                "ratio": ratio.masked_fill(~minimal.found, torch.inf),
                "sigma_10": level,
                "sigma_10_ratio": (math.sqrt(dimension) * level / minimal.distance).masked_fill(
                    ~minimal.found, torch.inf
                ),
                "implied": implied_distance(flips.mT, flips.new_tensor(self.sigmas)),
            }
        )

    def summarise(self, table: Table) -> Summary:
        distance, ratio = table.numbers("distance"), table.numbers("ratio")
        quartiles = (
            ratio.quantile(share, interpolation="lower").item() for share in (0.25, 0.5, 0.75)
        )
        names = ("lower_quartile_ratio", "median_ratio", "upper_quartile_ratio")
        return Summary(
            scalars={
                "found": torch.isfinite(distance).double().mean().item(),
                "median_distance": median(distance),
                **dict(zip(names, quartiles, strict=True)),
                "median_sigma_10": median(table.numbers("sigma_10")),
                "median_sigma_10_ratio": median(table.numbers("sigma_10_ratio")),
            },
            curves={
                "flip_probability": Curve(self.sigmas, table.numbers("flips").mean(0).tolist()),
                "flip_probability/flat": Curve(self.sigmas, self._flat(distance).tolist()),
                "median_implied_distance": Curve(
                    self.sigmas, [median(column) for column in table.numbers("implied").mT]
                ),
            },
            meanings=self._meanings(len(distance)),
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return [self._flips(tables), self._ratios(tables)]

    def _meanings(self, count: int) -> dict[str, str]:
        by = (
            f"the minimal l2 perturbation by {kind_and_norm(self.attack)}, from the predicted "
            "label, without a box"
        )
        of = counted(count, "sample")
        flip = "share of draws of Gaussian noise, not clipped, that change the predicted label"
        return {
            "found": f"share of {of} for which {by}, was found",
            "median_distance": (
                f"median over {of} of the norm of {by} (pixels in [0, 1]); inf where none was found"
            ),
            "median_ratio": (
                f"median over {of} of the distance along a random direction over sqrt(D) times "
                f"{by}; {MEDIAN_RATIO:.3f} at a flat boundary between two classes"
            ),
            "lower_quartile_ratio": "lower quartile of the same ratio",
            "upper_quartile_ratio": "upper quartile of the same ratio",
            "median_sigma_10": (
                f"median over {of} of the noise's standard deviation (pixels in [0, 1]) at "
                f"which {FLIPPED:.0%} of {self.draws} draws change the predicted label"
            ),
            "median_sigma_10_ratio": f"median over {of} of sqrt(D) times that standard "
            f"deviation over {by}; sqrt(D) / "
            f"{QUANTILE:.4g} at a flat boundary between two classes",
            "flip_probability": (
                f"{flip}, mean over {of} and {self.draws} draws, by standard deviation "
                "(pixels in [0, 1])"
            ),
            "flip_probability/flat": (
                f"the same at a flat boundary between two classes, as far as {by}"
            ),
            "median_implied_distance": (
                f"median over {of} of -sigma Phi^-1(mu), mu the {flip}, by sigma (pixels in [0, "
                "1]); inf where no draw does"
            ),
        }

    def _flat(self, distance: Tensor) -> Tensor:
        """Return the mean of `Phi(-||r*|| / sigma)`, `(S,)`.

        These are the flips at flat boundaries between two classes.
        """
        return torch.special.ndtr(-distance / distance.new_tensor(self.sigmas)[:, None]).mean(1)

    def _flips(self, tables: Mapping[str, Table]) -> Chart:
        sigmas, series = torch.tensor(self.sigmas), list[Series]()
        for model, table in tables.items():
            place = len(series) // 2
            series.append(
                replace(shares(model, sigmas, table.numbers("flips")), shade=place, mark=place)
            )
            flat = 100 * self._flat(table.numbers("distance"))
            series.append(Series(f"{model}, if flat", sigmas, flat, shade=place, thin=True))
        return Lines(
            name="flips",
            title="Labels that Gaussian noise changes",
            x_label="standard deviation σ of the noise (pixels in [0, 1], not clipped)",
            y_label="changed predictions (%)",
            series=series,
            x_scale="log",
            y_scale="log",
            y_limits=(0.1, 120),
            x_ticks=self.sigmas,
            note=(
                "Share of samples x draws that change the predicted label (eq. 7); band: 95 % "
                "over samples (Wilson). Thin, if flat: the mean of Φ(-‖r*‖ / σ), r* by "
                f"{kind_and_norm(self.attack)}, no box."
            ),
        )

    def _ratios(self, tables: Mapping[str, Table]) -> Chart:
        series, percent = [], torch.arange(1, 100)
        for model, table in tables.items():
            ratio = table.numbers("ratio").double()
            series.append(
                Series(
                    model,
                    percent,
                    ratio.quantile(percent.double() / 100, interpolation="lower"),
                    style="line",
                )
            )
        return Lines(
            name="ratio",
            title="Distance along random directions against the minimal one",
            x_label="samples with a smaller ratio (%)",
            y_label="distance along a random direction, in √D times the minimal one",
            series=series,
            y_scale="log",
            references=((MEDIAN_RATIO, f"flat, two classes, in the median: {MEDIAN_RATIO:.3f}"),),
            note=f"Percentiles 1 to 99 over samples of each one's median over {self.directions} "
            "directions (eq. 21); the minimal "
            f"distance by {kind_and_norm(self.attack)}, from the predicted label, no box.",
        )
