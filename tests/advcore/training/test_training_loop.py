from dataclasses import replace
from itertools import chain

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness, Untargeted
from advcore.attacks import FGSM, PGD
from advcore.networks import perceptron
from advcore.training import CURE, AdversarialTraining, CrossEntropy, Cutout, Linear, Recipe, fit
from advcore.training.augmentation import augmented

IMAGES = oracles.images(60, dtype=torch.float32)
LABELS = oracles.Affine(3, dtype=torch.float32)(IMAGES).argmax(1)
TERM = [
    CrossEntropy(),
    AdversarialTraining(PGD(eps=0.02, steps=2)),
    AdversarialTraining(FGSM(eps=0.1, norm="l2")),
]

PEAK = Linear(((0.0, 0.0), (0.5, 1.0), (1.0, 0.0)))


def _network(*middle):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*middle, perceptron(3, side=4))


def _trained(recipe, *middle):
    network = _network(*middle)
    epochs = list(fit(network, IMAGES, LABELS, recipe))
    return network, epochs


@pytest.mark.parametrize("term", TERM, ids=repr)
def test_training_lowers_the_loss_and_learns(term):
    network, epochs = _trained(Recipe({"term": term}, epochs=12, batch_size=16))
    assert epochs[-1].loss < 0.7 * epochs[0].loss
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    assert (network(IMAGES).argmax(1) == LABELS).double().mean() > 0.8
    assert not network.training


@pytest.mark.parametrize("term", TERM, ids=repr)
def test_training_is_the_same_bit_for_bit(term):
    """Whatever the global random state, also with dropout."""
    recipe = Recipe({"term": term}, epochs=2, batch_size=16)
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        network, epochs = _trained(recipe, nn.Dropout(0.3))
        runs.append((epochs, [parameter.tolist() for parameter in network.parameters()]))
    assert runs[0] == runs[1]


def test_the_seed_decides():
    losses = {_trained(Recipe(epochs=1, batch_size=16, seed=seed))[1][0].loss for seed in (0, 1)}
    assert len(losses) == 2


def test_the_global_random_state_is_left_alone():
    before = torch.random.get_rng_state()
    _trained(Recipe({"term": AdversarialTraining(PGD(eps=0.02))}, epochs=1), nn.Dropout(0.3))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_epoch_passes_over_every_sample_once():
    seen = []

    class Recorder:
        weight = 1.0

        def __call__(self, network, images, labels, randomness):
            assert network.training
            assert torch.equal(images, IMAGES[randomness.indices])
            assert torch.equal(labels, LABELS[randomness.indices])
            seen.append(randomness.indices.tolist())
            return network(images).square().mean()

    _trained(Recipe({"term": Recorder()}, epochs=2, batch_size=25))
    assert [len(rows) for rows in seen] == [25, 25, 10] * 2
    first, second = list(chain(*seen[:3])), list(chain(*seen[3:]))
    assert sorted(first) == sorted(second) == list(range(60))
    assert first != second


def test_the_loss_is_the_mean_over_samples():
    class Weighted:
        weight = 1.0

        def __call__(self, network, images, labels, randomness):
            return network(images).sum() * 0 + randomness.indices.float().mean()

    _, epochs = _trained(Recipe({"term": Weighted()}, epochs=1, batch_size=25))
    assert epochs[0].loss == pytest.approx(29.5)


def test_noise_differs_between_epochs():
    draws = []

    class Recorder:
        weight = 1.0

        def __call__(self, network, images, labels, randomness):
            draws.append(randomness.uniform(()).tolist())
            return network(images).square().mean()

    _trained(Recipe({"term": Recorder()}, epochs=3, batch_size=60))
    assert len({value for epoch in draws for value in epoch}) == 180


def test_the_steps_are_those_of_sgd():
    """Two steps written out: momentum, weight decay, no clipping; the order of samples does not
    matter to a whole batch.
    """
    recipe = Recipe(
        epochs=2,
        batch_size=60,
        momentum=0.9,
        weight_decay=0.01,
        gradient_clip=None,
        learning_rate=0.3,
        rate=PEAK,
    )
    expected = _network()
    moved = [torch.zeros_like(parameter) for parameter in expected.parameters()]
    for rate in (0.2, 0.2):
        gradients = torch.autograd.grad(
            nn.functional.cross_entropy(expected(IMAGES), LABELS), list(expected.parameters())
        )
        with torch.no_grad():
            for parameter, gradient, velocity in zip(
                expected.parameters(), gradients, moved, strict=True
            ):
                velocity.mul_(0.9).add_(gradient + 0.01 * parameter)
                parameter -= rate * velocity
    network, _ = _trained(recipe)
    torch.testing.assert_close(list(network.parameters()), list(expected.parameters()))


def test_the_steps_are_those_of_adam():
    """Two steps written out (Kingma and Ba 2015), the weights shrunk beside the gradient as in
    AdamW.
    """
    recipe = Recipe(
        epochs=2,
        batch_size=60,
        optimiser="adamw",
        momentum=0.8,
        weight_decay=0.1,
        gradient_clip=None,
        learning_rate=0.03,
        rate=PEAK,
    )
    expected = _network()
    first, second = (
        [torch.zeros_like(parameter) for parameter in expected.parameters()] for _ in range(2)
    )
    for step in (1, 2):
        gradients = torch.autograd.grad(
            nn.functional.cross_entropy(expected(IMAGES), LABELS), list(expected.parameters())
        )
        with torch.no_grad():
            for parameter, gradient, mean, square in zip(
                expected.parameters(), gradients, first, second, strict=True
            ):
                mean.mul_(0.8).add_(0.2 * gradient)
                square.mul_(0.999).add_(0.001 * gradient**2)
                parameter *= 1 - 0.02 * 0.1
                parameter -= (
                    0.02 * mean / (1 - 0.8**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
                )
    network, _ = _trained(recipe)
    torch.testing.assert_close(list(network.parameters()), list(expected.parameters()))


def test_the_average_is_that_of_the_weights_after_each_step():
    """Two steps with the decays 1/10 and 2/11 of a young average; batch norm's statistics with
    them, its counter copied.
    """
    recipe = Recipe(epochs=2, batch_size=60, ema=0.99)
    plain, averaged = _network(nn.BatchNorm2d(1)), _network(nn.BatchNorm2d(1))
    mean = {name: value.clone() for name, value in plain.state_dict().items()}
    for decay, _ in zip(
        (1 / 10, 2 / 11), fit(plain, IMAGES, LABELS, replace(recipe, ema=None)), strict=True
    ):
        for name, value in plain.state_dict().items():
            mean[name] = (
                decay * mean[name] + (1 - decay) * value
                if value.is_floating_point()
                else value.clone()
            )
    list(fit(averaged, IMAGES, LABELS, recipe))
    torch.testing.assert_close(averaged.state_dict(), mean)
    assert averaged.state_dict()["0.num_batches_tracked"] == 2


@pytest.mark.parametrize(
    "settings", [{"precision": "bfloat16"}, {"precision": "float16"}, {"channels_last": True}]
)
@pytest.mark.parametrize("term", [*TERM, CURE(weight=0.1)], ids=repr)
def test_faster_ways_of_passing_lead_to_the_same_place(term, settings):
    recipe = Recipe({"clean": CrossEntropy(), "term": term}, epochs=12, batch_size=16)
    slow, fast = _trained(recipe)[1][-1], _trained(replace(recipe, **settings))[1][-1]
    assert fast.loss == pytest.approx(slow.loss, rel=0.05)


def test_passes_are_in_the_precision_asked_for():
    seen = []
    network = _network()
    network[0][1].register_forward_hook(
        lambda module, inputs, output: seen.append((output.dtype, module.weight.dtype))
    )
    list(
        fit(
            network,
            IMAGES,
            LABELS,
            Recipe({"term": TERM[1]}, epochs=1, batch_size=60, precision="bfloat16"),
        )
    )
    assert set(seen[1:]) == {(torch.bfloat16, torch.float32)}


@pytest.mark.slow
def test_a_compiled_step_is_the_same():
    recipe = Recipe({"term": TERM[1]}, epochs=2, batch_size=20)
    slow, fast = _trained(recipe)[0], _trained(replace(recipe, compile=True))[0]
    torch.testing.assert_close(fast.state_dict(), slow.state_dict(), rtol=1e-3, atol=1e-5)


def test_an_augmented_epoch_has_every_image_changed_anew():
    seen = []

    class Recorder:
        weight = 1.0

        def __call__(self, network, images, labels, randomness):
            assert torch.equal(labels, LABELS[randomness.indices])
            order = randomness.indices.argsort()
            assert torch.equal(
                images == 0, augmented([Cutout(2)], IMAGES[randomness.indices], randomness) == 0
            )
            seen.append(images[order] == 0)
            return network(images).square().mean()

    _trained(Recipe({"term": Recorder()}, epochs=2, batch_size=60, augmentation=(Cutout(2),)))
    assert not torch.equal(*seen)


def test_the_gradient_is_clipped():
    class Steep:
        weight = 1.0

        def __call__(self, network, images, labels, randomness):
            return 1e6 * network(images).sum()

    start = torch.cat([parameter.detach().flatten() for parameter in _network().parameters()])
    recipe = Recipe(
        {"term": Steep()},
        epochs=1,
        batch_size=60,
        momentum=0.0,
        weight_decay=0.0,
        gradient_clip=0.5,
    )
    network, epochs = _trained(recipe)
    moved = torch.cat([parameter.detach().flatten() for parameter in network.parameters()]) - start
    assert moved.norm().item() == pytest.approx(0.5 * epochs[0].learning_rate, rel=1e-4)


def test_the_backward_pass_ends_at_the_weights():
    """Those that are trained; images that a term differentiates by are left out, and so are weights
    that it does not reach.
    """
    leaves = []

    class Differentiating:
        weight = 1.0

        def __call__(self, network, images, labels, randomness):
            leaves.append(images.detach().requires_grad_())
            return network(leaves[-1]).square().mean()

    network = _network()
    network.register_parameter("unused", nn.Parameter(torch.ones(1)))
    network[0][1].bias.requires_grad_(False)
    fixed, before = network[0][1].bias.tolist(), network[0][1].weight.tolist()
    next(fit(network, IMAGES, LABELS, Recipe({"term": Differentiating()}, epochs=2, batch_size=60)))
    assert leaves[0].grad is None
    assert network[0][1].bias.tolist() == fixed
    assert network[0][1].weight.tolist() != before


def test_the_attack_sees_evaluation_mode_and_the_loss_training_mode():
    modes = []
    network = _network(nn.BatchNorm2d(1))
    network[0].register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    network.train()
    loss = AdversarialTraining(PGD(eps=0.1, steps=3))(
        network, IMAGES, LABELS, Randomness(0, torch.arange(60))
    )
    assert modes == [False] * 3 + [True]
    assert network[0].num_batches_tracked == 1
    assert loss.requires_grad
    assert all(
        parameter.requires_grad and parameter.grad is None for parameter in network.parameters()
    )


def test_the_adversarial_objective_is_the_loss_at_the_attacks_images():
    network, source = _network(), Randomness(3, torch.arange(60))
    attack = PGD(eps=0.1, steps=3)
    worst = attack.climb(network, IMAGES, Untargeted(LABELS), source).images
    expected = nn.functional.cross_entropy(network(worst), LABELS)
    torch.testing.assert_close(
        AdversarialTraining(attack)(network, IMAGES, LABELS, source), expected
    )
    assert expected > CrossEntropy()(network, IMAGES, LABELS, source)


def test_nan_stops_the_training():
    network = _network()
    with torch.no_grad():
        network[0][1].weight[0, 0] = torch.nan
    with pytest.raises(
        FloatingPointError,
        match=r"the objective is nan in epoch 1; lower learning_rate or set gradient_clip",
    ):
        next(fit(network, IMAGES, LABELS, Recipe(epochs=1)))


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (255 * IMAGES, LABELS, r"must lie in \[0, 1\]"),
        (IMAGES, LABELS + 1, "labels must lie in 0..2"),
        (IMAGES, LABELS[1:], "labels must be whole"),
    ],
    ids=["pixels", "labels", "count"],
)
def test_bad_data_is_refused(images, labels, match):
    with pytest.raises(ValueError, match=match):
        next(fit(_network(), images, labels, Recipe(epochs=1)))


def test_images_outside_the_box_by_request_alone():
    next(fit(_network(), IMAGES - 0.5, LABELS, Recipe(epochs=1), box=False))
    with pytest.raises(
        ValueError,
        match=r"^Adversarial.* keeps to the box \[0, 1\]: it needs images in it and box=True",
    ):
        next(
            fit(
                _network(),
                IMAGES,
                LABELS,
                Recipe({"term": AdversarialTraining(PGD(eps=0.1))}, epochs=1),
                box=False,
            )
        )
    with pytest.raises(ValueError, match="hold NaN or infinite values"):
        next(fit(_network(), IMAGES / 0, LABELS, Recipe(epochs=1), box=False))


def test_the_objective_is_the_weighted_sum_of_its_terms():
    """Also while a schedule moves a weight; a term of weight 0 is not computed."""

    class Never:
        weight = 0.0

        def __call__(self, network, images, labels, randomness):
            raise AssertionError("a term of weight 0 is not computed")

    clean = CrossEntropy(weight=0.5)
    recipe = Recipe(
        {"clean": clean, "twice": CrossEntropy(weight=2.0), "never": Never()},
        {"twice.weight": Linear(((0.0, 0.0), (1.0, 1.0)))},
        epochs=1,
        batch_size=60,
    )
    expected = nn.functional.cross_entropy(_network()(IMAGES), LABELS).item()
    _, (epoch,) = _trained(recipe)
    assert epoch.terms == pytest.approx({"clean": expected, "twice": expected, "never": 0.0})
    assert epoch.loss == pytest.approx(1.5 * expected)


class Read:
    """Inputs of which only those asked for are there, and what was asked for."""

    device = torch.device("cpu")

    def __init__(self, images):
        self._images, self.asked = images, []

    def __len__(self):
        return len(self._images)

    def __getitem__(self, rows):
        self.asked.append(rows.tolist())
        return self._images[rows]


@pytest.mark.parametrize("settings", [{}, {"channels_last": True}, {"ema": 0.9}])
def test_inputs_that_are_read_batch_by_batch_give_the_same_bits(settings):
    recipe = Recipe({"loss": CrossEntropy()}, epochs=2, batch_size=16, **settings)
    results = []
    for images in (IMAGES, read := Read(IMAGES)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Flatten(), nn.Linear(IMAGES[0].numel(), 4))
        epochs = list(fit(network, images, LABELS, recipe))
        results.append((epochs, network.state_dict()))
    assert results[0][0] == results[1][0]
    for one, other in zip(results[0][1].values(), results[1][1].values(), strict=True):
        assert torch.equal(one, other)
    assert max(map(len, read.asked)) == 16
    first, second = read.asked[1:5], read.asked[5:]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(60))
    assert first != second


def test_weights_are_clipped_after_each_step_and_frozen_ones_are_not():
    network = _network()
    still = network[0][1].weight.clone()
    recipe = Recipe(epochs=2, batch_size=20, learning_rate=1.0, weight_clip=0.01)
    for _ in fit(network, IMAGES, LABELS, recipe, frozen=["0.1.*"]):
        assert network[0][3].weight.abs().max() <= 0.01
        assert network[0][3].bias.abs().max() <= 0.01
    assert torch.equal(network[0][1].weight, still)
    assert still.abs().max() > 0.01
