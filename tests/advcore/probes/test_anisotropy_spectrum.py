"""The spectrum of neural anisotropy directions: sums of what the fit learnt, at one sample."""

import oracles
import pytest
import torch

from advcore import probes
from advcore.learnt import Learnt
from advcore.randomness import Randomness

SPECTRA = {
    "held_out": torch.tensor([0.5, 0.25, 0.25, 0.0]),
    "energy": torch.tensor([0.7, 0.2, 0.1, 0.0]),
    "null_held_out": torch.full((4,), 0.25),
    "null_energy": torch.tensor([0.4, 0.3, 0.2, 0.1]),
}
FIT = Learnt("some", tensors=SPECTRA)


def test_rows_are_the_cumulated_energies():
    images = oracles.images(3, (1, 2, 2))
    batch = probes.Batch(images, torch.zeros(3, dtype=torch.int64), torch.arange(3))
    probe = probes.AnisotropySpectrum(FIT, (1, 2, 4))
    table = probe.measure(oracles.relu(shape=(1, 2, 2)), batch, Randomness(0, batch.indices))
    assert len(set(table["sample"].tolist())) == 1
    for name, expected in {
        "directions": [1, 2, 4],
        "held_out": [0.5, 0.75, 1.0],
        "energy": [0.7, 0.9, 1.0],
        "null": [0.25, 0.5, 1.0],
        "null_energy": [0.4, 0.7, 1.0],
        "chance": [0.25, 0.5, 1.0],
        "over_null": [2.0, 1.5, 1.0],
    }.items():
        assert table.numbers(name).tolist() == pytest.approx(expected, abs=1e-6), name


def test_directions_are_those_that_there_are():
    probe = probes.AnisotropySpectrum(FIT)
    assert probe.settled((1, 2, 2)).directions == (1,)
    with pytest.raises(ValueError, match="directions must not exceed the inputs' dimension, 4"):
        probes.AnisotropySpectrum(FIT, (1, 5)).validate((1, 2, 2), 2)
    with pytest.raises(ValueError, match="directions must be positive and grow"):
        probes.AnisotropySpectrum(FIT, (5, 1))
    with pytest.raises(ValueError, match="has no 'held_out'"):
        probes.AnisotropySpectrum(Learnt("else", tensors={"directions": torch.eye(4)})).validate(
            (1, 2, 2), 2
        )
