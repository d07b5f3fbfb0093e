"""The probe of curvature certificates against `curvature_certificate`."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import MinimalNorm
from advcore.certify import curvature_certificate
from advcore.probes import Batch, CurvatureCertificate
from advcore.probes.proven_distances import proven_share
from advcore.probes.table import Table

NETWORK = oracles.softplus(width=6, depth=1)
IMAGES = oracles.images(6)
BATCH = Batch(IMAGES, torch.arange(6) % 4, torch.arange(6))
PROBE = CurvatureCertificate()


@pytest.fixture(scope="module")
def table():
    return PROBE.measure(NETWORK, BATCH, Randomness(0, BATCH.indices))


def test_rows_are_the_certificates_below_what_is_attacked(table):
    found = curvature_certificate(NETWORK, IMAGES)
    for name in ("label", "radius", "rival", "gap", "slope", "curvature"):
        assert torch.equal(table[name], getattr(found, name))
    assert torch.equal(table["correct"], found.label == BATCH.labels)
    assert (table["attacked_distance"] >= found.radius).all()
    assert torch.equal(table["proven_share"], found.radius / table["attacked_distance"])


def test_the_summary_and_the_chart_show_both(table):
    scalars = PROBE.summarise(table).scalars
    assert 0 < scalars["median_radius"] < scalars["median_attacked_distance"]
    (chart,) = PROBE.charts({"one": table})
    attacked, proven = chart.series
    assert (attacked.y.diff() >= 0).all()
    assert (proven.y <= attacked.y).all()


def test_a_sample_without_an_attacked_distance_has_no_share(table):
    lost = Table({**table, "attacked_distance": torch.full((6,), torch.inf)})
    assert proven_share(lost["radius"], lost["attacked_distance"]).isnan().all()
    summary = PROBE.summarise(lost)
    assert "without 6 of them" in summary.meaning("median_proven_share")


def test_an_attack_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="minimal-norm l2 attack without a box"):
        CurvatureCertificate(MinimalNorm(norm="l2"))
