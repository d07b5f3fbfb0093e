import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.probes import Batch, Noise, Table
from advcore.random_noise import MEDIAN_RATIO

SHAPE = (3, 8, 8)
PROBE = Noise((0.2, 1.0), draws=400, directions=11)
QUICK = Noise((0.2, 1.0), draws=20, directions=3)
FLAT = oracles.Affine(2, SHAPE)


def _measure(network, images, probe=PROBE):
    batch = Batch(
        images, torch.zeros(len(images), dtype=torch.int64), torch.arange(50, 50 + len(images))
    )
    return probe.measure(network, batch, Randomness(0, batch.indices))


def test_flips_at_a_flat_boundary_are_gaussian():
    images = 3 * oracles.images(6, SHAPE) - 1  # also outside [0, 1]
    table = _measure(FLAT, images)
    exact = torch.special.ndtr(-FLAT.margins(images)[:, None] / torch.tensor(PROBE.sigmas))
    assert (
        (table["flips"] - exact).abs() < 4.5 * (exact * (1 - exact) / PROBE.draws).sqrt() + 1e-9
    ).all()
    curves = PROBE.summarise(table).curves
    assert curves["flip_probability"].x == PROBE.sigmas
    assert curves["flip_probability"].y == pytest.approx(table["flips"].mean(0).tolist())
    flat = torch.special.ndtr(-FLAT.margins(images)[:, None] / torch.tensor(PROBE.sigmas))
    assert curves["flip_probability/flat"].y == pytest.approx(flat.mean(0).tolist(), rel=1e-4)


def test_the_ratio_at_a_flat_boundary_has_the_median_of_theory():
    """So many of the samples' medians lie below it: half, within four standard deviations of a fair
    coin.
    """
    count = 400
    table = _measure(FLAT, oracles.images(count, SHAPE), Noise((0.1,), draws=1))
    assert abs((table["ratio"] < MEDIAN_RATIO).sum().item() - count / 2) < 4 * count**0.5 / 2
    assert table["along"].shape == (count, 11)
    assert (1.02 * table["along"] >= table["distance"][:, None]).all()
    torch.testing.assert_close(
        table["along"].sort(1).values[:, 5] / (192**0.5 * table["distance"]), table["ratio"]
    )


def test_what_is_not_found_is_inf():
    table = _measure(oracles.Constant(0.0, 2.0), oracles.images(3, SHAPE), QUICK)
    assert set(table["status"]) == {"failed"}
    assert (table["flips"] == 0).all()
    for name in ("distance", "along", "ratio"):
        assert torch.isinf(table[name]).all()
    summary = PROBE.summarise(table)
    assert summary.scalars["found"] == 0
    assert summary.scalars["median_ratio"] == torch.inf
    assert summary.curves["flip_probability/flat"].y == [0, 0]


def test_the_noise_that_flips_a_tenth_of_the_draws_at_a_flat_boundary():
    """sqrt(784) / 1.2816 = 21.85 times as large in l2 as the minimal perturbation, and the distance
    that it implies is exact.
    """
    shape, count = (1, 28, 28), 64
    flat, images = (
        oracles.Affine(2, shape, torch.float32),
        oracles.images(count, shape, torch.float32),
    )
    table = _measure(flat, images, Noise((0.5,), draws=200, directions=1))
    assert table["sigma_10_ratio"].mean().item() == pytest.approx(21.85, rel=0.02)
    assert PROBE.summarise(table).scalars["median_sigma_10_ratio"] == pytest.approx(21.85, rel=0.02)
    near = table["flips"][:, 0] > 0.02  # where draws enough flip to tell
    assert near.sum() > 10
    ratio = table["implied"][near, 0] / table["distance"][near]
    assert ratio.median().item() == pytest.approx(1, rel=0.05)
    implied = 1.2815516 * table["sigma_10"] / table["distance"]
    assert implied.mean().item() == pytest.approx(1, rel=0.02)


def test_summary():
    ratio = torch.tensor([4.0, 1.0, torch.inf, 2.0, 3.0])
    flips = torch.zeros(5, 2)
    table = Table(
        distance=torch.tensor([1.0, 1.0, torch.inf, 2.0, 3.0]),
        flips=flips,
        ratio=ratio,
        sigma_10=ratio,
        sigma_10_ratio=2 * ratio,
        implied=torch.full((5, 2), torch.inf),
    )
    scalars = PROBE.summarise(table).scalars
    names = (
        "found",
        "median_distance",
        "lower_quartile_ratio",
        "median_ratio",
        "upper_quartile_ratio",
    )
    assert [scalars[name] for name in names] == [pytest.approx(0.8), 2, 2, 3, 4]
    assert [scalars["median_sigma_10"], scalars["median_sigma_10_ratio"]] == [3, 6]
    assert PROBE.summarise(table).curves["median_implied_distance"].y == [torch.inf, torch.inf]


def test_every_number_says_of_what_it_is():
    table = _measure(oracles.relu(shape=SHAPE), oracles.images(4, SHAPE), QUICK)
    summary = QUICK.summarise(table)
    assert all(summary.meaning(name) for name in (*summary.scalars, *summary.curves))
    for word in ("minimal_norm-l2", "predicted label", "without a box", "4 samples"):
        assert word in summary.meaning("median_distance")


def test_charts():
    table = _measure(oracles.relu(shape=SHAPE), oracles.images(4, SHAPE), QUICK)
    flips, ratios = QUICK.charts({"plain": table, "robust": table})
    assert [series.label for series in flips.series] == [
        "plain",
        "plain, if flat",
        "robust",
        "robust, if flat",
    ]
    assert (
        [len(series.x) for series in flips.series]
        == [len(series.y) for series in flips.series]
        == [2] * 4
    )
    assert [series.label for series in ratios.series] == ["plain", "robust"]
    assert ratios.series[0].y[[0, 49]].tolist() == [
        table["ratio"].sort().values[place].item() for place in (0, 1)
    ]
    assert (ratios.series[0].y.diff() >= 0).all()
    assert ratios.references[0][0] == MEDIAN_RATIO


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: Noise(sigmas=()),
            r"sigmas must be a growing list of finite positive numbers in pixel units; got \[\]",
        ),
        (lambda: Noise(sigmas=(0.0, 1.0)), "sigmas must be a growing list"),
        (lambda: Noise(sigmas=(1.0, 0.5)), "sigmas must be a growing list"),
        (lambda: Noise(sigmas=(1.0, torch.inf)), "sigmas must be a growing list"),
        (
            lambda: Noise(directions=10),
            "directions must be an odd number, so that one is the median; got 10",
        ),
        (lambda: Noise(directions=-1), "directions must be an odd number"),
        (lambda: Noise(draws=0), "draws must be at least 1; got 0"),
        (lambda: Noise(rows=0), "rows must be at least 1; got 0"),
        (lambda: Noise(attack=DeepFool()), "without a box"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
