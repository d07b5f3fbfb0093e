"""Each threat model against what is known of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linprog
from scipy.sparse import coo_matrix
from sklearn.datasets import load_digits

from advcore import Randomness, Untargeted
from advcore.attacks import PGD, FrankWolfe, SmallestEps
from advcore.frequency import dct2
from advcore.threats import Colour, Feature, Flow, Frequency, Spatial, Sphere, Wasserstein
from advcore.threats.feature import features
from advcore.threats.luv import luv_to_rgb, rgb_to_luv


def spatial(inputs: torch.Tensor, **parameters: float) -> torch.Tensor:
    """Pictures that are moved by these, in degrees and pixels."""
    names = ("rotation", "right", "down", "shear", "scale")
    threat = Spatial(rotation=180, translation=10, shear=1, scale=1)
    limits = (180, 10, 10, 1, 1)
    row = [parameters.get(name, 0) / limit for name, limit in zip(names, limits, strict=True)]
    region = threat.around(inputs, torch.ones(len(inputs)), lambda x: x)
    return region.apply(torch.tensor([row]).expand(len(inputs), -1))


def test_whole_pixels_and_right_angles_lose_nothing() -> None:
    inputs = torch.zeros(2, 1, 9, 9)
    inputs[:, :, 3:6, 2:7] = torch.rand(2, 1, 3, 5)
    close = {"atol": 1e-5, "rtol": 0}
    torch.testing.assert_close(spatial(inputs, right=2), inputs.roll(2, 3), **close)
    torch.testing.assert_close(spatial(inputs, down=-1), inputs.roll(-1, 2), **close)
    turned = spatial(inputs, rotation=90)
    ways = [torch.rot90(inputs, sign, (2, 3)) for sign in (1, -1)]
    assert any(torch.allclose(turned, way, atol=1e-4) for way in ways)
    torch.testing.assert_close(spatial(turned, rotation=-90), inputs, **close)
    wide = F.pad(inputs, (4, 4))  # turning is the same where pictures are no squares
    torch.testing.assert_close(spatial(wide, rotation=90)[..., 4:-4], turned, atol=1e-4, rtol=0)


def test_a_larger_picture_is_larger() -> None:
    inputs = torch.zeros(1, 1, 16, 16)
    inputs[:, :, 6:10, 6:10] = 1
    assert spatial(inputs, scale=1).sum() == pytest.approx(4 * 16, rel=0.1)
    assert spatial(inputs, scale=-1).sum() == pytest.approx(16 / 4, rel=0.1)
    assert spatial(inputs, shear=0.5).sum() == pytest.approx(16, rel=0.05)


def test_a_flow_that_is_the_same_everywhere_is_a_shift() -> None:
    inputs = torch.zeros(2, 1, 9, 9)
    inputs[:, :, 3:6, 2:7] = torch.rand(2, 1, 3, 5)
    region = Flow(nodes=3).around(inputs, torch.full((2,), 5.0), lambda x: x)
    arrows = torch.zeros(2, 2, 3, 3)
    arrows[:, 0], arrows[:, 1] = 1, -2
    torch.testing.assert_close(
        region.apply(arrows), inputs.roll((1, -2), (3, 2)), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(region.size(arrows), torch.full((2,), math.sqrt(5)))


def test_a_curve_of_grey_levels() -> None:
    inputs = torch.linspace(0, 1, 16).view(1, 1, 4, 4)
    region = Colour(nodes=16).around(inputs, torch.ones(1), lambda x: x)
    change = torch.linspace(-0.2, 0.3, 16)[None]
    torch.testing.assert_close(
        region.apply(change), (inputs + change.view(1, 1, 4, 4)).clamp(0, 1), atol=1e-6, rtol=0
    )
    between = torch.full((1, 1, 1, 1), 5.5 / 15)
    moved = Colour(nodes=16).around(between, torch.ones(1), lambda x: x).apply(change)
    assert float(moved - between) == pytest.approx(float(change[0, 5:7].mean()), abs=1e-6)


def test_luv_and_back() -> None:
    colours = torch.cat([torch.rand(4, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)])
    luv = rgb_to_luv(colours)
    torch.testing.assert_close(luv_to_rgb(luv), colours, atol=2e-3, rtol=0)
    assert luv.min() > -0.01
    assert luv.max() < 1.01
    known = rgb_to_luv(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)).flatten()  # pure red in sRGB
    light, u, v = known * torch.tensor([100.0, 258.2, 241.7]) + torch.tensor([0, -83.1, -134.2])
    assert (light, u, v) == pytest.approx((53.24, 175.01, 37.76), abs=0.2)


def test_only_the_band_changes_inside_the_box() -> None:
    inputs = torch.full((3, 1, 8, 8), 0.5)
    region = Frequency(2, 4).around(inputs, torch.full((3,), 0.3), lambda x: x)
    changed = dct2(region.apply(region.random(Randomness(0, torch.arange(3)))) - inputs)
    outside = torch.ones(8, 8)
    outside[:4, :4] = 0
    outside[:2, :2] = 1
    assert (changed * outside).abs().max() < 1e-6
    assert changed.flatten(1).norm(dim=1).max() <= 0.3 + 1e-6


def digits(count: int) -> torch.Tensor:
    return torch.tensor(load_digits().images[:count] / 16, dtype=torch.float64)[:, None]


def test_what_is_carried_keeps_its_mass_and_pays() -> None:
    inputs, eps = digits(4), torch.tensor([0.05, 0.2, 0.5, 1.0], dtype=torch.float64)
    region = Wasserstein(window=5).around(inputs, eps, lambda x: x)
    torch.manual_seed(0)
    coupling = region.project(region.rest() + 0.3 * torch.rand_like(region.rest()))
    assert coupling.min() >= 0
    mass = inputs.flatten(2)[:, :, None]
    torch.testing.assert_close(coupling.sum(2, keepdim=True), mass, atol=1e-9, rtol=0)
    assert (region.size(coupling) <= eps * (1 + 1e-3)).all()
    carried = region.apply(coupling)
    torch.testing.assert_close(carried.sum((1, 2, 3)), inputs.sum((1, 2, 3)))


def optimum(image: np.ndarray, weight: np.ndarray, eps: float, window: int) -> float:
    """The largest `<weight, x'>` over all that may be carried, by a linear programme."""
    side, half = image.shape[0], window // 2
    value, cost, rows, columns = [], [], [], []
    for y in range(side):
        for x in range(side):
            for dy in range(-half, half + 1):
                for dx in range(-half, half + 1):
                    if 0 <= y + dy < side and 0 <= x + dx < side:
                        rows.append(y * side + x)
                        columns.append(len(value))
                        value.append(weight[y + dy, x + dx])
                        cost.append(math.hypot(dy, dx))
    sums = coo_matrix((np.ones(len(rows)), (rows, columns)))
    found = linprog(
        -np.array(value),
        A_ub=np.array(cost)[None],
        b_ub=[eps * image.sum()],
        A_eq=sums,
        b_eq=image.flatten(),
    )
    return -found.fun


PROJECTED = PGD(steps=100, relative_step=0.2, objective="logit_margin", threat=Wasserstein())


@pytest.mark.parametrize(
    ("attack", "share"),
    [(PROJECTED, 0.97), (FrankWolfe(Wasserstein(), steps=1, objective="logit_margin"), 0.9999)],
    ids=lambda value: type(value).__name__,
)
def test_both_attacks_reach_the_linear_programmes_optimum(attack, share) -> None:
    """On a linear network one step of Frank-Wolfe is the programme itself."""
    inputs, eps = digits(3), 0.4
    torch.manual_seed(1)
    weight = torch.randn(8, 8, dtype=torch.float64)

    def classifier(images: torch.Tensor) -> torch.Tensor:
        score = (images * weight).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score - 100], 1)  # never reached

    criterion = Untargeted(torch.zeros(3, dtype=torch.int64))
    result = replace(attack, eps=eps)(classifier, inputs, criterion)
    reached = (result.images * weight).sum((1, 2, 3))
    for image, own in zip(inputs[:, 0].numpy(), reached.tolist(), strict=True):
        best = optimum(image, weight.numpy(), eps, 5)
        still = float((torch.from_numpy(image) * weight).sum())
        assert own <= best + 1e-2 * (best - still)
        assert own - still >= share * (best - still)


def test_each_step_of_frank_wolfe_keeps_the_mass_and_pays() -> None:
    inputs, eps = digits(4), torch.tensor([0.05, 0.2, 0.5, 9.0], dtype=torch.float64)
    region = Wasserstein(window=5).around(inputs, eps, lambda x: x)
    slope = torch.randn(region.rest().shape, generator=torch.Generator().manual_seed(3))
    for scale in (1.0, 1e-12):  # a gradient that has nearly vanished
        coupling = region.farthest(scale * slope.double())
        mass = inputs.flatten(2)[:, :, None]
        torch.testing.assert_close(coupling.sum(2, keepdim=True), mass, atol=1e-9, rtol=0)
        torch.testing.assert_close(region.size(coupling)[:3], eps[:3], rtol=1e-6, atol=0)
        assert region.size(coupling)[3] < 9  # all that is to be had is taken
    still = region.farthest(torch.zeros_like(slope.double()))
    torch.testing.assert_close(region.apply(still), inputs)


def test_feature_distance_is_that_of_normalised_layers() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(108, 2)
    )
    one, other = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    parts = [F.normalize(network[0](images), dim=1, eps=1e-10) / 6 for images in (one, other)]
    region = Feature().around(one, torch.ones(2), network)
    torch.testing.assert_close(
        region.size(other), (parts[0] - parts[1]).flatten(1).norm(dim=1), atol=1e-6, rtol=1e-5
    )
    assert features(network, one).shape == (2, 108)


def test_along_a_sphere_to_a_plane() -> None:
    """From x at the angle a to the normal of `w x = b` it is R |a - arccos(b / (R ||w||))|."""
    weight = torch.randn(7, generator=torch.Generator().manual_seed(3))
    inputs = torch.randn(5, 7, generator=torch.Generator().manual_seed(4))
    radius, offset = inputs.norm(dim=1), 0.2
    classifier = lambda x: torch.stack([x @ weight - offset, torch.zeros(len(x))], 1)  # noqa: E731
    angles = torch.arccos(inputs @ weight / radius / weight.norm())
    exact = radius * (angles - torch.arccos(offset / radius / weight.norm())).abs()
    attack = SmallestEps(PGD(steps=40, threat=Sphere()), largest=8.0, steps=12)
    criterion = Untargeted(classifier(inputs).argmax(1))
    result = attack(classifier, inputs, criterion, Randomness(0, torch.arange(5)))
    assert result.found.all()
    torch.testing.assert_close(result.images.norm(dim=1), radius)
    torch.testing.assert_close(result.distance, exact, rtol=0.01, atol=0.005)


def test_the_size_on_a_sphere_is_an_arc() -> None:
    inputs = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    region = Sphere().around(inputs, torch.full((2,), 100.0), lambda x: x)
    quarter = torch.tensor([[1.0, 3 * torch.pi / 2], [torch.pi, 5.0]])  # the radial part is nothing
    torch.testing.assert_close(
        region.apply(quarter), torch.tensor([[0.0, 3.0], [2.0, 0.0]]), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(region.size(quarter), torch.tensor([1.5 * torch.pi, torch.pi]))
    around = region.size(region.project(100 * quarter))
    torch.testing.assert_close(around, torch.tensor([3 * torch.pi, 2 * torch.pi]))  # halfway
