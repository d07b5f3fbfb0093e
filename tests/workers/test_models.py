"""Models from descriptions: what is built, what is hashed, and what is refused."""

import json
import pickle
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from advcore.classifier import Normalized
from advcore.networks import NETWORKS, perceptron
from advcore.networks.wrappers import ScaledLogits
from advcore.workers.checkpoints import read_weights, save_checkpoint
from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError
from advcore.workers.files import check_writable
from advcore.workers.model_checks import check_model
from advcore.workers.models import ModelSpec, build, content_hash

SPEC = ModelSpec("perceptron")


def saved(path, classes=10, **wrapping):
    network = perceptron(classes)
    torch.nn.init.constant_(network[1].bias, 0.25)
    save_checkpoint(Normalized(network, **wrapping) if wrapping else network, path, {"epochs": "3"})
    return network


@pytest.fixture(autouse=True)
def _own_randomness():
    with torch.random.fork_rng():
        yield


def test_without_a_checkpoint_everybody_builds_the_same():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = build(SPEC)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(4)
    for one, other in zip(first.parameters(), build(SPEC).parameters(), strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad
    assert not first.training


@pytest.mark.parametrize(
    "name",
    ["perceptron", "advcore.networks:perceptron", "tiny_factories:plain", "mobilenet_v3_small"],
)
def test_an_architecture_by_any_kind_of_name(name, tmp_path, monkeypatch):
    (tmp_path / "tiny_factories.py").write_text(
        "from torch import nn\ndef plain(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    images = torch.rand(2, 3, 32, 32) if name == "mobilenet_v3_small" else torch.rand(2, 1, 8, 8)
    assert build(ModelSpec(name, classes=7))(images).shape == (2, 7)
    sys.modules.pop("tiny_factories", None)


def test_torchvisions_networks_and_ours_have_names_of_their_own():
    import torchvision

    assert not {*NETWORKS} & {*torchvision.models.list_models()}
    stems = [build(ModelSpec(name)).conv1 for name in ("resnet18", "small_resnet18")]
    assert [stem.kernel_size for stem in stems] == [(7, 7), (3, 3)]


def test_a_checkpoint_holds_the_bare_network_and_normalisation_stands_outside(tmp_path):
    path = tmp_path / "deep" / "plain.safetensors"
    network = saved(path, mean=(0.5,), std=(0.25,))
    spec = ModelSpec("perceptron", str(path), mean=(0.5,), std=(0.25,))
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(build(spec)(images), network((images - 0.5) / 0.25))
    assert torch.equal(build(replace(spec, mean=None, std=None))(images), network(images))
    assert [file.name for file in path.parent.iterdir()] == ["plain.safetensors"]


@pytest.mark.parametrize(
    "nest", [lambda w: w, lambda w: {"state_dict": w, "epoch": 3}, lambda w: {"model": w}]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_torch_files_hold_a_state_dict_plain_nested_or_prefixed(
    tmp_path, nest, prefix, monkeypatch
):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    weights = perceptron().state_dict()
    torch.save(nest({prefix + key: value for key, value in weights.items()}), tmp_path / "plain.pt")
    read = read_weights(tmp_path / "plain.pt")
    assert list(read) == list(weights)
    assert all(torch.equal(read[key], weights[key]) for key in weights)


def test_the_hash_is_of_the_meaning_and_not_of_the_path(tmp_path):
    saved(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes())
    one, other = (
        content_hash(replace(SPEC, checkpoint=str(tmp_path / f"{name}.safetensors")))
        for name in "ab"
    )
    assert one == other
    saved(tmp_path / "b.safetensors", mean=(0.0,), std=(1.0,))
    changed = [
        SPEC,
        replace(SPEC, classes=9),
        replace(SPEC, arguments={"width": 3}),
        replace(SPEC, mean=(0.5,), std=(1.0,)),
        replace(SPEC, architecture="lenet"),
        replace(SPEC, checkpoint=str(tmp_path / "a.safetensors")),
    ]
    assert len({content_hash(spec) for spec in changed}) == len(changed)
    json.dumps(content_hash(SPEC))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ModelSpec("lennet"), "unknown architecture 'lennet': did you mean lenet"),
        (ModelSpec("qqqqqq"), "unknown architecture 'qqqqqq': take lenet"),
        (ModelSpec("no_such_module:make"), "cannot import architecture 'no_such_module:make'"),
        (ModelSpec("advcore.networks:no"), "cannot import architecture 'advcore.networks:no'"),
        (
            ModelSpec("advcore.networks:__name__"),
            "must be a function that makes a network; got str",
        ),
        (ModelSpec("collections:OrderedDict"), "must make a torch.nn.Module; got OrderedDict"),
        (
            ModelSpec("perceptron", arguments={"widht": 3, "pooling": "max"}),
            "it takes channels, .*, dropout, norm, bias, not widht, pooling",
        ),
        (
            ModelSpec("lenet", arguments={"side": 4}),
            "cannot be made with arguments .*at least 12 x 12",
        ),
        (ModelSpec("lenet", mean=(0.5,)), "has mean without std"),
        (ModelSpec("lenet", std=(0.5,)), "has std without mean"),
        (ModelSpec("lenet", mean=(0.5,), std=(0.0,)), "lenet: std must be positive"),
        (ModelSpec("lenet", classes=1), "needs at least 2 classes"),
        (
            ModelSpec("lenet", checkpoint="/no/such.safetensors"),
            "checkpoint /no/such.safetensors: file not found",
        ),
    ],
)
def test_specs_that_cannot_work(spec, message):
    with pytest.raises(InputError, match=message):
        build(spec)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "def make(): raise RuntimeError('no\\nGPU')",
            r"tiny_broken:make cannot be made with arguments {} \(RuntimeError: no\): ",
        ),
        (
            "def make(): raise AssertionError",
            (
                r"tiny_broken:make cannot be made with arguments {} \(AssertionError\): check "
                r"arguments"
            ),
        ),
        (
            "1 / 0",
            (
                r"cannot import architecture 'tiny_broken:make' \(ZeroDivisionError: division "
                r"by zero\): is its folder"
            ),
        ),
    ],
)
def test_whatever_a_factory_raises_becomes_one_line(own_module, code, message):
    own_module("tiny_broken", code)
    with pytest.raises(InputError, match=message) as refusal:
        build(ModelSpec("tiny_broken:make"))
    assert "\n" not in str(refusal.value)


def test_the_code_of_a_factory_is_part_of_the_hash(own_module):
    spec = ModelSpec("tiny_own:make")
    own_module("tiny_own", "def make(): return 1\n")
    first = content_hash(spec)
    assert content_hash(spec) == first
    own_module("tiny_own", "def make(): return 22\n")
    assert content_hash(spec) != first


def test_code_without_source_is_refused():
    with pytest.raises(
        InputError,
        match=r"'builtins:dict' stands in a module without source, .*: put it into a .py file",
    ):
        content_hash(ModelSpec("builtins:dict"))
    with pytest.raises(
        InputError,
        match=r"cannot import 'no_such_module:make' \(ModuleNotFoundError: .*\): is its folder on",
    ):
        content_hash(ModelSpec("no_such_module:make"))


def test_arguments_that_cannot_be_hashed():
    with pytest.raises(
        InputError, match="arguments of lenet must be numbers, words, lists and mappings"
    ):
        content_hash(ModelSpec("lenet", arguments={"channels": object()}))


def test_a_checkpoint_that_does_not_fit_names_a_few_keys(tmp_path):
    path = str(tmp_path / "plain.safetensors")
    saved(path, classes=7)
    with pytest.raises(
        InputError,
        match=r"does not fit the model: wrong shape: 3.weight is \(7, 64\), not \(10, 64\), 3.bias",
    ):
        build(ModelSpec("perceptron", path))
    with pytest.raises(
        InputError,
        match=(
            r"missing: 0.weight, 0.bias, 7.weight and 5 more; unexpected: 1.bias, 1.weight; "
            r"wrong shape"
        ),
    ) as refusal:
        build(ModelSpec("lenet", path))
    assert "\n" not in str(refusal.value)


def _pickled_module(path):
    torch.save(perceptron(), path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (
            "whole.pt",
            _pickled_module,
            (
                r"got a pickle that names Python classes \(torch.nn.*\), which could run "
                r"code: save model"
            ),
        ),
        (
            "code.pt",
            lambda path: path.write_bytes(pickle.dumps(print)),
            "got a pickle that torch.save did not write, which could",
        ),
        (
            "script.pt",
            lambda path: torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path),
            "got a TorchScript archive, which is",
        ),
        (
            "noise.pt",
            lambda path: path.write_bytes(b"no checkpoint at all"),
            "a file that torch cannot read",
        ),
        ("empty.pt", lambda path: path.write_bytes(b""), "a file that torch cannot read"),
        (
            "cut.pt",
            lambda path: (_pickled_module(path), path.write_bytes(path.read_bytes()[:-200])),
            "a file that torch cannot read",
        ),
        (
            "list.pt",
            lambda path: torch.save([torch.zeros(1)], path),
            "must hold a state dict .*; got list",
        ),
        ("none.pt", lambda path: torch.save({}, path), "got an empty mapping"),
        (
            "run.pt",
            lambda path: torch.save({"epoch": 3, "loss": 1.0}, path),
            "got a mapping of epoch, loss",
        ),
        (
            "noise.safetensors",
            lambda path: path.write_bytes(b"no checkpoint at all"),
            "is not a valid safetensors file",
        ),
        (
            "cut.safetensors",
            lambda path: (saved(path), path.write_bytes(path.read_bytes()[:-9])),
            "is not a valid safetensors file",
        ),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path, monkeypatch, name, write, message):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as refusal:
        build(ModelSpec("perceptron", str(tmp_path / name)))
    assert str(refusal.value).isprintable()  # one line, without escape codes
    assert "weights_only" not in str(refusal.value)


def test_a_checkpoint_that_is_not_there():
    with pytest.raises(InputError, match=r"checkpoint nowhere.pt: file not found"):
        read_weights("nowhere.pt")


def test_a_folder_for_checkpoints_is_tried_out(tmp_path):
    check_writable(tmp_path / "deep" / "out")
    assert list((tmp_path / "deep" / "out").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError,
        match=r"folder .*file/out cannot be written \(Not a directory\): choose another one",
    ):
        check_writable(tmp_path / "file" / "out")


def test_weights_that_share_memory_are_saved_apart(tmp_path):
    layer = nn.Linear(3, 3)
    tied = nn.Sequential(layer, layer)
    save_checkpoint(tied, tmp_path / "tied.safetensors", {})
    assert torch.equal(read_weights(tmp_path / "tied.safetensors")["1.weight"], layer.weight)


def test_a_wrapper_is_part_of_the_model_and_of_its_hash(tmp_path):
    saved(tmp_path / "weights.safetensors")
    spec = ModelSpec("perceptron", str(tmp_path / "weights.safetensors"))
    scaled = replace(spec, wrapper=ScaledLogits(1000.0))
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(build(scaled)(images), 1000 * build(spec)(images))
    hashes = [
        content_hash(one) for one in (spec, scaled, replace(spec, wrapper=ScaledLogits(10.0)))
    ]
    assert len(set(hashes)) == 3


def test_a_network_is_checked_with_one_thread_which_is_given_back(monkeypatch):
    seen = []
    before = torch.get_num_threads()
    monkeypatch.setattr(
        "advcore.workers.model_checks.build",
        lambda spec: seen.append(torch.get_num_threads()) or build(spec),
    )
    torch.set_num_threads(2)
    try:
        data = load(DataSpec("digits", samples=3))
        check_model("plain", replace(SPEC, arguments={"side": 8}), data)
        with pytest.raises(InputError, match="plain does not fit"):
            check_model("plain", replace(SPEC, arguments={"side": 9}), data)
        assert (seen, torch.get_num_threads()) == ([1, 1], 2)
    finally:
        torch.set_num_threads(before)
