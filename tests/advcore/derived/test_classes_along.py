"""Two classes that differ along one direction, and are what they were in all others."""

import oracles
import pytest
import torch

from advcore.derived import ClassesAlong
from advcore.learnt import Declared, Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

BASIS = torch.linalg.qr(oracles.images(6, (16,), torch.float64).mT).Q.mT.view(6, 1, 4, 4)
FIT = Learnt("some", tensors={"directions": BASIS.float()})
BATCH = Batch(
    oracles.images(12, (1, 4, 4), torch.float32, 3.0), torch.arange(12) % 2, torch.arange(12)
)


def made(**settings):
    derivation = ClassesAlong(FIT, **settings)
    return derivation.make(None, BATCH, Randomness(7, BATCH.indices)).inputs.flatten(1).double()


@pytest.mark.parametrize("margin", [1.0, 0.2])
def test_the_class_stands_along_the_direction_alone(margin):
    v = BASIS[4].flatten()
    rows = made(direction=4, margin=margin)
    sides = margin * (BATCH.labels.double() - 0.5)
    torch.testing.assert_close(rows @ v, sides, atol=1e-5, rtol=0)
    away = BATCH.inputs.flatten(1).double()
    torch.testing.assert_close(
        rows - sides[:, None] * v, away - (away @ v)[:, None] * v, atol=1e-5, rtol=0
    )


def test_directions_are_counted_from_either_end_or_drawn_by_the_seed():
    v = BASIS[5].flatten()
    torch.testing.assert_close(made(order="least"), made(direction=5))
    random = made(order="random")
    torch.testing.assert_close(random, made(order="random"))
    assert (random @ v - made(direction=5) @ v).abs().max() > 0.01


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="along has a side for each of 2 classes; got 10"):
        ClassesAlong(FIT).validate((1, 4, 4), 10)
    few = Learnt("some", declared=Declared({"directions": (6, 1, 4, 4)}))
    with pytest.raises(ValueError, match="7 directions of the fit some are wanted"):
        ClassesAlong(few, 6).validate((1, 4, 4), 2)
    with pytest.raises(ValueError, match="direction is a number from 0 on; got -1"):
        ClassesAlong(FIT, -1)
    with pytest.raises(ValueError, match="margin must be a positive number; got 0"):
        ClassesAlong(FIT, margin=0)
