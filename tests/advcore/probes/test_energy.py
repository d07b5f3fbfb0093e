from dataclasses import replace

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.learnt import Learnt
from advcore.probes import Batch, Energy
from advcore.workers.probe_checks import check_columns

SHAPE = (1, 4, 4)
IMAGES = oracles.images(6, SHAPE)
BATCH = Batch(IMAGES, torch.zeros(6, dtype=torch.int64), torch.arange(20, 26))
NOISE = torch.randn(16, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
BASIS = torch.linalg.qr(NOISE).Q.mT
CURVED = Learnt("curved", "", {"directions": BASIS.view(5, *SHAPE).float()})
TWO = oracles.Affine(2, SHAPE)
NORMAL = (TWO.weight[1] - TWO.weight[0]).detach()
PROBE = Energy(CURVED, directions=(1, 3), attack=DeepFool(norm="l2", box=False))


def _measure(probe, network=TWO, batch=BATCH):
    table = probe.measure(network, batch, Randomness(0, batch.indices))
    check_columns(table, probe, batch)
    return table


def test_minimal_perturbations_of_an_affine_classifier_lie_along_its_normal():
    table = _measure(PROBE)
    exact = torch.stack([(BASIS[:m] @ NORMAL).square().sum() for m in (1, 3)]) / (NORMAL @ NORMAL)
    torch.testing.assert_close(table["energy"], exact.repeat_interleave(6), rtol=1e-5, atol=1e-7)
    chance = torch.tensor([1 / 16, 3 / 16], dtype=torch.float64).repeat_interleave(6)
    torch.testing.assert_close(table["over_chance"], table["energy"] / chance)
    torch.testing.assert_close(table["norm"], 1.02 * TWO.margins(IMAGES).repeat(2))
    assert table["directions"].tolist() == [1] * 6 + [3] * 6
    scalars = PROBE.summarise(table).scalars
    assert scalars["found"] == 1
    assert scalars["mean_over_chance/3"] == pytest.approx(exact[1].item() / (3 / 16), rel=1e-5)
    assert scalars["median_energy/1"] == pytest.approx(exact[0].item(), rel=1e-5)


def test_random_vectors_have_the_energy_of_chance():
    noise = torch.randn(4000, *SHAPE, generator=torch.Generator().manual_seed(4))
    random = Learnt("random", "", {"directions": noise})
    table = _measure(replace(PROBE, vectors=random))
    assert set(table["sample"].tolist()) < set(range(20, 26))
    assert len(table["sample"]) == 2 * 4000
    means = PROBE.summarise(table).scalars
    for m, deviation in ((1, 0.081), (3, 0.125)):  # of Beta(m/2, (16 - m)/2), rounded up
        assert means[f"mean_energy/{m}"] == pytest.approx(m / 16, abs=4 * deviation / 4000**0.5)


def test_the_vector_of_a_fit_is_measured_once_whatever_the_shards():
    learnt = Learnt("uap", "", {"vector": 3 * BASIS[0].view(SHAPE) + 4 * BASIS[4].view(SHAPE)})
    probe = replace(PROBE, vectors=learnt, directions=(1, 5))
    table = _measure(probe)
    torch.testing.assert_close(table["energy"], torch.tensor([9 / 25, 1]).double())
    assert table["norm"].tolist() == pytest.approx([5, 5])
    other = replace(BATCH, places=torch.arange(1, 7))  # the first in the drawn order is elsewhere
    nothing = _measure(probe, batch=other)
    assert len(nothing["sample"]) == 0
    assert probe.summarise(nothing).scalars == {}
    assert probe.charts({"a": nothing}) == []
    assert probe.charts({"a": table, "b": nothing})[0].series[0].y.tolist() == pytest.approx(
        [36, 100]
    )


def test_what_is_not_found_has_no_energy():
    table = _measure(PROBE, oracles.Constant(0.0, 2.0))
    assert table["energy"].isnan().all()
    assert table["norm"].isinf().all()
    assert PROBE.summarise(table).scalars["found"] == 0
    assert [one.label for one in PROBE.charts({"a": table})[0].series] == ["random vectors, m / D"]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="growing list of whole numbers from 1; got"):
        replace(PROBE, directions=(3, 1))
    with pytest.raises(ValueError, match="directions must not exceed the inputs' dimension, 16"):
        replace(PROBE, directions=(17,)).validate(SHAPE, 2)
    replace(PROBE, subspace=Learnt("curved")).validate(SHAPE, 2)
    with pytest.raises(ValueError, match="the fit curved has no 'directions'; it has nothing yet"):
        _measure(replace(PROBE, subspace=Learnt("curved")))
    with pytest.raises(ValueError, match="6 directions of the fit curved are wanted, and it has 5"):
        _measure(replace(PROBE, directions=(6,)))
