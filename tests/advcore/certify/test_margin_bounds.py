"""Bounds of margins against points of the ball, closed forms, a hand calculation and a peer."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized, Randomness, norms
from advcore.attacks import PGD
from advcore.certify import bounds, verified_radius
from advcore.certify.margin_bounds import METHODS
from advcore.classifier import Around
from advcore.criteria import Untargeted
from advcore.networks import lenet, perceptron, small_resnet18, vgg

SHAPE = (2, 6, 6)


class Residual(nn.Module):
    """`relu(x + layer(x))`, in place where it can be."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, inputs):
        out = self.layer(inputs)
        out += inputs
        return torch.relu_(out)


class Arithmetic(nn.Module):
    """`1 - (2 x - 0.5) / 3`, by operators."""

    def forward(self, inputs):
        return 1 - (2 * inputs - 0.5) / 3


def _head(units):
    return nn.Flatten(), nn.Linear(units, 8), nn.ReLU(), nn.Linear(8, 4)


def _conv(inputs, outputs, *settings, **named):
    return nn.Conv2d(inputs, outputs, *settings, **named)


LAYERS = {
    "linear": lambda: (nn.Flatten(), nn.Linear(72, 9), nn.ReLU(), *_head(9)),
    "convolution": lambda: (_conv(2, 4, 3, 2, 1, groups=2), nn.ReLU(), _conv(4, 3, 2), *_head(12)),
    "batch_norm": lambda: (_conv(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), *_head(48)),
    "average": lambda: (_conv(2, 3, 2), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True), *_head(27)),
    "adaptive": lambda: (_conv(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), *_head(12)),
    "maximum": lambda: (_conv(2, 3, 2), nn.MaxPool2d(2, ceil_mode=True), nn.ReLU(), *_head(27)),
    "overlapping": lambda: (_conv(2, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *_head(27)),
    "residual": lambda: (_conv(2, 2, 3, padding=1), nn.ReLU(inplace=True), Residual(
        nn.Sequential(_conv(2, 2, 3, padding=1), nn.ReLU(), _conv(2, 2, 1))), *_head(72)),
    "arithmetic": lambda: (Arithmetic(), _conv(2, 2, 3), Arithmetic(), nn.Dropout(), *_head(32)),
}  # fmt: skip

NETWORKS = {
    "lenet": lambda: lenet(num_classes=3, side=12, width=0.5),
    "perceptron": lambda: perceptron(num_classes=3, side=12, width=12, depth=3, norm="batch"),
    "small_resnet18": lambda: small_resnet18(num_classes=3, channels=1, width=0.05, depth=10),
    "vgg": lambda: vgg(num_classes=3, channels=1, width=0.05, depth=11),
}


def _network(build, shape, seed=0):
    """A float64 network in evaluation mode whose batch norms have seen images."""
    torch.manual_seed(seed)
    built = build()
    network = built if isinstance(built, nn.Module) else nn.Sequential(*built)
    network = Normalized(network, (0.4,) * shape[0], (0.3,) * shape[0]).double()
    with torch.no_grad():
        network.train()(oracles.images(32, shape, seed=seed))
    return network.eval()


def _margins(network, images, labels):
    logits = network(images)
    return logits.gather(1, labels[:, None]) - logits


def _points(network, images, eps, norm, labels, count):
    """Points of each image's ball that lie in the box, `(B, count + 1, *shape)`.

    They are random ones, half of them at its border, and where PGD ends.
    """
    repeated, ball = images.repeat_interleave(count, 0), norms.norm_by_name(norm)
    source = Randomness(0, torch.arange(len(repeated)))
    r = ball.random(source, images.shape[1:], eps)
    if norm == "linf":
        r[::2] = eps * r[::2].sign()
    else:
        r[::2] = eps * ball.steepest(r[::2])
    random = (repeated + r).clamp(0, 1).view(len(images), count, *images.shape[1:])
    attacked = PGD(eps, norm, 20)(network, images, Untargeted(labels)).images
    return torch.cat([random, attacked[:, None]], 1)


def _check_sound(network, shape, norm, eps, count):
    images = oracles.images(2, shape, spread=0.9, seed=3)
    labels = network(images).argmax(1)
    points = _points(network, images, eps, norm, labels, count)
    found = _margins(network, points.flatten(0, 1), labels.repeat_interleave(count + 1))
    least = found.view(2, count + 1, -1).amin(1)
    proven = [bounds(network, images, eps, norm, labels, method).lower for method in METHODS]
    for lower in proven:
        assert (lower <= least + 1e-9).all()
    assert (proven[0] <= proven[2] + 1e-12).all()
    return least, proven


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("kind", LAYERS)
def test_no_point_of_the_ball_has_a_smaller_margin_than_is_proven(kind, norm):
    network = _network(LAYERS[kind], SHAPE)
    for eps in (0.02, 0.2) if norm == "linf" else (0.1, 1.0):
        _check_sound(network, SHAPE, norm, eps, count=1000)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_of_the_package_are_bounded_soundly(name, norm):
    for seed in range(3):
        network = _network(NETWORKS[name], (1, 12, 12), seed)
        for eps in (0.005, 0.05) if norm == "linf" else (0.05, 0.5):
            _check_sound(network, (1, 12, 12), norm, eps, count=1000)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "overlapping"])
def test_where_no_sign_changes_linear_relaxation_is_exact(kind, norm):
    """There the least margin is `m - eps ||grad m||_q`."""
    network, eps = _network(LAYERS[kind], SHAPE), 1e-6
    images = oracles.images(2, SHAPE, spread=0.9).requires_grad_()
    labels = network(images).argmax(1)
    margins = _margins(network, images, labels)
    for other in range(4):
        (slope,) = torch.autograd.grad(margins[:, other].sum(), images, retain_graph=True)
        least = margins[:, other] - eps * norms.norm_by_name(norm).dual(slope)
        for method in ("crown_ibp", "crown"):
            lower = bounds(network, images.detach(), eps, norm, labels, method).lower[:, other]
            assert torch.allclose(lower, least, rtol=0, atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_affine_classifiers_are_bounded_exactly(norm, method):
    flat, images = oracles.Affine(4), oracles.images(5, spread=0.5)
    labels, eps = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([0.0, 0.01, 0.1, 0.2, 0.1]).double()
    normals = flat.weight[labels][:, None] - flat.weight
    lengths = norms.norm_by_name(norm).dual(normals.flatten(0, 1)).view(5, 4)
    expected = _margins(flat, images, labels) - eps[:, None] * lengths
    found = bounds(flat, images, eps, norm, labels, method)
    assert torch.allclose(found.lower, expected, atol=1e-12)
    others = expected.scatter(1, labels[:, None], torch.inf)
    assert torch.equal(found.verified, (others > 0).all(1))


@pytest.mark.parametrize("method", METHODS)
def test_the_box_is_left_out_of_linf_balls(method):
    flat, images = oracles.Affine(3), oracles.images(4, spread=1.0)
    labels = torch.tensor([0, 1, 2, 0])
    normals = flat.weight[labels][:, None] - flat.weight
    down = (images - (images - 0.4).clamp(0, 1)).flatten(1)[:, None]
    up = ((images + 0.4).clamp(0, 1) - images).flatten(1)[:, None]
    loss = torch.where(normals > 0, normals * down, -normals * up).sum(2)
    expected = _margins(flat, images, labels) - loss
    inside = bounds(flat, images, 0.4, "linf", labels, method).lower
    assert torch.allclose(inside, expected, atol=1e-12)
    whole = bounds(flat, images, 0.4, "linf", labels, method, box=False).lower
    assert (whole <= inside).all()
    assert (whole < inside - 1e-3).any()
    assert torch.equal(
        bounds(flat, images, 0.4, "l2", labels, method, box=False).lower,
        bounds(flat, images, 0.4, "l2", labels, method).lower,
    )


def test_a_network_that_is_bounded_by_hand():
    """Of x = (.5, .5), eps = .5, y = 0, k = 1; z1 = x1 + x2 - 1/4 in [-.25, 1.75], z2 = x1 - x2 in
    [-1, 1]; the margin is relu(z1) - 2 relu(z2) + 1.

    Intervals: 0 - 2 + 1 = -1. CROWN: relu(z1) >= z1, for 1.75 > .25; relu(z2) <= (z2 + 1) / 2, so
    z1 - (z2 + 1) + 1 = 2 x2 - 1/4, at least -1/4.
    """
    first, last = nn.Linear(2, 2), nn.Linear(2, 2)
    network = nn.Sequential(nn.Flatten(), first, nn.ReLU(), last).double()
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 1], [1, -1]]))
        first.bias.copy_(torch.tensor([-0.25, 0]))
        last.weight.copy_(torch.tensor([[1.0, 0], [0, 2]]))
        last.bias.copy_(torch.tensor([1.0, 0]))
    image, label = torch.full((1, 1, 1, 2), 0.5).double(), torch.tensor([0])
    proven = [bounds(network, image, 0.5, "linf", label, method) for method in METHODS]
    assert [found.lower[0, 1].item() for found in proven] == pytest.approx([-1, -0.25, -0.25])
    assert [found.lower[0, 0].item() for found in proven] == [0, 0, 0]
    assert not any(found.verified for found in proven)
    assert bounds(network, image, 0.25, "linf", label).verified


def test_perceptrons_are_bounded_as_tightly_as_by_a_peer():
    """`bound-propagation` merges no margins into the last layer: so it gets that layer merged."""
    peer = pytest.importorskip("bound_propagation", reason="uv pip install bound-propagation")
    torch.manual_seed(0)
    network = perceptron(num_classes=4, side=6, width=20, depth=3).double()
    images = oracles.images(3, (1, 6, 6), spread=0.9)
    labels = torch.ones(3, dtype=torch.int64)
    last = network[-1]
    merged = nn.Linear(20, 4).double()
    with torch.no_grad():
        merged.weight.copy_(last.weight[1] - last.weight)
        merged.bias.copy_(last.bias[1] - last.bias)
    theirs = peer.BoundModelFactory(adaptive_relu=True).build(nn.Sequential(*network[1:-1], merged))
    for eps in (0.005, 0.02, 0.05):
        region = peer.HyperRectangle.from_eps(images.flatten(1), eps)
        mine = {
            method: bounds(network, images, eps, "linf", labels, method, box=False).lower
            for method in METHODS
        }
        assert torch.allclose(mine["ibp"], theirs.ibp(region).lower, atol=1e-9)
        relaxed = theirs.crown_ibp(region).concretize().lower
        assert torch.allclose(mine["crown_ibp"], relaxed.maximum(mine["ibp"]), atol=1e-9)
        assert (mine["crown"] >= theirs.crown(region).concretize().lower - 1e-9).all()
        assert (mine["crown"] >= mine["ibp"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_bounds_do_not_depend_on_rows_or_batch_mates(method):
    network = _network(LAYERS["maximum"], SHAPE)
    images, labels = oracles.images(3, SHAPE, spread=0.9), torch.tensor([0, 1, 2])
    whole = bounds(network, images, 0.05, "linf", labels, method)
    few = bounds(network, images, 0.05, "linf", labels, method, rows=3)
    alone = bounds(network, images[1:2], 0.05, "linf", labels[1:2], method)
    assert torch.allclose(whole.lower, few.lower, atol=1e-12)
    assert torch.allclose(whole.lower[1:2], alone.lower, atol=1e-12)


def test_the_network_is_left_as_it_was():
    network = oracles.Moody().train()
    before = oracles.state(network)
    bounds(network, oracles.images(3), 0.1, "linf", torch.zeros(3, dtype=torch.int64))
    assert oracles.state(network) == before


@pytest.mark.parametrize("method", METHODS)
def test_radii_of_affine_classifiers_are_their_margins(method):
    flat, images = oracles.Affine(3), oracles.images(6, spread=0.2)
    labels = flat(images).argmax(1)
    labels[0] = (labels[0] + 1) % 3
    for norm in ("linf", "l2"):
        largest = flat.margins(images, norm)[1:].median().item()
        found = verified_radius(flat, images, norm, labels, largest, method, halvings=16, box=False)
        expected = flat.margins(images, norm).clamp(max=largest)
        expected[0] = 0
        assert torch.allclose(found, expected, atol=2 * largest / 2**16)
        assert (found <= expected).all()
        assert (found == largest).any()


def _changed_by_a_view(inputs):
    out = inputs + 1.0
    out.flatten(1).relu_()  # changes nothing at the images themselves
    return out.flatten(1)


def _changed_below_a_view(inputs):
    out = inputs + 1.0
    view = out.flatten(1)
    torch.relu_(out)
    return view * 1.0


def _of(*layers):
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize(
    ("network", "match"),
    [
        (_of(nn.Flatten(), nn.GELU(), nn.Linear(16, 3)), "no bounds are known of 'gelu', known"),
        (_of(nn.GroupNorm(1, 1), nn.Flatten()), "no bounds are known of 'group_norm', known are"),
        (lambda x: x.flatten(1)[:, :3] * x.flatten(1)[:, :3], "of 'getitem', known"),
        (lambda x: x.flatten(1) * x.flatten(1), "of 'mul', where both its arguments hang on"),
        (lambda x: 1 / (1 + x.flatten(1)), "of 'rdiv', known"),
        (lambda x: x.flatten(1) if x.mean() > 0.5 else x.flatten(1) - 1, "which 'mean' does not"),
        (_of(nn.Conv2d(1, 1, 3, padding="same"), nn.Flatten()), "with padding 'same': give it in"),
        (
            lambda x: (x.view(2, 1, 16) - torch.zeros(2, 1)).flatten(1),
            "of 'sub', where it makes more units",
        ),
        (lambda x: torch.add(x, other=x).flatten(1), "bounds need the inputs of 'add' by position"),
        (lambda x: x.flatten(1) + torch.arange(2.0).view(2, 1), "of 'add', .* differs by sample"),
        (lambda x: torch.div(x.flatten(1), 0.1, rounding_mode="floor"), "of 'div', with rounding"),
        (lambda x: torch.dropout(x.flatten(1), 0.1, True), "of 'dropout', in training mode: call"),
        (lambda x: (x.view(2, 1, 16) @ torch.ones(2, 16, 3).double()).flatten(1),
            "of 'matmul', with anything but a matrix"),
        (lambda x: x.flatten(1).detach() + 1, "no bounds are known of 'detach', known"),
        (lambda x: x.flatten(2).mT.flatten(1), "no bounds are known of 'mT', known"),
        (lambda x: x.flatten(1) * (1 + (type(x) is torch.Tensor)),
            "layers one by one give other logits than it does; let"),
        (_changed_by_a_view, "cannot follow the input of 'flatten': a call on another view of it"),
        (_changed_below_a_view, "cannot follow the input of 'mul': a call on another view of it"),
        (Around(oracles.Affine(), oracles.images(2)), "this one holds something for each"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_its_name(network, match):
    with pytest.raises(ValueError, match=match):
        bounds(network, oracles.images(2), 0.1, "linf", torch.tensor([0, 1]))


def test_a_change_in_place_that_is_used_is_that_of_the_layer():
    def in_place(x):
        out = x.flatten(1) - 0.5
        torch.relu_(out)
        return out.mul_(2.0)

    def apart(x):
        return torch.relu(x.flatten(1) - 0.5) * 2.0

    images, labels = oracles.images(2), torch.tensor([0, 1])
    one, other = (bounds(network, images, 0.1, "linf", labels) for network in (in_place, apart))
    assert torch.equal(one.lower, other.lower)
    with torch.inference_mode():
        again = bounds(in_place, images, 0.1, "linf", labels, "ibp").lower
    assert torch.equal(again, bounds(apart, images, 0.1, "linf", labels, "ibp").lower)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"norm": "l1"}, "norm must be one of l2, linf; got 'l1'"),
        ({"method": "lp"}, "method must be one of ibp, crown_ibp, crown; got 'lp'"),
        ({"rows": 0}, "rows must be at least 1; got 0"),
        ({"eps": -0.1}, "eps must be one radius or \\(2,\\) of them, not negative and finite; got"),
        ({"eps": torch.ones(3)}, "eps must be one radius or \\(2,\\) of them"),
        ({"labels": torch.tensor([0, 3])}, "labels must lie in 0..2"),
        ({"images": 2 * oracles.images(2)}, "images must lie in \\[0, 1\\]"),
    ],
)
def test_bounds_refuse_what_they_cannot_be_had_for(settings, match):
    asked = {
        "images": oracles.images(2),
        "eps": 0.1,
        "norm": "linf",
        "labels": torch.zeros(2).int(),
    }
    with pytest.raises(ValueError, match=match):
        bounds(oracles.Affine(), **{**asked, **settings})


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"largest": 0.0}, "largest must be positive and finite, an eps; got 0"),
        ({"halvings": -1}, "halvings must not be negative; got -1"),
    ],
)
def test_radii_refuse_a_search_without_eps(settings, match):
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=match):
        verified_radius(
            oracles.Affine(), oracles.images(2), "linf", labels, **{"largest": 1.0, **settings}
        )
