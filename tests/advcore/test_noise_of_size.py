"""Noise of one size against its definition, and target classes."""

import pytest
import torch
from oracles import images

from advcore.derived.targets import target_classes
from advcore.noise_of_size import add_noise
from advcore.randomness import Randomness


def drawn(count: int, seed: int = 0) -> Randomness:
    return Randomness(seed, torch.arange(count))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("box", [True, False])
def test_away_from_the_box_the_size_is_exact(norm, box):
    x = images(5, (2, 6, 6), torch.float64, spread=0.2)
    noise = add_noise(x, norm, 0.3, drawn(5), box) - x
    sizes = noise.flatten(1).norm(dim=1, p=2 if norm == "l2" else torch.inf)
    assert torch.allclose(sizes, torch.full_like(sizes, 0.3), atol=1e-12)
    if norm == "l2":  # nothing is stretched: the direction is the one that was drawn
        way = drawn(5).stream("noise").normal((2, 6, 6)).double()
        assert torch.allclose(noise / 0.3, way / way.flatten(1).norm(dim=1)[:, None, None, None])


def test_at_the_box_l2_noise_keeps_its_size_and_its_way():
    x = (images(20, (1, 8, 8)) > 0.7).double()  # black and white alone
    made = add_noise(x, "l2", 2.0, drawn(20), True)
    noise = (made - x).flatten(1)
    assert ((made >= 0) & (made <= 1)).all()
    assert torch.allclose(noise.norm(dim=1), torch.full((20,), 2.0, dtype=torch.float64))
    way = drawn(20).stream("noise").normal((1, 8, 8)).double().flatten(1)
    assert (noise * way >= 0).all()
    free = (noise != 0) & (noise.abs() < 1 - 1e-9)
    for one, direction, mask in zip(noise, way, free, strict=True):
        factor = one[mask] / direction[mask]
        assert torch.allclose(factor, factor[0].expand_as(factor))


def test_noise_that_the_box_has_no_room_for_ends_at_its_corner():
    x = torch.full((3, 1, 2, 2), 0.25, dtype=torch.float64)
    made = add_noise(x, "l2", 10.0, drawn(3), True)
    way = drawn(3).stream("noise").normal((1, 2, 2))
    assert torch.equal(made, (way > 0).double())


def test_noise_of_size_0_is_none():
    x = images(4, dtype=torch.float32)
    for norm in ("l2", "linf"):
        assert torch.equal(add_noise(x, norm, 0, drawn(4), True), x)


@pytest.mark.parametrize(("norm", "size"), [("l1", 1.0), ("l2", -1.0), ("l2", float("nan"))])
def test_noise_that_cannot_be_is_refused(norm, size):
    with pytest.raises(ValueError, match="must be"):
        add_noise(images(2), norm, size, drawn(2), True)


def test_random_targets_are_uniform_and_never_the_label():
    labels = torch.arange(20_000) % 5
    targets = target_classes("random", labels, 5, drawn(20_000))
    assert (targets != labels).all()
    counts = torch.zeros(5, 5).index_put((labels, targets), torch.ones(20_000), accumulate=True)
    others = counts[~torch.eye(5, dtype=torch.bool)]
    assert (others - 1000).abs().max() < 5 * 1000**0.5
    assert not torch.equal(targets, target_classes("random", labels, 5, drawn(20_000, 1)))


def test_the_next_targets():
    labels = torch.tensor([0, 1, 2])
    assert target_classes("next", labels, 3, drawn(3)).tolist() == [1, 2, 0]


def test_targets_need_another_class():
    with pytest.raises(ValueError, match="at least 2 classes"):
        target_classes("random", torch.zeros(2, dtype=torch.int64), 1, drawn(2))
