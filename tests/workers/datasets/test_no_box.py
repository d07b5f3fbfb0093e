"""Tables and sequences: data without a box, of any rank."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import IMAGES, LABELS

from advcore.attacks import PGD, DeepFool, SmallestEps, SparseFool
from advcore.probes import Examples, Robustness
from advcore.threats import Colour, Feature, Flips, Spatial, Tokens, Wasserstein
from advcore.transforms import Flip
from advcore.workers.datasets import Dataset, DataSpec, batch, inputs_of, load, sources
from advcore.workers.datasets.deferred import Unboxed
from advcore.workers.datasets.export import export_dataset
from advcore.workers.datasets.sizes import inputs_in_words, size_in_words
from advcore.workers.errors import InputError
from advcore.workers.model_checks import check_box, check_model, check_threats, fitting
from advcore.workers.models import ModelSpec
from advcore.workers.shards import Shard

SHAPES = {"table": (7,), "sequence": (5, 3), "pictures": (3, 4, 4), "volumes": (1, 2, 3, 4)}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def values(shape, dtype=np.float64):
    return (np.random.RandomState(0).randn(6, *shape) * 50).astype(dtype)


def archive(path, compress=False, **content):
    save = np.savez_compressed if compress else np.savez
    save(path / "data.npz", **({"images": values((7,)), "labels": LABELS} | content))
    return DataSpec(f"npz:{path / 'data.npz'}", box=False)


def folder(path, **content):
    for name, array in ({"images": values((7,)), "labels": LABELS} | content).items():
        np.save(path / f"{name}.npy", array)
    return DataSpec(f"npy:{path}", box=False)


@every_shape
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("write", [archive, folder])
@pytest.mark.parametrize("sent", [2**28, 0], ids=["in memory", "in its file"])
def test_inputs_of_any_rank(tmp_path, monkeypatch, shape, dtype, write, sent):
    monkeypatch.setattr(sources, "SENT", sent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = load(write(tmp_path, images=values(shape, dtype)))
    assert (data.shape, data.classes, data.in_box) == (shape, 3, False)
    expected = torch.from_numpy(values(shape, np.float32))
    for known in (data, pickle.loads(pickle.dumps(data))):
        assert torch.equal(batch(known, Shard(1, 4)).inputs, expected[1:4])
    some = data.chosen(np.array([5, 2]))
    assert torch.equal(batch(some, Shard(0, 2)).inputs, expected[[5, 2]])
    assert not some.in_box
    assert torch.equal(inputs_of(data, torch.device("cpu"))[0][torch.arange(6)], expected)


@pytest.mark.parametrize("sent", [2**28, 0], ids=["in memory", "in its file"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": values((7,)).astype(int)}, "without a box must be floating; got int64: conv"),
        ({"images": IMAGES}, "without a box must be floating; got uint8"),
        (
            {"images": values(())},
            r"must hold inputs \(N, F\), .*; got \(6,\) and \(6,\)",
        ),
        ({"images": values((7,))[:5]}, r"got \(5, 7\) and \(6,\)"),
        (
            {"images": values((0,))},
            r"inputs must hold at least .* one number; .* \(6, 0",
        ),
        ({"images": values((7,)) * 1e300}, "inputs hold NaN or infinite values, first in sample 0"),
        ({"labels": LABELS - 1}, "must hold labels 0, 1, 2, ...; got -1"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, content, message, sent):
    monkeypatch.setattr(sources, "SENT", sent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=message) as refusal:
        load(archive(tmp_path, **content))
    assert "\n" not in str(refusal.value)


def test_settings_that_do_not_go_together(tmp_path):
    with pytest.raises(InputError, match=r"box: false is for npz: and npy: data, .* got digits"):
        load(DataSpec("digits", box=False))
    with pytest.raises(InputError, match=r"without layout, .* layout: nhwc"):
        load(DataSpec(archive(tmp_path).name, box=False, layout="nhwc"))
    with pytest.raises(InputError, match=r"got \(6, 7\) and \(6,\) .*give box: false"):
        load(DataSpec(archive(tmp_path).name))
    spec = DataSpec(archive(tmp_path).name, transform=Flip(), box=False)
    with pytest.raises(InputError, match=r"transform Flip\(\) .*; these are inputs of 7 features"):
        load(spec)


def test_the_box_of_pictures_is_checked_whatever_was_read_without_it(tmp_path, monkeypatch):
    """Digests of samples are kept with the word that their values were checked."""
    monkeypatch.setattr(sources, "SENT", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = archive(tmp_path, images=values((3, 4, 4), np.float32))
    assert load(spec).shape == (3, 4, 4)
    with pytest.raises(InputError, match=r"images must lie in \[0, 1\]"):
        load(DataSpec(spec.name))


def test_the_digest_says_whether_there_is_a_box(tmp_path):
    images = np.random.RandomState(0).rand(6, 1, 4, 4).astype(np.float32)
    spec = archive(tmp_path, images=images)
    digests = {load(one).digest for one in (spec, DataSpec(spec.name))}
    assert len(digests) == 2


def test_the_name_of_a_description_with_a_box_is_what_it_was():
    assert repr(DataSpec("digits")).endswith("layout=None, transform=None)")
    assert repr(DataSpec("npz:a", box=False)).endswith("transform=None, box=False)")


@every_shape
def test_an_export_is_read_again(tmp_path, shape):
    data = load(archive(tmp_path, images=values(shape)))
    export_dataset(data, f"npz:{tmp_path / 'again.npz'}")
    again = load(DataSpec(f"npz:{tmp_path / 'again.npz'}", box=False))
    assert again.digest == data.digest


def table():
    inputs = Unboxed(values((7,), np.float32))
    return Dataset(inputs, LABELS, np.arange(6), ("a", "b", "c"))


def test_words():
    assert size_in_words((64,)) == "64 features"
    assert size_in_words((12, 8)) == "12 x 8"
    assert size_in_words((1, 8, 8)) == "1 x 8 x 8 (channels, height, width)"
    assert inputs_in_words((12, 8)) == "inputs of 12 x 8"


def test_a_perceptron_takes_a_table():
    spec = ModelSpec("perceptron", classes=3)
    with pytest.raises(
        InputError,
        match=r"net does not fit inputs of 7 features: .*take arguments: .*channels.: 7",
    ):
        check_model("net", spec, table())
    spec = ModelSpec("perceptron", classes=3, arguments=fitting(spec, table()))
    assert check_model("net", spec, table()).classes == 3


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (DeepFool(), r"attacks in the box \[0, 1\], which the inputs of this data set leave"),
        (
            SparseFool(norm="pixels", box=False),
            "needs pictures .* got inputs of 7 features: t",
        ),
    ],
)
def test_attacks_that_need_more(attack, message):
    with pytest.raises(InputError, match=message):
        check_box("probe robustness", Robustness((0.1,), (attack,)), table())
    check_box("probe robustness", Robustness((0.1,), (DeepFool(box=False),)), table())


PICTURES = Dataset(IMAGES, LABELS, np.arange(len(LABELS)), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("threat", "data", "message"),
    [
        (Flips(), PICTURES, "flips needs binary features: .* others: take binary data"),
        (Tokens(), PICTURES, r"tokens needs sequences \(B, T, E\); got .*: take data of T tokens"),
        (Spatial(), table(), "threat model spatial needs pictures .* got inputs of 7 numbers"),
        (Wasserstein(), table(), "threat model wasserstein needs pictures"),
    ],
)
def test_threat_models_that_cannot_change_such_inputs(threat, data, message):
    spec = ModelSpec("perceptron", classes=3)
    spec = replace(spec, arguments=fitting(spec, data))
    inner = SmallestEps(PGD(threat=threat))
    for holder in (Robustness((1.0,), (PGD(threat=threat),)), Examples(more=(inner,))):
        with pytest.raises(ValueError, match=message):
            check_threats(holder, spec, data)


def test_threat_models_that_can():
    spec = ModelSpec("perceptron", classes=3)
    spec = replace(spec, arguments=fitting(spec, PICTURES))
    attacks = tuple(PGD(threat=threat) for threat in (Spatial(), Colour(), Feature()))
    for attack in attacks:
        check_threats(Robustness((1.0,), (attack,)), spec, PICTURES)
    check_threats(Robustness((1.0,), (DeepFool(),)), spec, PICTURES)
