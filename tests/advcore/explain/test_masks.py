"""Masks against sums of an affine classifier, and the pictures that they make."""

import oracles
import torch

from advcore import Randomness, Untargeted
from advcore.attacks import Greedy
from advcore.classifier import predict
from advcore.explain.masks import Masked, areas, blurred, filled, first_mask, random_order
from advcore.threats import Flips

PICTURES = oracles.images(6)
NOISE = Randomness(0, torch.arange(6))


def test_an_empty_mask_leaves_the_picture_and_a_whole_one_the_fill():
    fill = torch.zeros_like(PICTURES)
    masked = Masked(oracles.relu(), PICTURES, fill)
    assert torch.equal(masked.pictures(torch.zeros(6, 1, 2, 2).double()), PICTURES)
    assert torch.equal(masked.pictures(torch.ones(6, 1, 2, 2).double()), fill)
    half = torch.zeros(6, 1, 2, 2).double()
    half[:, :, 0] = 1
    torch.testing.assert_close(areas(half, PICTURES), torch.full((6,), 0.5).double())


def test_the_fewest_pixels_are_known_of_two_classes():
    """Blackening pixel i changes the lead by -w_i x_i: the largest of these first."""
    network = oracles.Affine(classes=2)
    lead = network(PICTURES)
    said = lead.argmax(1)
    sign = torch.where(said == 0, 1.0, -1.0).double()[:, None]
    weight = (network.weight[0] - network.weight[1]).detach()
    gains = sign * weight * PICTURES.flatten(1)
    margin = (sign[:, 0] * (lead[:, 0] - lead[:, 1])).detach()
    sums = gains.clamp(min=0).sort(1, descending=True).values.cumsum(1)
    fewest = (sums < margin[:, None]).sum(1) + 1
    masked = Masked(network, PICTURES, torch.zeros_like(PICTURES))
    empty = torch.zeros(6, 1, 4, 4).double()
    result = Greedy(Flips(), eps=16.0)(masked, empty, Untargeted(said), NOISE)
    assert torch.equal(result.found, sums[:, -1] > margin)
    assert result.found.any()
    assert torch.equal(result.distance[result.found].long(), fewest[result.found])
    for kind in ("blob", "scattered"):
        masks, found = first_mask(masked, random_order(kind, 4, NOISE), Untargeted(said))
        changed = predict(network, masked.pictures(masks)) != said
        assert torch.equal(changed, found)
        assert (masks.sum((1, 2, 3))[found] >= fewest[found]).all()
        assert (masks[~found] == 1).all()


def test_the_first_mask_is_the_smallest_of_its_order():
    network = oracles.relu()
    said = predict(network, PICTURES)
    masked, order = Masked(network, PICTURES, 1 - PICTURES), random_order("scattered", 4, NOISE)
    masks, found = first_mask(masked, order, Untargeted(said))
    assert found.any()
    for row in found.nonzero()[:, 0].tolist():
        one = Masked(network, PICTURES[row : row + 1], 1 - PICTURES[row : row + 1])
        tried = torch.zeros(16, dtype=torch.float64)
        for cell in order[row].tolist():
            if predict(one, tried.view(1, 1, 4, 4)) != said[row]:
                break
            tried[cell] = 1
        assert torch.equal(masks[row].flatten(), tried)


def test_a_blob_lies_together():
    """Its cells lie nearer to each other than scattered ones do."""
    noise = Randomness(0, torch.arange(200))

    def spread(kind):
        first = random_order(kind, 7, noise)[:, :9]
        places = torch.stack([first // 7, first % 7], 2).double()
        return places.var(1).sum(1).mean()

    assert (random_order("blob", 7, noise).sort(1).values == torch.arange(49)).all()
    assert spread("blob") < 0.5 * spread("scattered")


def test_fills():
    point = torch.zeros(1, 2, 21, 21).double()
    point[0, 0, 10, 10] = 1
    steps = torch.arange(-6, 7).double()
    weights = torch.exp(-steps.square() / 8)
    weights = weights / weights.sum()
    expected = weights[:, None] * weights
    torch.testing.assert_close(blurred(point, 2.0)[0, 0, 4:17, 4:17], expected)
    assert not blurred(point, 2.0)[0, 1].any()
    flat = torch.full((1, 1, 5, 5), 0.3)
    torch.testing.assert_close(filled("blur", flat, NOISE, 1.0, 0.0), flat)
    assert (filled("constant", PICTURES, NOISE, 1.0, 0.25) == 0.25).all()
    drawn = filled("noise", PICTURES, NOISE, 1.0, 0.0)
    some = torch.tensor([4, 1])
    assert torch.equal(filled("noise", PICTURES[some], NOISE.take(some), 1.0, 0.0), drawn[some])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
