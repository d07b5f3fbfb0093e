"""Tables (B, F) and sequences (B, T, E): the same numbers as pictures of the same values.

What needs pictures says so.
"""

from dataclasses import replace

import oracles
import pytest
import torch
from attack_table import ATTACKS, DECISIONS, run
from torch import Tensor, nn

from advcore import Normalized, Randomness, Untargeted, probes, training
from advcore.attacks import DeepFool, GeoDA, MinimalNorm, SparseFool, Square, StandardEnsemble
from advcore.learnt import Learnt
from advcore.probes import Batch
from advcore.subspaces import DCTDiagonal, DCTGrid, OneColour, RandomSubspaces
from advcore.training.training_loop import TrainingLoop

SHAPES = {"table": (16,), "sequence": (2, 8)}
PICTURES = {SparseFool(norm="pixels")} | {
    attack for attack in DECISIONS if getattr(attack, "band", None)
}
ANY = [
    attack
    for attack in ATTACKS
    if not isinstance(attack, Square | StandardEnsemble) and attack not in PICTURES
]
FREE = DeepFool(norm="l2", box=False)
LINF = DeepFool(norm="linf", box=False)

every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


class Shaped(nn.Module):
    """A network of pictures (1, 4, 4) that takes the same numbers in any shape."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.reshape(-1, 1, 4, 4))


@every_shape
@pytest.mark.parametrize("attack", ANY, ids=repr)
def test_attacks_see_numbers_alone(attack, shape):
    network, images = Shaped(oracles.relu()), oracles.images(4)
    expected = run(attack, network, images)
    result = run(attack, network, images.view(-1, *shape))
    assert result.images.shape == (4, *shape)
    assert torch.equal(result.found, expected.found)
    torch.testing.assert_close(result.images.flatten(), expected.images.flatten())
    torch.testing.assert_close(result.distance, expected.distance)


@every_shape
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("kind", [DeepFool, MinimalNorm])
def test_distances_of_an_affine_classifier_far_outside_the_box(shape, norm, kind):
    """They are |z_y - z_k| / ||w_y - w_k||_q, wherever the inputs lie."""
    affine, inputs = oracles.Affine(shape=shape), oracles.images(6, shape, spread=40.0)
    assert inputs.min() < -1
    result = run(kind(norm=norm, box=False), affine, inputs)
    expected = affine.distances(inputs, norm).amin(1)
    assert result.found.all()
    torch.testing.assert_close(result.distance, 1.02 * expected, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    "attack", [Square(eps=0.1, queries=3), SparseFool(norm="pixels"), GeoDA(band=2)], ids=repr
)
def test_attacks_on_pixels(attack):
    with pytest.raises(
        ValueError, match=r"needs pictures \(channels, height, width\); got inputs of 16 numbers"
    ):
        run(attack, oracles.relu(shape=(16,)), oracles.images(4, (16,)))


PROBES = {
    "robustness": probes.Robustness((0.1, 0.3), (FREE,)),
    "robustness in linf": probes.Robustness((0.1, 0.3), (LINF,), masking=True),
    "noise": probes.Noise((0.1, 0.5), draws=5, directions=3),
    "curvature": probes.Curvature(temperature=2.0),
    "curvature, extremes": probes.Curvature(
        spectrum="top", top=2, bottom=1, step=0.3, linearity=0.5, temperature=2.0
    ),
    "shared curvature": probes.SharedCurvature(top=2, directions=4),
    "boundary": probes.Boundary(top=2, bottom=2, steps=8),
    "normals": probes.Normals(),
    "random margins": probes.RandomMargins((1, 5)),
    "margins": probes.Margins(RandomSubspaces(count=2, dim=3)),
    "landscape": probes.Landscape(count=4, size=3),
    "smoothed": probes.Smoothed(draws=50),
    "transfer": probes.Transfer(),
    "shifted": probes.Shifted(
        Learnt("fit", "key", {"vector": torch.full((16,), 0.1, dtype=torch.float64)}),
        controls=("constant",),
        draws=2,
        box=False,
    ),
}


@every_shape
@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_probes_see_numbers_alone(probe, shape):
    network = Shaped(oracles.softplus())
    shown = [_measure(probe, network, own) for own in ((1, 4, 4), shape)]
    for name, column in shown[0].items():
        other = shown[1][name]
        if not isinstance(column, Tensor):
            assert list(other) == list(column)
        else:
            own = other.reshape(column.shape)  # the column `normal` has the inputs' shape
            torch.testing.assert_close(own, column, equal_nan=True, msg=name)
    assert probe.summarise(shown[1]).scalars.keys() == probe.summarise(shown[0]).scalars.keys()
    assert isinstance(probe.charts({"one": shown[1], "other": shown[1]}), list)


def _measure(probe, network, shape):
    batch = Batch(oracles.images(5).view(-1, *shape), torch.arange(5) % 4, torch.arange(5))
    if isinstance(probe, probes.Shifted):
        vector = probe.fit["vector"].view(shape)
        probe = replace(probe, fit=Learnt("fit", "key", {"vector": vector}))
    probe.validate(shape, 4)
    others = {"others": {"one": network}} if isinstance(probe, probes.Transfer) else {}
    return probe.measure(network, batch, Randomness(0, batch.indices), **others)


@every_shape
def test_margins_in_random_subspaces_of_an_affine_classifier(shape):
    """In subspaces of the full dimension they are the distances themselves."""
    affine, inputs = oracles.Affine(shape=shape), oracles.images(6, shape, spread=40.0)
    batch = Batch(inputs, torch.zeros(6, dtype=torch.int64), torch.arange(6))
    table = probes.RandomMargins((16,), attack=FREE).measure(
        affine, batch, Randomness(0, batch.indices)
    )
    expected = 1.02 * affine.distances(inputs).amin(1)
    torch.testing.assert_close(table["distance"], expected)


@pytest.mark.parametrize(
    "probe",
    [
        probes.Margins(DCTDiagonal(size=2)),
        probes.Margins(DCTGrid(size=2)),
        probes.Margins(OneColour(DCTGrid(size=2))),
        probes.FrequencyMap(size=2),
        probes.Examples(),
        probes.Shifted(Learnt("fit", "key", {})),
    ],
    ids=lambda probe: type(probe).__name__,
)
@pytest.mark.parametrize(("shape", "size"), [((64,), "64"), ((12, 8), "12 x 8")])
def test_probes_that_need_pictures(probe, shape, size):
    match = rf"needs pictures \(channels, height, width\); got inputs of {size} numbers"
    with pytest.raises(ValueError, match=match):
        probe.validate(shape, 10)


@every_shape
def test_mean_and_std_are_those_of_the_last_axis(shape):
    inputs, last = oracles.images(3, shape, spread=40.0), shape[-1]
    mean, std = torch.arange(last) / 2, 1 + torch.arange(last)
    network = Normalized(oracles.relu(shape=shape), mean.tolist(), std.tolist()).double()
    expected = network.network((inputs - mean) / std)
    torch.testing.assert_close(network(inputs), expected)
    with pytest.raises(ValueError, match=rf"normalises {last} features; inputs have {last + 1}"):
        network(torch.zeros(3, *shape[:-1], last + 1, dtype=torch.float64))


def test_one_image_that_is_no_batch():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    match = r"images must be \(B, C, H, W\); got \(1, 4, 4\): of one image, give images\[None\]"
    with pytest.raises(ValueError, match=match):
        FREE(network, torch.rand(1, 4, 4), Untargeted(torch.zeros(1, dtype=torch.int64)))


@pytest.mark.parametrize(
    ("settings", "who"),
    [
        ({"augmentation": (training.HorizontalFlip(),)}, r"augmentation\[0\], HorizontalFlip"),
        ({"objective": {"noise": training.ACET(eps=None)}}, "objective.noise"),
        ({"channels_last": True}, "channels_last"),
    ],
)
def test_recipes_that_need_pictures(settings, who):
    network, inputs = oracles.relu(shape=(16,), dtype=torch.float32), torch.randn(8, 16)
    with pytest.raises(ValueError, match=rf"{who}.* needs pictures .* got inputs of 16 numbers"):
        TrainingLoop(network, inputs, torch.arange(8) % 4, training.Recipe(**settings), box=False)


def test_a_table_is_learnt():
    """Two classes on both sides of a plane, whose inputs lie far outside of the box."""
    inputs = torch.randn(2048, 6, generator=torch.Generator().manual_seed(0)) * 10
    labels = (inputs[:, 0] > 0).long()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    recipe = training.Recipe(epochs=5, learning_rate=0.05)
    loop = TrainingLoop(network, inputs, labels, recipe, box=False)
    for _ in range(recipe.epochs):
        loop.epoch()
    assert (loop.result(inputs).argmax(1) == labels).double().mean() > 0.95
