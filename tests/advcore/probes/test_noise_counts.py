"""Counts of classes under noise: against the certificates that they are the base of."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.certify import certify
from advcore.certify.randomised_smoothing import certificates_of
from advcore.probes import Batch, Counting, NoiseCounts
from advcore.probes.noise_counts import added

FLAT = oracles.Affine(2, dtype=torch.float32)
IMAGES = oracles.images(5, dtype=torch.float32)
BATCH = Batch(IMAGES, FLAT(IMAGES).argmax(1), 7 * torch.arange(5))
SOURCE = Randomness(3, BATCH.indices)
PROBE = NoiseCounts(0.5, draws=600, block_draws=200)


@pytest.fixture(scope="module")
def table():
    return PROBE.measure(FLAT, BATCH, SOURCE)


def test_added_counts_are_those_of_the_certificates(table):
    found = certify(FLAT, IMAGES, 0.5, draws=600, randomness=SOURCE)
    whole = added(table)
    assert torch.equal(whole.sample, BATCH.indices)
    assert whole.draws.tolist() == [600] * 5
    near = (whole.counts.gather(1, found.selected[:, None])[:, 0] - found.hits).abs()
    assert (near <= 1).all()  # another size of batches rounds otherwise
    chosen = torch.nn.functional.one_hot(found.selected, 2)
    again = certificates_of(chosen, whole.counts, 0.5, 600, 1e-3)
    torch.testing.assert_close(again.radius, found.radius, rtol=0.02, atol=0.01)


def test_units_in_any_cut_are_the_same_rows(table):
    assert isinstance(PROBE, Counting)
    assert PROBE.units(5) == 15
    for start, stop in ((0, 2), (2, 3), (3, 11), (11, 15)):
        rows = torch.tensor(PROBE.samples_of(start, stop))
        part = Batch(
            IMAGES[rows],
            BATCH.labels[rows],
            BATCH.indices[rows],
            units=torch.arange(start, stop),
        )
        own = PROBE.measure(FLAT, part, Randomness(3, part.indices))
        assert own.keys() == table.keys()
        for name, column in own.items():
            assert torch.equal(column, table[name][start:stop]), name


def test_blocks_are_other_draws(table):
    blocks = table["counts"].view(5, 3, 2)
    assert (blocks.sum(2) == 200).all()
    assert (blocks != blocks[:, :1]).any()


def test_the_summary_is_of_samples_not_of_blocks(table):
    rows = table.take(torch.tensor([0, 1, 2, 3]))  # of the second sample a block alone
    rows["counts"] = torch.tensor([[200, 0], [200, 0], [100, 100], [50, 150]])
    rows["label"] = torch.tensor([0, 0, 0, 0])
    scalars = PROBE.summarise(rows).scalars
    assert scalars["accuracy_under_noise"] == pytest.approx((5 / 6 + 1 / 4) / 2)
    error = (5 / 6 * 1 / 6 / 600 + 1 / 4 * 3 / 4 / 200) ** 0.5 / 2
    assert scalars["accuracy_under_noise_error"] == pytest.approx(error)
    assert scalars["top_class_accuracy"] == 0.5
    assert scalars["top_class_share"] == pytest.approx((5 / 6 + 3 / 4) / 2)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"sigma": -1.0}, "sigma must be"),
        ({"block_draws": 150}, "block_draws must be a multiple of 100; got 150"),
        ({"block_draws": 0}, "block_draws must be a multiple of 100; got 0"),
        ({"draws": 1500}, "draws must be a multiple of block_draws, 1000; got 1500"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        NoiseCounts(**settings)
