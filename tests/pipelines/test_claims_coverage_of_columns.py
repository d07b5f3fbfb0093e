"""Intervals of claims about two columns, and about warnings, that cover: 200 runs on made data,
whose true number is known.
"""

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import Correlation, MaskingWarnings, Numbers

RUNS = 200
X, Y = Numbers("p", "own", "x"), Numbers("p", "own", "y")


@pytest.mark.parametrize(
    ("pearson", "samples"), [(0.0, 64), (0.6, 64), pytest.param(0.9, 128, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("shape", [lambda values: values, lambda values: values**3])
def test_rank_correlations_cover(pearson, samples, shape):
    """Of a Gaussian copula, whatever each column's distribution, it is 6 / pi asin(rho / 2)."""
    random, truth, held = np.random.default_rng(3), 6 / np.pi * np.arcsin(pearson / 2), 0
    for _ in range(RUNS):
        one, noise = random.standard_normal((2, samples))
        columns = {"x": one, "y": shape(pearson * one + np.sqrt(1 - pearson**2) * noise)}
        table = {
            "sample": torch.arange(samples),
            **{name: torch.from_numpy(values) for name, values in columns.items()},
        }
        measured = Correlation("x", X, Y).measure({"p": {"own": table}})
        held += measured.low <= truth <= measured.high
    assert held >= 0.9 * RUNS


@pytest.mark.slow
def test_numbers_of_warnings_cover():
    """Signs whose true shares lie above and below what is tolerated, 1 %."""
    random, samples, held = np.random.default_rng(4), 200, 0
    shares = {
        "zero_gradient": 0.04,
        "saturated": 0.5,
        "regained": 0.002,
        "worse_than_noise": 0.03,
    }  # the truth: three warnings
    for _ in range(RUNS // 4):
        signs = {
            name: torch.from_numpy(random.random(samples) < share) for name, share in shares.items()
        }
        signs["zero_margin_gradient"] = torch.zeros(samples, dtype=torch.bool)
        of = {name: torch.zeros(samples) for name in ("label", "prediction", "variation")}
        measured = MaskingWarnings("x", "p", "own").measure(
            {"p": {"own": {"sample": torch.arange(samples), **of, **signs}}}
        )
        held += measured.low <= 3 <= measured.high
    assert held >= 0.9 * RUNS // 4
