"""The probe of smoothed classifiers against a linear one, and its summary against its rows."""

from dataclasses import replace

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import PGD, MinimalNorm
from advcore.certify import ABSTAINS, certify, largest_radius
from advcore.probes import Batch, Counting, Smoothed

FLAT = oracles.Affine(2, dtype=torch.float32)
IMAGES = oracles.images(16, dtype=torch.float32)
LABELS = FLAT(IMAGES).argmax(1)
LABELS[0] = 1 - LABELS[0]
BATCH = Batch(IMAGES, LABELS, torch.arange(16))
SOURCE = Randomness(0, BATCH.indices)
PROBE = Smoothed(draws=1000, attack=MinimalNorm(norm="l2", box=False))


@pytest.fixture(scope="module")
def table():
    return PROBE.measure(FLAT, BATCH, SOURCE)


def test_rows_are_certificates_below_the_margins_and_attacks_above(table):
    found = certify(FLAT, IMAGES, draws=1000, randomness=SOURCE)
    assert torch.equal(table["label"], found.label)
    assert torch.equal(table["radius"], found.radius)
    assert not table["correct"][0]
    right = torch.where(table["correct"], 1.0, 0.0)
    assert torch.equal(table["certified_radius"], found.radius * right)
    margins = FLAT.margins(IMAGES)
    assert (table["radius"] <= margins).all()
    error = 4.5 * 0.5 / 64**0.5
    near = (table["attacked_distance"][1:] - margins[1:]).abs()
    assert (near < 0.02 * margins[1:] + error).all()
    assert (table["attacked_distance"] + error > table["certified_radius"]).all()


def test_curves_count_samples_that_are_right_and_proven(table):
    summary = PROBE.summarise(table)
    curve, attacked = (summary.curves[f"{name}_accuracy"] for name in ("certified", "attacked"))
    assert curve.y[0] == summary.scalars["certified_accuracy"] == table["correct"].double().mean()
    place = curve.x.index(0.25)
    assert curve.y[place] == (table["certified_radius"] >= 0.25).double().mean()
    assert 0 < curve.y[place] < curve.y[0]
    assert attacked.y[place] == (table["attacked_distance"] > 0.25).double().mean()
    assert curve.x[-1] <= largest_radius(0.5, 1000) < curve.x[-1] + 0.025
    radius = summary.scalars["average_certified_radius"]
    assert radius == pytest.approx(table["certified_radius"].mean().item())
    abstained = (table["label"] == ABSTAINS).double().mean()
    assert summary.scalars["abstained"] == abstained > 0


def test_too_few_draws_for_the_radii_are_told(table):
    assert "capped" not in PROBE.summarise(table).warnings
    few = Smoothed(0.05, draws=20)
    warning = few.summarise(few.measure(FLAT, BATCH, SOURCE)).warnings["capped"]
    assert "of the samples have the largest radius that 20 draws prove, 0.0274" in warning


def test_the_chart_shows_both_curves_with_the_interval(table):
    (chart,) = PROBE.charts({"flat": table})
    certified, attacked = chart.series
    assert (certified.label, attacked.label) == ("flat", "flat, attacked")
    assert (certified.low <= certified.y).all()
    assert (certified.y <= certified.high).all()
    assert "No more than 1.23 can be proven" in chart.note
    (alone,) = Smoothed(draws=1000).charts({"flat": table})
    assert [series.label for series in alone.series] == ["flat"]


def bright(images):
    """Logits that are whole numbers, so that no size of batches rounds them: how many pixels are
    bright and how many dark.
    """
    count = (images > 0.5).flatten(1).sum(1)
    return torch.stack([count, images[0].numel() - count], 1).to(images.dtype)


@pytest.mark.parametrize("blocks", [2, 4, 10])
def test_any_number_of_blocks_merges_to_the_same_rows(blocks):
    one, several = Smoothed(draws=1000), Smoothed(draws=1000, blocks=blocks)
    whole = one.measure(bright, BATCH, SOURCE)
    assert len(whole["hits"].unique()) > 3
    assert one.merged(whole) is whole
    merged = several.merged(several.measure(bright, BATCH, SOURCE))
    assert list(merged) == list(whole)
    for name, column in whole.items():
        assert torch.equal(merged[name], column), name


def test_units_in_any_cut_are_the_same_rows():
    probe = Smoothed(draws=450, blocks=3)
    assert isinstance(probe, Counting)
    assert probe.units(5) == 15
    few = BATCH.take(slice(5))
    whole = probe.measure(bright, few, Randomness(0, few.indices))
    assert whole["counts"].sum(1).tolist() == [100, 200, 150] * 5
    assert whole["chosen"].sum(1).tolist() == [100, 0, 0] * 5
    for start, stop in ((0, 2), (2, 3), (3, 11), (11, 15)):
        rows = torch.tensor(probe.samples_of(start, stop))
        part = replace(few.take(rows), units=torch.arange(start, stop))
        own = probe.measure(bright, part, Randomness(0, part.indices))
        assert own.keys() == whole.keys()
        for name, column in own.items():
            assert torch.equal(column, whole[name][start:stop]), name


def test_the_attack_runs_in_the_first_block_of_a_sample(table):
    probe = replace(PROBE, draws=200, blocks=2)
    merged = probe.merged(probe.measure(FLAT, BATCH, SOURCE))
    torch.testing.assert_close(merged["attacked_distance"], table["attacked_distance"])
    part = replace(BATCH.take(torch.tensor([3, 4, 4])), units=torch.tensor([7, 8, 9]))
    own = probe.measure(FLAT, part, Randomness(0, part.indices))
    assert own["attacked_distance"].isnan().tolist() == [True, False, True]
    rest = replace(part.take(slice(1)), units=torch.tensor([7]))
    assert probe.measure(FLAT, rest, Randomness(0, rest.indices))["attacked_distance"].isnan().all()


def test_a_sample_with_a_block_missing_is_left_out():
    probe = Smoothed(draws=200, blocks=2)
    table = probe.measure(FLAT, BATCH.take(slice(3)), Randomness(0, torch.arange(3)))
    assert probe.merged(table.take(torch.tensor([0, 1, 3, 4, 5])))["sample"].tolist() == [0, 2]
    with pytest.raises(ValueError, match="no sample has the rows of all its 2 blocks"):
        probe.merged(table.take(torch.tensor([0, 3])))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"blocks": 0}, r"blocks must lie in 1\.\.100, .* got 0"),
        ({"draws": 250, "blocks": 4}, r"blocks must lie in 1\.\.3, .* got 4"),
        ({"draws": 9}, "draws must be at least 10: .* got 9"),
        ({"attack": PGD(norm="l2", eps=0.5)}, "minimal-norm"),
        ({"attack_draws": 0}, "draws must be at least 1, .* got 0"),
        ({"rows": 0}, "rows must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Smoothed(**settings)
