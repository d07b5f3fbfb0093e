import oracles
import pytest
import torch

from advcore import Randomness
from advcore.curvature import InputHessian, cross_entropy_of
from advcore.learnt import Learnt
from advcore.probes import Batch, CurvatureWithin
from advcore.probes.shifted_vectors import random_points
from advcore.workers.probe_checks import check_columns

SHAPE = (1, 4, 4)
IMAGES, LABELS = oracles.images(6, SHAPE), torch.arange(6) % 3
BATCH = Batch(IMAGES, LABELS, torch.arange(6))
NETWORK = oracles.relu(shape=SHAPE)
NOISE = torch.randn(16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
BASIS = torch.linalg.qr(NOISE).Q.mT.reshape(3, *SHAPE)
FIT = Learnt("curved net=a", "", {"directions": BASIS})


def _measure(probe, network=NETWORK):
    table = probe.measure(network, BATCH, Randomness(0, BATCH.indices))
    check_columns(table, probe, BATCH)
    return {
        kind: table["curvature"][table.rows_with("kind", kind)] for kind in ("subspace", "sphere")
    }


def test_curvature_is_the_quadratic_form_of_the_dense_hessian():
    found = _measure(CurvatureWithin(FIT, 2))
    dense = InputHessian(NETWORK, IMAGES, cross_entropy_of(LABELS)).dense()
    own = BASIS[:2].flatten(1)
    expected = torch.einsum("mi,bij,mj->b", own, dense, own) / 2
    torch.testing.assert_close(found["subspace"], expected)
    random = random_points(0, 2, SHAPE, "l2").flatten(1).double()
    expected = torch.einsum("mi,bij,mj->b", random, dense, random) / 2
    torch.testing.assert_close(found["sphere"], expected)


def test_at_a_small_step_it_is_the_exact_one():
    affine = oracles.Affine(3, SHAPE)
    exact, near = (_measure(CurvatureWithin(FIT, 2, step), affine) for step in (None, 1e-4))
    torch.testing.assert_close(near["subspace"], exact["subspace"], rtol=1e-3, atol=1e-6)


def test_the_names_of_fits_stand_without_coordinates():
    probe = CurvatureWithin(FIT, 2)
    table = probe.measure(NETWORK, BATCH, Randomness(0, BATCH.indices))
    (chart,) = probe.charts({"plain": table})
    assert chart.ticks[0] == "2 leading ones of curved"
    assert "net=a" not in str(probe.summarise(table).meanings)


@pytest.mark.parametrize(
    ("settings", "message"), [({"directions": 0}, "at least 1"), ({"step": 0.0}, "positive")]
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CurvatureWithin(FIT, **settings)
