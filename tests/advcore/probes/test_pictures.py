import oracles
import pytest
import torch

from advcore import Randomness
from advcore.probes import Accuracy, Batch, Pictures

AFFINE = oracles.Affine(3)


def test_samples_beside_what_is_said_of_them():
    batch = Batch(oracles.images(5), torch.arange(5) % 3, torch.arange(5))
    randomness = Randomness(0, batch.indices)
    table = Pictures().measure(AFFINE, batch, randomness)
    assert torch.equal(table.numbers("image"), batch.inputs)
    said = Accuracy().measure(AFFINE, batch, randomness)
    assert {name: own.tolist() for name, own in table.items() if name != "image"} == {
        name: own.tolist() for name, own in said.items()
    }
    assert Pictures().summarise(table) == Accuracy().summarise(said)
    assert Pictures().charts({"affine": table}) == []


@pytest.mark.parametrize(
    ("shape", "match"), [((16,), "a figure of pictures"), ((2, 4, 4), "1 or 3 channels; got 2")]
)
def test_what_is_no_picture_is_refused(shape, match):
    with pytest.raises(ValueError, match=match):
        Pictures().validate(shape, 3)
