"""Data sets that are arrays already: embedded, in NumPy archives, in idx files."""

import gzip
import io
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torchvision
from samples import IMAGES, LABELS, archive, write_idx

from advcore.workers.datasets import DataSpec, arrays, load
from advcore.workers.errors import InputError


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


@pytest.mark.parametrize(
    "images",
    [IMAGES, IMAGES[:, 0], (IMAGES / 255).astype(np.float64), np.repeat(IMAGES, 3, axis=1)],
)
def test_an_archive_of_arrays(tmp_path, images):
    data = load(archive(tmp_path, images=images))
    assert data.shape == (images.shape[1] if images.ndim == 4 else 1, 4, 4)
    assert data.images.dtype == (np.uint8 if images.dtype == np.uint8 else np.float32)
    assert data.names == ("0", "1", "2")
    named = load(
        archive(tmp_path, labels=LABELS.astype(float), names=np.array(["cat", "dog", "eel", "fox"]))
    )
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
        (
            {"images": IMAGES[:, :, :, 0][:, 0]},
            r"must hold images \(N, C, H, W\) or \(N, H, W\) and labels \(N,\); got \(6, 4\)",
        ),
        ({"images": IMAGES[:5]}, r"got \(5, 1, 4, 4\) and \(6,\)"),
        (
            {"images": np.array([None, "x"], object)},
            "is not a NumPy archive of plain arrays .*Object arrays cannot be loaded",
        ),
        ({"labels": LABELS + 0.5}, "labels must be whole numbers; got 0.5"),
        (
            {"labels": LABELS - 1},
            "must hold labels 0, 1, 2, ...; got -1: number the classes from 0",
        ),
        (
            {"labels": LABELS, "names": np.array(["a", "b"])},
            r"labels must lie in 0..1 \(2 classes\); got 0..2",
        ),
        (
            {"labels": LABELS * 1e20},
            r"labels must be whole numbers of classes; got 0.0..2e\+20: number the classes from 0",
        ),
        (
            {"labels": LABELS * np.uint64(2**62)},
            "labels must be whole numbers of classes; got 0.0..9.22",
        ),
        (
            {"labels": LABELS * 10**6},
            "must hold labels below 100000; got 2000000: number the classes from 0 without gaps",
        ),
        ({"images": IMAGES * 1e300}, "NaN or infinite values"),
        ({"names": np.array("abc")}, r"must hold names \(classes,\) as text; got <U3 \(\)"),
        (
            {"names": np.array([b"a", b"b", b"c"])},
            r"must hold names \(classes,\) as text; got \|S1",
        ),
        ({"labels": np.array(list("abcabc"))}, r"labels must be whole numbers \(N,\); got <U1"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "with zero samples"),
        ({"images": IMAGES[..., :0]}, "images must hold at least one sample and one pixel"),
    ],
)
def test_archives_that_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as refusal:
        load(archive(tmp_path, **content))
    assert "\n" not in str(refusal.value)


def test_channels_that_come_last(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    lying = archive(tmp_path, images=images)
    with pytest.raises(
        InputError,
        match=(
            r"got \(6, 8, 8, 3\), which that makes 8 channels of 8 x 3 pixels: .* layout: "
            r"nhwc, or write images.tr"
        ),
    ):
        load(lying)
    assert np.array_equal(load(replace(lying, layout="nhwc")).images, images.transpose(0, 3, 1, 2))
    assert load(replace(lying, layout="nchw")).shape == (8, 8, 3)
    with pytest.raises(
        InputError,
        match="layout must be nchw or nhwc, of npz: and npy: data alone; got 'nhwc' for dig",
    ):
        load(DataSpec("digits", layout="nhwc"))


def test_roundings_outside_the_box_are_drawn_in(tmp_path):
    images = (IMAGES / 255).astype(np.float32)
    images[0, 0, 0, :2] = -2.98e-8, 1 + 1.2e-7
    data = load(archive(tmp_path, images=images))
    assert (data.images.min(), data.images.max()) == (0, 1)
    images[0, 0, 0, 1] = 1 + 1e-6
    with pytest.raises(
        InputError, match=r"images must lie in \[0, 1\]; got \[-2.98e-08, 1.00000095"
    ):
        load(archive(tmp_path, images=images))


def test_files_that_are_no_archives(tmp_path):
    (tmp_path / "noise.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "other.npz", x=IMAGES)
    np.save(tmp_path / "single.npy", IMAGES)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:100])
    for name in ("noise.npz", "cut.npz", "single.npy"):
        with pytest.raises(InputError, match="is not a NumPy archive of plain arrays"):
            load(DataSpec(f"npz:{tmp_path / name}"))
    with zipfile.ZipFile(tmp_path / "words.npz", "w") as archive:
        archive.writestr("images.npy", b"no array")
        archive.writestr("labels.npy", b"no array")
    with pytest.raises(InputError, match=r"words.npz must hold arrays only"):
        load(DataSpec(f"npz:{tmp_path / 'words.npz'}"))
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(InputError, match="file not found; check the path"):
        load(DataSpec(f"npz:{tmp_path / 'pipe.npz'}"))
    with pytest.raises(InputError, match="must hold images and labels; got x"):
        load(DataSpec(f"npz:{tmp_path / 'other.npz'}"))
    with pytest.raises(InputError, match="file not found"):
        load(DataSpec(f"npz:{tmp_path / 'absent.npz'}"))


def headed(path, header, body=b""):
    """An archive whose array of images has this header."""
    text = header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "images.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body
        )
        archive.writestr("labels.npy", npy(LABELS))
    return DataSpec(f"npz:{path}")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (10**12, 1, 3, 3)}", "malformed node"),
        (
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000000, 3, 3)}",
            "Unable to allocate|EOF|too big|array data",
        ),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 3, 3)}", "negative dimensions"),
        ("{'descr': '|u1', 'fortran_order'", "EOF in multi-line"),
        ("__import__('os').system('touch owned')", "malformed node"),
    ],
)
def test_headers_that_lie(tmp_path, monkeypatch, header, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"is not a NumPy archive of plain arrays \(.*({reason})"):
        load(headed(tmp_path / "some.npz", f"{header}\n", b"abc"))
    assert not (tmp_path / "owned").exists()


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path, monkeypatch):
    spec = archive(tmp_path)
    monkeypatch.setattr(os, "sysconf", lambda name: 8)
    with pytest.raises(
        InputError,
        match=r"unpacks to .* bytes, and this machine has 64: take fewer samples, or leave it",
    ):
        load(spec)


@pytest.mark.parametrize("order", ["F", "C"])
def test_the_order_of_bytes_and_axes_does_not_matter(tmp_path, order):
    images = (IMAGES / 256).astype(">f8")
    data = load(
        archive(tmp_path, images=np.asarray(images, order=order), labels=LABELS.astype(">i2"))
    )
    assert data.digest == load(archive(tmp_path, images=images.astype("<f4"))).digest


@pytest.mark.parametrize("name", ["npz", "imagefolder", "folder"])
def test_paths_that_nothing_can_have(name):
    for path, words in [
        ("a\0b", "contains a NUL byte, which is not allowed"),
        ("~no-such-person/x", "no such home folder"),
    ]:
        spec = (
            DataSpec("fashion-mnist", folder=path)
            if name == "folder"
            else DataSpec(f"{name}:{path}")
        )
        with pytest.raises(InputError, match=words):
            load(spec)
    if name != "folder":
        with pytest.raises(InputError, match=r"file not found|folder not found"):
            load(DataSpec(f"{name}:{'x' * 5000}"))


@pytest.mark.parametrize(
    ("place", "squeeze"), [("", True), ("", False), ("FashionMNIST/raw", False)]
)
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
            InputError,
            match=(
                r"cannot be downloaded \(Error downloading.*\): apt install "
                r"dataset-fashion-mnist, or give"
            ),
        ):
            load(DataSpec("fashion-mnist"))
        patch.setattr(torchvision.datasets, "FashionMNIST", nothing)
        with pytest.raises(
            InputError, match=r"was downloaded to .*, but its t10k files are not there"
        ):
            load(DataSpec("fashion-mnist"))
        patch.setattr(torchvision.datasets, "FashionMNIST", download)
        assert len(load(DataSpec("fashion-mnist"))) == 3
    write_idx(tmp_path / "debian", True)
    assert len(load(DataSpec("fashion-mnist"))) == 3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: raw[:100], "ended"),
        (
            lambda raw: gzip.compress(b"\0\0\x0d\3" + bytes(12)),
            "its first bytes are 00000d03, not 00000803",
        ),
        (lambda raw: b"noise", "Not a gzipped file"),
    ],
)
def test_idx_files_that_are_damaged(tmp_path, spoil, reason):
    write_idx(tmp_path, True)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(
        InputError,
        match=rf"t10k-images-idx3-ubyte.gz is not a valid idx file \(.*{reason}.*\): fetch it",
    ):
        load(DataSpec("fashion-mnist", folder=str(tmp_path)))
