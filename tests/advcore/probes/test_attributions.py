"""The probe of attributions: the controls of its curves, and the words of its gallery."""

from dataclasses import dataclass, replace

import oracles
import pytest
import torch
from torch import Tensor, nn

from advcore.classifier import predict
from advcore.explain import AttributionMaps
from advcore.explain.deletion import area_under, deletion_curve, pixel_order
from advcore.probes import Alignment, Attributions
from advcore.probes.charts import Lines, told_apart
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

PICTURES = oracles.images(3)
SOURCE = Randomness(3, torch.arange(3))
BATCH = Batch(inputs=PICTURES, labels=torch.zeros(3, dtype=torch.int64), indices=torch.arange(3))
BRIGHTNESS = nn.Sequential(
    nn.Flatten(), nn.Linear(PICTURES[0].numel(), 2, dtype=PICTURES.dtype)
).requires_grad_(False)


@dataclass(frozen=True)
class Seen:
    """The picture itself as its map, whatever the network."""

    scale: float = 1.0

    def __call__(self, classifier, inputs: Tensor, labels: Tensor, randomness=None):
        nothing = torch.zeros(len(inputs), dtype=inputs.dtype)
        return AttributionMaps(self.scale * inputs, nothing, nothing, nothing)


def rows(attribution, **settings):
    return Attributions(attribution, points=4, **settings).measure(BRIGHTNESS, BATCH, SOURCE)


def test_the_picture_itself_as_a_map_gains_nothing_over_the_control():
    table = rows(Seen())
    assert table.numbers("deletion_beyond_picture").tolist() == [0, 0, 0]
    assert table.numbers("insertion_beyond_picture").tolist() == [0, 0, 0]
    assert torch.equal(table.numbers("picture_deletion_gain"), table.numbers("deletion_gain"))


@pytest.mark.parametrize("fill", [0.0, 0.4])
def test_the_control_deletes_what_is_farthest_from_the_fill_first(fill):
    table, labels = rows(Seen(-1.0), fill=fill), predict(BRIGHTNESS, PICTURES)
    order = pixel_order((PICTURES - fill).abs())
    curve = deletion_curve(BRIGHTNESS, PICTURES, labels, order, 4, fill)
    torch.testing.assert_close(table.numbers("picture_deletion"), area_under(curve))
    torch.testing.assert_close(table.numbers("curves")[:, 2], curve)
    torch.testing.assert_close(
        table.numbers("deletion_beyond_picture"),
        table.numbers("picture_deletion") - table.numbers("deletion"),
    )


@pytest.mark.parametrize(("channels", "word"), [(1, "Red speaks"), (3, "Lighter than grey speaks")])
def test_the_gallery_names_the_colours_that_it_draws(channels, word):
    table = rows(Seen())
    wide = {name: table[name] for name in table}
    wide["map"] = table.numbers("map")[:, :1].expand(-1, channels, -1, -1)
    gallery = Attributions(Seen(), points=4).charts({"net": type(table)(wide)})[1]
    assert gallery.note.startswith(word)


@pytest.mark.parametrize("probe", [Attributions(Seen(), points=4), Alignment()])
def test_of_two_channels_the_curves_are_drawn_and_no_pictures(probe):
    pictures = oracles.images(3, (2, 4, 4))
    network = nn.Sequential(nn.Flatten(), nn.Linear(32, 2, dtype=pictures.dtype))
    table = probe.measure(network, replace(BATCH, inputs=pictures), SOURCE)
    assert [type(chart) for chart in probe.charts({"plain": table})] == [Lines]
    nothing = table.take(torch.arange(0))
    assert probe.charts({"failed": nothing}) == probe.charts({}) == []
    assert len(probe.charts({"failed": nothing, "plain": table})) == 1


def test_columns_of_a_gallery_leave_out_what_all_have():
    assert told_apart(["net eps=0.0 seed=0", "net eps=1.0 seed=0"]) == [
        "net eps=0.0",
        "net eps=1.0",
    ]
    assert told_apart(["plain seed=0", "robust seed=1"]) == ["plain seed=0", "robust seed=1"]
    assert told_apart(["net", "net"]) == ["net", "net"]
