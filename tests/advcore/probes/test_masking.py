"""The probe `masking`: shares, curves, and which warnings each symptom gives."""

import dataclasses
import math
import re

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.probes import Batch, Masking, Table
from advcore.probes.masking_signs import summarise_signs

COUNT = 24
PROBE = Masking((0.05, 0.1, 0.2), norm="linf")


def _batch(network, dtype=torch.float64):
    images = oracles.images(COUNT, spread=0.4, dtype=dtype)
    labels = network(images).argmax(1)
    labels[::6] = (labels[::6] + 1) % 2
    return Batch(images, labels, torch.arange(70, 70 + COUNT))


def _measure(network, batch=None, probe=PROBE):
    batch = batch or _batch(network)
    return probe.measure(network, batch, Randomness(0, batch.indices))


def test_columns():
    network = oracles.relu()
    table = _measure(network)
    assert {len(column) for column in table.values()} == {COUNT}
    assert table["broken"].shape == table["broken_by_noise"].shape == (COUNT, 3)
    wrong = table["prediction"] != table["label"]
    assert wrong.sum() == COUNT // 6
    assert table["broken"][wrong].all()
    assert not (table["regained"] | table["worse_than_noise"]).any()


def test_an_honest_classifier_gives_numbers_and_no_warning():
    network = oracles.relu()
    table = _measure(network)
    summary = PROBE.summarise(table)
    assert summary.warnings == {}
    assert summary.scalars == {
        "accuracy": pytest.approx(5 / 6),
        **dict.fromkeys(
            ("zero_gradient", "zero_margin_gradient", "saturated", "varying", "regained"), 0.0
        ),
        "worse_than_noise/short_pgd": 0.0,
    }
    attacked, noisy = summary.curves["accuracy/short_pgd"], summary.curves["accuracy/noise"]
    assert attacked.x == [0.0, *PROBE.eps]
    assert attacked.y[0] == noisy.y[0] == pytest.approx(5 / 6)
    assert attacked.y[1:] == [
        pytest.approx(1 - share) for share in table["broken"].double().mean(0).tolist()
    ]
    assert attacked.y[1] < noisy.y[1]


@pytest.mark.parametrize(
    ("network", "dtype", "expected", "words"),
    [
        (
            oracles.Constant(2.0, 0.0),
            torch.float64,
            {"zero_gradients"},
            "exactly 0 on 100.0% .* the logit margin on 100.0%.*square",
        ),
        (
            oracles.Affine(scale=1e6, dtype=torch.float32),
            torch.float32,
            {"zero_gradients", "saturated_logits", "worse_than_noise"},
            "exactly 0 on 100.0% .* the logit margin on 0.0%.*take the objective logit_margin",
        ),
        (
            oracles.Noisy(oracles.Affine()),
            torch.float64,
            {"varying_gradients"},
            "differ between two calls .* on 100.0%",
        ),
        (
            oracles.Quantised(oracles.relu()),
            torch.float64,
            {"zero_gradients", "worse_than_noise"},
            "short_pgd [0-9.]+%",
        ),
    ],
    ids=["constant", "large-logits", "random", "quantised"],
)
def test_each_symptom_has_its_warning(network, dtype, expected, words):
    summary = PROBE.summarise(_measure(network, _batch(network, dtype)))
    assert set(summary.warnings) >= expected
    assert set(summary.warnings) - expected <= {
        "worse_than_noise",
        "rising_accuracy",
    }  # which follow, where luck decides
    assert re.search(words, " ".join(summary.warnings.values()))


def test_a_thin_shell_makes_accuracy_rise():
    batch = Batch(
        torch.full((COUNT, 1, 4, 4), 0.51),
        torch.zeros(COUNT, dtype=torch.int64),
        torch.arange(COUNT),
    )
    probe = Masking((0.1, 0.4), norm="linf")
    summary = probe.summarise(_measure(oracles.Shell(0.08, 0.015, scale=10), batch, probe))
    assert set(summary.warnings) == {"rising_accuracy", "worse_than_noise"}
    accuracy = summary.curves["accuracy/short_pgd"].y
    assert accuracy[2] > accuracy[1]


def _table(flagged, right=200):
    """`right` samples classified right, of which `flagged` are saturated, and as many that are
    wrong and saturated.
    """
    flags = torch.arange(2 * right) % right < flagged
    flags[right:] = True
    none = torch.zeros(2 * right, dtype=torch.bool)
    return {
        "label": torch.zeros(2 * right, dtype=torch.int64),
        "prediction": (torch.arange(2 * right) >= right).long(),
        "zero_gradient": none,
        "zero_margin_gradient": none,
        "saturated": flags,
        "variation": torch.zeros(2 * right),
    }


@pytest.mark.parametrize(("flagged", "warned"), [(0, False), (2, False), (3, True)])
def test_only_shares_above_the_tolerated_warn(flagged, warned):
    summary = summarise_signs(Table(_table(flagged)))
    assert summary.scalars["saturated"] == flagged / 200
    assert set(summary.warnings) == ({"saturated_logits"} if warned else set())
    assert "regained" not in summary.scalars


def test_nothing_right_is_nothing_to_warn_of():
    network = oracles.Constant(2.0, 0.0)
    batch = dataclasses.replace(_batch(network), labels=torch.ones(COUNT, dtype=torch.int64))
    summary = PROBE.summarise(_measure(network, batch))
    assert summary.scalars["accuracy"] == 0
    assert math.isnan(summary.scalars["zero_gradient"])
    assert summary.warnings == {}


def test_two_lines_for_each_model():
    table = _measure(oracles.relu())
    (chart,) = PROBE.charts({"plain": table, "robust": table})
    assert [series.label for series in chart.series] == [
        "plain, short PGD",
        "plain, noise",
        "robust, short PGD",
        "robust, noise",
    ]
    assert all(len(series.x) == len(series.y) == 4 for series in chart.series)
    assert chart.series[0].y.max() <= 100


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"eps": ()},
            r"eps must be a growing list of finite positive radii in pixel units; got \[\]",
        ),
        ({"eps": (0.1,), "norm": "l0"}, "norm must be one of l1, l2, linf; got 'l0'"),
        ({"eps": (0.1,), "steps": 0}, "steps must be at least 1; got 0"),
        ({"eps": (0.1,), "draws": 0}, "draws must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Masking(**settings)


def test_any_images_will_do():
    PROBE.validate((1, 1, 1), 2)
