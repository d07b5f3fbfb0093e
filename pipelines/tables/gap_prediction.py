"""Prediction of networks' generalisation gaps from what was measured of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from advcore.pipelines.claims.bootstrap import quantiles
from advcore.pipelines.tables.conditional_information import conditional_score
from advcore.pipelines.tables.cross_validation import (
    drawn_networks,
    explained,
    held_out_differences,
    held_out_predictions,
    kendall,
    random_folds,
)
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.networks import MeasuredNetworks, Predictor, measured_networks
from advcore.probes import Chart, Columns, Lines, Series
from advcore.probes.charts import equality

SCORES = ("r2", "tau", "information", "lead")
"""The columns that have an interval beside them."""


@dataclass(frozen=True)
class GapPrediction:
    """Predict the gaps of networks, accuracy in training less that in the test, from features.

    One row per predictor. Its prediction is a ridge regression on the logarithms, cross-validated
    over networks: mean over random partitions. Networks are told apart by the axes that `reduce`
    removes; their settings are these, without the seed. Seeds of one setting share a fold, and are
    drawn together.

    Columns: the axes that are left; `predictor`; `baseline`, 1 for one; `features`, how many
    numbers; `networks`; and four scores, each with the ends of its 95 % interval, as `r2_low` and
    `r2_high` beside `r2`: `r2`, the share of the gaps' variance that is predicted out of fold;
    `tau`, Kendall's, of the predicted order with that of the gaps; `information`, PGDL's score of
    that order, in percent; `lead`, the R^2 less that of the best other baseline.

    The order of two networks is predicted by a regression on the folds of neither, for one number
    as for many, so that useless features have a tau of 0 in the mean. Information has no
    direction: where tau is not above 0 it counts 0. Of noise it is still some .6 % for 64 networks.

    Intervals are the middle 95 % of bootstrap draws of the settings, in which copies share a fold:
    in a draw fewer networks predict, so they lie rather low. Each draw has the best baseline of its
    own.

    Attributes:
        train: name of a probe `accuracy` on each network's training set, one of those in `of`.
        test: name of a probe `accuracy` on other samples.
        predictors: predictors by name.
        folds: number of folds, at most one a setting.
        repeats: number of random partitions into folds.
        penalty: weight of the ridge, for features of variance 1.
        draws: number of bootstrap draws.
    """

    train: str
    test: str
    predictors: dict[str, Predictor]
    folds: int = 10
    repeats: int = 10
    penalty: float = 1.0
    draws: int = 500

    def __post_init__(self) -> None:
        if not self.predictors or not all(own.features for own in self.predictors.values()):
            raise ValueError("predictors must name at least one, each with a feature; got none")
        if self.folds < 3 or self.repeats < 1 or self.draws < 1 or not self.penalty > 0:
            raise ValueError(
                "folds must be at least 3, repeats and draws at least 1, the penalty positive; got "
                f"{self.folds}, {self.repeats}, {self.draws}, {self.penalty}"
            )

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each predictor."""
        networks = measured_networks(parts, self.train, self.test, self.predictors)
        whole = self._all_scores(networks, np.ones((1, networks.count)))
        draws = drawn_networks(networks.places, self.draws)
        drawn = self._all_scores(networks, draws[:, networks.place])
        held = list(self.predictors.values())
        columns = {
            "baseline": [float(own.baseline) for own in held],
            "features": [float(sum(one.count for one in own.features)) for own in held],
            "networks": [float(networks.count)] * len(held),
        }
        for score in SCORES:
            ends = [quantiles(drawn[name][score]) for name in self.predictors]
            columns[score] = [float(whole[name][score][0]) for name in self.predictors]
            columns[f"{score}_low"], columns[f"{score}_high"] = map(list, zip(*ends, strict=True))
        numbers = {name: torch.tensor(own, dtype=torch.float64) for name, own in columns.items()}
        return {"predictor": list(self.predictors), **numbers}

    def charts(self, parts: Sequence[Part]) -> list[Chart]:
        """Return predicted against true gaps, of the first predictor and the best baseline."""
        networks = measured_networks(parts, self.train, self.test, self.predictors)
        once = np.ones((1, networks.count))
        predicted = {name: self._predicted(networks, name, once) for name in self.predictors}
        found = {
            name: (float(_r2(networks, own, once)[0]), own.mean(0)[0])
            for name, own in predicted.items()
        }
        baselines = [name for name, own in self.predictors.items() if own.baseline]
        best = sorted(baselines, key=lambda name: found[name][0])[-1:]
        gaps = torch.from_numpy(100 * networks.gaps)
        series = [
            Series(
                f"{name}, $R^2$ {found[name][0]:.2f}",
                gaps,
                torch.from_numpy(100 * found[name][1]),
                style="points",
            )
            for name in dict.fromkeys([next(iter(self.predictors)), *best])
        ]
        return [
            Lines(
                name="gap_prediction",
                title="Predicted and true generalisation gap",
                x_label="true gap: training less test accuracy (percentage points)",
                y_label="predicted gap (percentage points)",
                series=[*series, equality(gaps)],
                note=f"A point a network, {networks.count} of them, predicted from those of other "
                f"folds (mean over {self.repeats} partitions into {self.folds}); line: equality.",
            )
        ]

    def _all_scores(
        self, networks: MeasuredNetworks, weights: np.ndarray
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the scores of all predictors by name, with their leads."""
        found = {name: self._scores(networks, name, weights) for name in self.predictors}
        for name, own in found.items():
            others = [
                found[other]["r2"]
                for other, held in self.predictors.items()
                if held.baseline and other != name
            ]
            best = np.max(others, axis=0) if others else np.full(len(weights), np.nan)
            own["lead"] = own["r2"] - best
        return found

    def _scores(
        self, networks: MeasuredNetworks, predictor: str, weights: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the scores of a predictor, `(draws,)` each."""
        features = networks.features[predictor]
        differences = np.zeros((*weights.shape, networks.count))
        for folds in self._partitions(networks):
            differences += held_out_differences(
                features, networks.gaps, weights, folds, self.penalty
            )
        tau = kendall(differences, networks.gaps, weights)
        information = conditional_score(differences, networks.gaps, networks.settings, weights)
        return {
            "r2": _r2(networks, self._predicted(networks, predictor, weights), weights),
            "tau": tau,
            "information": np.where(tau <= 0, 0, information),
        }

    def _predicted(
        self, networks: MeasuredNetworks, predictor: str, weights: np.ndarray
    ) -> np.ndarray:
        """Return the gaps predicted out of fold, `(repeats, draws, networks)`."""
        features = networks.features[predictor]
        return np.stack(
            [
                held_out_predictions(features, networks.gaps, weights, folds, self.penalty)
                for folds in self._partitions(networks)
            ]
        )

    def _partitions(self, networks: MeasuredNetworks) -> np.ndarray:
        """Return the fold of each network, `(repeats, networks)`; one for all of a setting."""
        return random_folds(networks.places, self.folds, self.repeats)[:, networks.place]


def _r2(networks: MeasuredNetworks, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the R^2 of predictions, `(draws,)`, mean over the partitions."""
    return np.mean([explained(own, networks.gaps, weights) for own in predicted], axis=0)
