"""Frozen parts of a network: what a training leaves alone, and what it does not."""

import pytest
import torch
from torch import nn

from advcore import Normalized
from advcore.attacks import PGD
from advcore.networks import lenet, small_resnet18
from advcore.training import (
    CURE,
    AdversarialTraining,
    AdvProp,
    CrossEntropy,
    Free,
    Recipe,
    TrainingLoop,
    fit,
)
from advcore.training.freezing import freeze
from advcore.training.heads import find_head, renew

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(24, 1, 12, 12, generator=GENERATOR)
LABELS = torch.arange(24) % 3
ATTACK = PGD(eps=0.1, steps=2)
RECIPES = {
    "sgd": {"nesterov": True},
    "average": {"ema": 0.5},
    "adam": {"optimiser": "adam"},
    "adamw": {"optimiser": "adamw", "weight_decay": 0.1},
    "adversarial": {"objective": {"a": AdversarialTraining(ATTACK)}},
    "free": {"objective": {"a": Free(eps=0.1, replays=2)}},
    "cure": {"objective": {"c": CrossEntropy(), "a": CURE(h=0.5)}},
    "advprop": {"objective": {"c": CrossEntropy(), "a": AdvProp(ATTACK)}},
    "bfloat16": {"precision": "bfloat16"},
}


def network():
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)),
        nn.Sequential(nn.Conv2d(4, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        nn.Linear(64, 3),
    )
    made(IMAGES)  # running statistics that are those of no fresh network
    return made


def recipe_of(**settings):
    return Recipe(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.01, **settings})


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def copied(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES.keys())
def test_frozen_weights_and_statistics_stay_bit_for_bit(settings):
    own = network()
    before = copied(own)
    for _ in fit(own, IMAGES, LABELS, recipe_of(**settings), frozen=["0"]):
        pass
    changed = moved(before, own.state_dict())
    assert not {name for name in changed if name.startswith("0.")}
    assert {"1.0.weight", "1.1.running_mean", "2.weight"} <= changed


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES.keys())
def test_without_patterns_all_weights_move(settings):
    own = network()
    before = copied(own)
    list(fit(own, IMAGES, LABELS, recipe_of(**settings)))
    assert moved(before, own.state_dict()) == set(before)


def test_frozen_parameters_are_no_part_of_a_step():
    """No gradient, no share in the clipped norm, no memory of the optimiser."""
    own = network()
    training = TrainingLoop(own, IMAGES, LABELS, recipe_of(), frozen=["0", "1"])
    training.epoch()
    assert all(parameter.grad is None for parameter in [*own[0].parameters(), *own[1].parameters()])
    assert all(parameter.grad is not None for parameter in own[2].parameters())
    memory = [name for name in training.state() if name.startswith("optimiser.")]
    assert {name.split(".")[1] for name in memory} == {"0", "1"}


def test_a_frozen_training_is_one_of_the_rest_on_its_outputs():
    """The last layer alone, trained on what the frozen layers give in evaluation mode."""
    own, other = network(), network()
    with torch.no_grad():
        features = other.eval()[:2](IMAGES)[:, :, None, None]
    head = nn.Sequential(nn.Flatten(), other[2])
    list(fit(own, IMAGES, LABELS, recipe_of(), frozen=["0", "1"]))
    list(fit(head, features, LABELS, recipe_of(), box=False))
    torch.testing.assert_close(own[2].state_dict(), head[1].state_dict())


def test_a_training_that_was_left_goes_on_bit_for_bit():
    recipe = recipe_of(ema=0.9)
    whole = TrainingLoop(network(), IMAGES, LABELS, recipe, frozen=["0"])
    whole.epoch()
    again = TrainingLoop(network(), IMAGES, LABELS, recipe, frozen=["0"])
    again.resume({name: value.clone() for name, value in whole.state().items()})
    whole.epoch(), again.epoch()
    assert not moved(whole.result.state_dict(), again.result.state_dict())


@pytest.mark.parametrize(
    ("patterns", "head", "trained", "still"),
    [
        (["0"], None, {"1.0.", "1.1.", "2."}, {"0", "0.0", "0.1", "0.2", "0.3"}),
        (["0.*", "1.1"], None, {"1.0.", "2."}, {"0.0", "0.1", "0.2", "0.3", "1.1"}),
        (["0.1.*"], None, {"0.0.", "1.0.", "1.1.", "2."}, {"0.1"}),
        (["*.bias"], None, {"0.0.w", "0.1.w", "1.0.w", "1.1.w", "2.w"}, set()),
        (
            ["*"],
            "2",
            {"2."},
            {"0", "0.0", "0.1", "0.2", "0.3", "1", "1.0", "1.1", "1.2", "1.3"},
        ),
    ],
)
@pytest.mark.parametrize("normalised", [False, True])
def test_patterns_name_parameters_and_modules(patterns, head, trained, still, normalised):
    own = network()
    whole = Normalized(own, (0.5,), (0.5,)) if normalised else own
    layers = freeze(whole, patterns, head)
    left = [name for name, parameter in own.named_parameters() if parameter.requires_grad]
    expected = [name for name, _ in own.named_parameters() if name.startswith(tuple(trained))]
    assert left == expected
    held = {name for name, module in own.named_modules() if any(module is one for one in layers)}
    assert held == still


@pytest.mark.parametrize(
    ("patterns", "match"),
    [
        (["0", "layer1"], r"'layer1' names nothing in the network, which has 0, 1, 2, and inside"),
        (["0.2"], "'0.2' names nothing"),
        (["*"], r"freeze: \['\*'\] freezes every parameter"),
        (["0", "1", "2.*"], "freezes every parameter"),
    ],
)
def test_patterns_that_name_nothing_or_all_are_refused(patterns, match):
    own = network()
    with pytest.raises(ValueError, match=match):
        freeze(own, patterns)
    assert all(parameter.requires_grad for parameter in own.parameters())


class Pointwise(nn.Module):
    """A network whose last layer is a 1x1 convolution, and is named before another layer."""

    def __init__(self, pooled):
        super().__init__()
        self.pooled = pooled
        self.last = nn.Conv2d(4, 3, 1)
        self.first = nn.Conv2d(1, 4, 12)

    def forward(self, images):
        outputs = self.last(self.first(images).relu())
        return (2 * outputs if self.pooled else outputs).flatten(1)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (network, "2"),
        (lambda: Normalized(network(), (0.5,), (0.5,)), "2"),
        (lambda: lenet(3, side=12), "11"),
        (lambda: small_resnet18(3, 1, width=0.1, depth=10), "linear"),
        (lambda: Pointwise(False), "last"),
    ],
)
def test_the_last_layer_is_the_one_that_gives_the_logits(make, name):
    own = make()
    state = own.training
    assert find_head(own, IMAGES[:2]) == name
    assert own.training == state
    assert not any(module._forward_hooks for module in own.modules())


def test_a_network_without_a_last_layer_is_refused():
    with pytest.raises(ValueError, match="logits are the output of a linear layer or a 1x1"):
        find_head(Pointwise(True), IMAGES[:2])


def test_a_new_last_layer_comes_from_its_seed_alone():
    own, other, third = network(), network(), network()
    torch.manual_seed(1)
    renew(own, "2", seed=7)
    after = torch.rand(1)
    torch.manual_seed(2)
    renew(other, "2", seed=7)
    renew(third, "2", seed=8)
    assert moved(own.state_dict(), other.state_dict()) == set()
    assert moved(own.state_dict(), third.state_dict()) == {"2.weight", "2.bias"}
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
