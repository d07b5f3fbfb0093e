"""The unit of distances in the captions of robustness and of galleries."""

import oracles
import torch

from advcore import Randomness
from advcore.attacks import PGD, DeepFool, SmallestEps
from advcore.probes import Batch, Examples, Robustness, Table
from advcore.threats import Frequency

NETWORK = oracles.relu()
LP = DeepFool(norm="l2")
OTHER = SmallestEps(PGD(steps=10, threat=Frequency()), largest=5.0, steps=2)
BATCH = Batch(oracles.images(4), torch.arange(4), torch.arange(70, 74))


def measured(probe: Examples | Robustness) -> Table:
    return Table(probe.measure(NETWORK, BATCH, Randomness(0, BATCH.indices)))


def test_curves_in_threat_models_name_no_pixels() -> None:
    for attack, words in (
        (LP, "l2 radius ε (pixels in [0, 1])"),
        (OTHER, "frequency radius ε (in its own unit)"),
    ):
        probe = Robustness((0.1, 0.2), (attack,), masking=False)
        (chart,) = probe.charts({"plain": measured(probe)})
        assert chart.x_label == words


def test_galleries_name_each_unit() -> None:
    probe = Examples(LP, more=(OTHER, DeepFool(norm="linf")), count=1)
    (gallery,) = probe.charts({"plain": measured(probe)})
    assert "(l2, linf pixels in [0, 1]; frequency in its own unit)" in gallery.note
