"""Checkpoints as people have them: what loads, and what is said of what does not."""

import argparse
import collections
import os
import pathlib
import types

import numpy as np
import pytest
import torch

from advcore.networks import NETWORKS, perceptron
from advcore.workers.checkpoints import load_checkpoint
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, build
from advcore.workers.state_dicts import fit_names

with torch.random.fork_rng(devices=[]):
    torch.manual_seed(5)
    PLAIN = perceptron(10)
WEIGHTS = PLAIN.state_dict()


@pytest.fixture(autouse=True)
def _own_randomness():
    with torch.random.fork_rng(devices=[]):
        yield


def under(*prefixes):
    return {prefix + key: value for prefix in prefixes for key, value in WEIGHTS.items()}


def robustness(mean=0.25):
    """The state dict of MadryLab's package robustness: the network twice, with a normaliser
    each.
    """
    normalisers = {
        f"module.{place}.new_{name}": torch.full((1, 1, 1), value)
        for place in ("normalizer", "attacker.normalize")
        for name, value in {"mean": mean, "std": 0.5}.items()
    }
    return {
        "model": under("module.model.", "module.attacker.model.") | normalisers,
        "epoch": 3,
        "schedule": None,
    }


NUMPY = {
    "accuracy": np.float64(0.9),
    "loss": np.float32(0.1),
    "epoch": np.int64(3),
    "history": np.arange(4.0),
    "best": np.bool_(1),
}
ARGUMENTS = argparse.Namespace(
    lr=0.1, folder=pathlib.Path("data"), counts=collections.defaultdict(list, {"a": [1]})
)
MOMENTUM = torch.optim.SGD(PLAIN.parameters(), lr=0.1, momentum=0.9).state_dict()


@pytest.mark.parametrize(
    "content",
    [
        *(
            under(prefix)
            for prefix in (
                "_orig_mod.",
                "module.",
                "model.",
                "backbone.",
                "module._orig_mod.",
                "net.module.",
            )
        ),
        *(
            {name: WEIGHTS, "epoch": 3}
            for name in ("net", "model_state_dict", "state_dict", "network", "params", "ema")
        ),
        {"model_state_dict": under("module."), "optimizer_state_dict": MOMENTUM},
        {"state_dict": WEIGHTS, **NUMPY},
        {"state_dict": WEIGHTS, "args": ARGUMENTS, "more": types.SimpleNamespace(lr=0.1)},
    ],
    ids=lambda content: ",".join(content)[:60],
)
@pytest.mark.parametrize("modern", [True, False], ids=["zip", "legacy"])
def test_what_loads(tmp_path, content, modern):
    torch.save(content, tmp_path / "net.pt", _use_new_zipfile_serialization=modern)
    network = perceptron(10)
    load_checkpoint(network, tmp_path / "net.pt")
    assert all(torch.equal(value, WEIGHTS[name]) for name, value in network.state_dict().items())


def test_names_that_only_look_like_prefixes_stay():
    """The network's own names begin alike."""
    network = torch.nn.Sequential(collections.OrderedDict(model=perceptron(10)))
    weights = {f"module.{name}": value for name, value in network.state_dict().items()}
    assert set(fit_names(weights, network.state_dict())[0]) == set(network.state_dict())


def test_counters_of_batches_may_be_absent_or_over(tmp_path):
    network = NETWORKS["small_resnet18"](num_classes=10)
    early = {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(early, tmp_path / "early.pt")
    load_checkpoint(network, tmp_path / "early.pt")


def test_a_normaliser_must_be_the_models(tmp_path):
    torch.save(robustness(), tmp_path / "madry.pt")
    spec = ModelSpec("perceptron", str(tmp_path / "madry.pt"), mean=(0.25,), std=(0.5,))
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(build(spec)(images), PLAIN((images - 0.25) / 0.5))
    for mean, std in ((None, None), ((0.3,), (0.5,))):
        with pytest.raises(
            InputError,
            match=(
                r"holds a normaliser, so its model must have mean: \[0.25\], std: \[0.5\]; "
                r"got mean"
            ),
        ):
            build(ModelSpec("perceptron", str(tmp_path / "madry.pt"), mean=mean, std=std))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            under("model.") | {"criterion.weight": torch.zeros(2)},
            "with 'model.' before its names the network is there, but over are crit",
        ),
        ({"a": WEIGHTS, "b": WEIGHTS}, "got a, b, each of them one: save model.state_dict"),
        (
            {"state_dict": {key: value.numpy() for key, value in WEIGHTS.items()}},
            "must hold a state dict .*; got a mapping of state_dict",
        ),
        (
            {"state_dict": WEIGHTS, "run": os.mkdir},
            r"names Python classes \(posix.mkdir\), .* and numbers beside it as plain",
        ),
    ],
)
def test_what_does_not_load_is_told_in_one_line(tmp_path, content, message):
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(InputError, match=message) as refusal:
        load_checkpoint(perceptron(10), tmp_path / "net.pt")
    assert str(refusal.value).isprintable()


def test_nothing_of_numpy_runs_for_plain_data(tmp_path, monkeypatch):
    """What stands for it takes anything: no array is made, however its type is described."""
    torch.save(
        {"state_dict": WEIGHTS, "evil": np.zeros(3, dtype=[("a", "O"), ("b", "f8")])},
        tmp_path / "net.pt",
    )
    monkeypatch.setattr(np, "ndarray", None)
    load_checkpoint(perceptron(10), tmp_path / "net.pt")


def test_factories_that_compile_or_make_other_precisions(own_module):
    code = "import torch\nfrom advcore.networks import perceptron\ndef make(): return {}\n"
    plain = build(ModelSpec("perceptron"))
    for name, made in {
        "tiny_compiled": "torch.compile(perceptron(10))",
        "tiny_half": "perceptron(10).half()",
        "tiny_double": "perceptron(10).double()",
    }.items():
        own_module(name, code.format(made))
        built = build(ModelSpec(f"{name}:make"))
        assert type(built) is type(plain)
        assert {weight.dtype for weight in built.parameters()} == {torch.float32}
        assert list(built.state_dict()) == list(plain.state_dict())
    double = build(ModelSpec("tiny_double:make"), torch.float64)
    assert {weight.dtype for weight in double.parameters()} == {torch.float64}
