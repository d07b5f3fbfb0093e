import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advcore import Randomness
from advcore.curvature import InputHessian, eigenprofile, gauss_newton

COUNT, DIMENSION = 6, 16


def _labels(network, images):
    return (network(images).argmax(1) + torch.arange(len(images)) % 2) % network(images).shape[1]


def _dense(network, images, labels):
    operator = InputHessian(
        network, images, lambda logits: F.cross_entropy(logits, labels, reduction="none")
    )
    return torch.linalg.eigvalsh(operator.dense()).flip(1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_relu_networks_take_the_low_rank_path_and_equal_the_dense_spectrum(dtype):
    network, images = oracles.relu(dtype=dtype), oracles.images(COUNT, dtype=dtype)
    profile = eigenprofile(network, images, _labels(network, images))
    expected = _dense(network.double(), images.double(), _labels(network, images.double()))
    assert profile.low_rank.all()
    assert profile.values.dtype == dtype
    error = (profile.values.double() - expected).abs() / expected[:, :1]
    assert error.max() < (1e-10 if dtype == torch.float64 else 1e-5)
    assert (profile.values[:, 4:] == 0).all()
    assert (profile.disagreement == 0).all()


def test_smooth_networks_take_the_product_path():
    network, images = oracles.softplus(), oracles.images(COUNT)
    labels = _labels(network, images)
    profile = eigenprofile(network, images, labels)
    assert not profile.low_rank.any()
    assert (profile.disagreement > 1e-3).all()
    torch.testing.assert_close(
        profile.values, _dense(network, images, labels), rtol=1e-8, atol=1e-10
    )
    assert (profile.values < 0).any()


def test_each_sample_takes_its_own_path():
    """Curved for bright images, piecewise linear for dark ones."""

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = oracles.relu()

        def forward(self, images):
            excess = (images.flatten(1).mean(1, keepdim=True) - 0.5).relu()
            return self.network(images) + 50 * excess**2 * torch.arange(4)

    images = (
        oracles.images(COUNT, spread=0.2)
        + torch.tensor([0.3, -0.3] * 3, dtype=torch.float64)[:, None, None, None]
    )
    labels = _labels(Half(), images)
    profile = eigenprofile(Half(), images, labels)
    assert profile.low_rank.tolist() == [False, True] * 3
    torch.testing.assert_close(profile.values, _dense(Half(), images, labels), rtol=1e-7, atol=1e-8)


def test_forced_paths():
    relu, softplus, images = oracles.relu(), oracles.softplus(), oracles.images(COUNT)
    labels = _labels(relu, images)
    products = eigenprofile(relu, images, labels, path="products")
    assert not products.low_rank.any()
    assert products.disagreement.isnan().all()
    torch.testing.assert_close(
        products.values, eigenprofile(relu, images, labels).values, rtol=1e-8, atol=1e-10
    )
    forced = eigenprofile(softplus, images, labels, path="low-rank")
    assert forced.low_rank.all()
    assert forced.disagreement.isnan().all()
    torch.testing.assert_close(forced.values[:, :4], gauss_newton(softplus, images).eigenvalues())


def test_a_path_that_no_sample_takes_sends_nothing_forward():
    network, images, batches = oracles.relu(), oracles.images(COUNT), []

    def watched(some):
        batches.append(len(some))
        return network(some)

    eigenprofile(watched, images, _labels(network, images))
    assert batches == [COUNT] * 3  # the input, the check, the Jacobian
    eigenprofile(watched, images, _labels(network, images), path="products")
    assert batches[3:] == [COUNT] * 2


def test_trace_and_frobenius_norm_are_exact_on_both_paths():
    images = oracles.images(COUNT)
    for network in (oracles.relu(), oracles.softplus()):
        labels = _labels(network, images)
        operator = InputHessian(
            network,
            images,
            lambda logits, labels=labels: F.cross_entropy(logits, labels, reduction="none"),
        )
        profile, dense = eigenprofile(network, images, labels), operator.dense()
        torch.testing.assert_close(
            profile.trace, dense.diagonal(dim1=1, dim2=2).sum(1), rtol=1e-8, atol=1e-9
        )
        torch.testing.assert_close(
            profile.frobenius, torch.linalg.matrix_norm(dense), rtol=1e-8, atol=1e-9
        )


def test_unknown_path():
    with pytest.raises(
        ValueError, match="path must be one of auto, low-rank, products; got 'dense'"
    ):
        eigenprofile(oracles.relu(), oracles.images(2), torch.tensor([0, 1]), path="dense")


class Scaled(nn.Module):
    """Logits times a number: as confident as one likes."""

    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, images):
        return self.scale * self.network(images)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [1e-3, 1, 40, 300])
@pytest.mark.parametrize(
    "activation", [nn.GELU(), nn.Softplus(beta=4), nn.Tanh()], ids=["gelu", "softplus", "tanh"]
)
def test_a_smooth_network_is_never_taken_for_piecewise_linear(activation, scale, dtype):
    network, images = (
        Scaled(oracles._network(activation, dtype=dtype), scale),
        oracles.images(20, dtype=dtype),
    )
    profile = eigenprofile(network, images, network(images).argmax(1))
    assert not profile.low_rank.any()
    assert (profile.disagreement > 1e-3).all()
    once = eigenprofile(
        network.network, images, network(images).argmax(1)
    )  # the scale of the logits changes nothing
    torch.testing.assert_close(profile.disagreement, once.disagreement, rtol=1e-4, atol=0)


def _convolutions():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            *(
                nn.Conv2d(1, 6, 3, padding=1),
                nn.BatchNorm2d(6),
                nn.LeakyReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(6, 8, 2),
            ),
            *(nn.ReLU(), nn.AvgPool2d(2, 1, 1), nn.Flatten(), nn.LazyLinear(5)),
        )
        net(torch.rand(30, 1, 4, 4))  # running statistics of its own
    return net


@pytest.mark.parametrize("scale", [1, 40, 300])
@pytest.mark.parametrize(
    "network",
    [oracles.relu(dtype=torch.float32), oracles.Affine(dtype=torch.float32), _convolutions()],
    ids=["relu", "affine", "max-pool-and-batch-norm"],
)
def test_piecewise_linear_networks_are_known_however_confident(network, scale):
    scaled, images = Scaled(network, scale), oracles.images(20, dtype=torch.float32)
    profile = eigenprofile(scaled, images, scaled(images).argmax(1))
    assert profile.low_rank.all()
    assert (profile.disagreement == 0).all()


def test_curvature_that_all_logits_share_is_invisible_to_the_loss():
    network, images = oracles.relu(), oracles.images(COUNT)

    def shifted(some):
        return network(some) + 50 * some.flatten(1).square().sum(1, keepdim=True)

    labels = _labels(network, images)
    profile = eigenprofile(shifted, images, labels, tolerance=1e-12)
    assert profile.low_rank.all()
    torch.testing.assert_close(
        profile.values, _dense(network, images, labels), rtol=1e-8, atol=1e-9
    )


def test_very_confident_samples_keep_their_tiny_curvature():
    """p_k of 1e-13 in single precision: the low-rank path has it to 1e-4, where a product sees
    rounding alone.
    """
    images = oracles.images(60, dtype=torch.float32)
    affine = oracles.Affine(3, dtype=torch.float32, scale=20.0)
    labels = affine(images).argmax(1)
    profile = eigenprofile(affine, images, labels)
    weight, logits = affine.weight.detach().double(), affine(images).detach().double()
    ordered = logits.topk(2)
    p = torch.sigmoid(ordered.values[:, 1] - ordered.values[:, 0])  # the other class is far below
    difference = weight[ordered.indices[:, 0]] - weight[ordered.indices[:, 1]]
    confident = (p < 1e-9) & (logits.softmax(1).amin(1) < 1e-6 * p)
    assert confident.sum() >= 2
    assert profile.low_rank.all()
    expected = (p * (1 - p) * difference.square().sum(1))[confident]
    torch.testing.assert_close(profile.values[confident, 0].double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("path", ["auto", "low-rank", "products"])
def test_a_constant_classifier_is_flat(path):
    profile = eigenprofile(
        oracles.Constant(1.0, 0.0, 0.5), oracles.images(3), torch.tensor([0, 1, 2]), path=path
    )
    assert torch.equal(profile.values, torch.zeros(3, DIMENSION, dtype=torch.float64))


def test_more_classes_than_pixels():
    network, images = oracles.relu(classes=12, shape=(1, 2, 2)), oracles.images(COUNT, (1, 2, 2))
    labels = _labels(network, images)
    torch.testing.assert_close(
        eigenprofile(network, images, labels).values,
        _dense(network, images, labels),
        rtol=1e-8,
        atol=1e-10,
    )


@pytest.mark.parametrize("network", [oracles.relu(), oracles.softplus()], ids=["relu", "softplus"])
def test_rows_do_not_depend_on_their_batch(network):
    images = oracles.images(COUNT)
    labels, indices = _labels(network, images), torch.arange(10, 10 + COUNT)
    whole = eigenprofile(network, images, labels, randomness=Randomness(0, indices))
    for row in range(COUNT):
        index = torch.tensor([row])
        alone = eigenprofile(
            network,
            images[index],
            labels[index],
            randomness=Randomness(0, indices[index]),
            entries=1,
        )
        torch.testing.assert_close(alone.values, whole.values[index], rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(
            alone.disagreement, whole.disagreement[index], rtol=1e-6, atol=1e-12
        )


@pytest.mark.parametrize("path", ["auto", "low-rank", "products"])
@pytest.mark.parametrize(("entries", "widest"), [(1, 1), (2 * 4 * DIMENSION, 2)])
@pytest.mark.parametrize("network", [oracles.softplus(), oracles.relu()], ids=["softplus", "relu"])
def test_entries_bound_both_paths_and_change_memory_alone(network, entries, widest, path):
    images = oracles.images(COUNT)
    labels, batches = _labels(network, images), []

    def watched(some):
        batches.append(len(some))
        return network(some)

    cut = eigenprofile(watched, images, labels, path, entries=entries)
    assert batches[0] == COUNT
    assert max(batches[1:]) == (1 if path == "products" else widest)
    whole = eigenprofile(network, images, labels, path)
    torch.testing.assert_close(cut.values, whole.values)
    torch.testing.assert_close(cut.disagreement, whole.disagreement, equal_nan=True)


def test_the_model_is_left_alone():
    network, images = oracles.Moody(), oracles.images(3)
    before = oracles.state(network)
    profile = eigenprofile(network, images, torch.tensor([0, 1, 2]))
    assert oracles.state(network) == before
    torch.testing.assert_close(
        profile.values, eigenprofile(network.eval(), images, torch.tensor([0, 1, 2])).values
    )


@pytest.mark.parametrize(
    ("network", "images", "labels", "match"),
    [
        (oracles.relu(), 255 * oracles.images(2), [0, 1], r"must lie in \[0, 1\]"),
        (oracles.relu(), oracles.images(2), [0, 4], "labels must lie in 0..3"),
        (oracles.Constant(torch.nan, 1.0), oracles.images(2), [0, 1], "NaN or infinite logits"),
        (oracles.Constant(0.25, 0.75), oracles.images(2), [0, 1], "look like probabilities"),
    ],
    ids=["pixels", "labels", "nan", "probabilities"],
)
def test_bad_input_is_refused(network, images, labels, match):
    with pytest.raises(ValueError, match=match):
        eigenprofile(network, images, torch.tensor(labels))


def test_matrices_of_large_images_are_not_formed():
    """A piecewise linear network needs none: its spectrum is there at 3 x 224 x 224."""
    images, label = torch.rand(1, 3, 224, 224), torch.tensor([0])

    def network(images):
        return images.mean((2, 3))

    profile = eigenprofile(network, images, label)
    exact = _dense(lambda means: means, images.mean((2, 3)), label) / 224**2
    torch.testing.assert_close(profile.values[:, :3], exact, rtol=1e-4, atol=1e-12)
    with pytest.raises(ValueError, match=r"150528 x 150528 numbers a sample.*lanczos"):
        eigenprofile(network, images, label, step=1.0)
