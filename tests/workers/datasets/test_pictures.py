"""Data sets of pictures in files: torchvision's, and folders."""

import os
import zlib

import numpy as np
import pytest
import torchvision
from PIL import Image
from samples import write_idx

from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError


def test_torchvision_by_name(tmp_path, monkeypatch):
    write_idx(tmp_path / "MNIST/raw", False)
    data = load(DataSpec("torchvision:MNIST", folder=str(tmp_path), samples=2, crop=20))
    assert (data.shape, data.classes, data.names[0], data.labels.dtype) == (
        (1, 20, 20),
        10,
        "0 - zero",
        np.int64,
    )

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
    with pytest.raises(
        InputError, match=r"torchvision:SVHN must give \(picture, whole label\); got \(str, str\)"
    ):
        load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))


def test_torchvision_with_arguments():
    arguments = {"size": 6, "image_size": [1, 5, 4], "num_classes": 3}
    data = load(DataSpec("torchvision:FakeData", samples=4, arguments=arguments))
    assert (len(data), data.shape) == (4, (1, 5, 4))
    assert data.labels.max() < data.classes <= 3
    assert (
        load(
            DataSpec("torchvision:FakeData", samples=4, arguments=arguments | {"random_offset": 9})
        ).digest
        != data.digest
    )


class Recorded:
    """A stub of a data set of torchvision: which arguments came."""

    classes = ("a", "b")

    def __init__(self, root, split="train", valid=("train", "test"), **rest):
        self.came = {"split": split, **rest}
        type(self).last = self.came
        if split not in valid:
            raise ValueError(
                f"Unknown value '{split}' for argument split. Valid values are {valid}."
            )

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
    with pytest.raises(
        InputError,
        match=r"torchvision:SVHN cannot be read from .*: Unknown value 'val' for argument split",
    ):
        load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))


def test_torchvision_data_that_is_not_there(tmp_path, monkeypatch):
    def absent(root, split, download=False):
        raise RuntimeError("Dataset not found.\nUse download=True")

    monkeypatch.setattr(torchvision.datasets, "SVHN", absent)
    with pytest.raises(
        InputError,
        match=(
            r"torchvision:SVHN is not in .* and cannot be downloaded \(Dataset not found.\): "
            r"give folder"
        ),
    ):
        load(DataSpec("torchvision:SVHN", folder=str(tmp_path)))
    with pytest.raises(InputError, match="torchvision:FER2013 cannot be read from"):
        load(DataSpec("torchvision:FER2013", folder=str(tmp_path)))


def paint(path, size, count=2, mode="RGB"):
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new(mode, size, 40 * number if mode == "L" else (40 * number, 0, 255)).save(
            path / f"{number}.png"
        )


def test_a_folder_of_pictures(tmp_path):
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        paint(tmp_path / name, (8, 6), count=3 if "train" in name else 2)
    data = load(DataSpec(f"imagefolder:{tmp_path}"))
    assert (data.images.shape, data.names, data.labels.tolist()) == (
        (4, 3, 6, 8),
        ("cat", "dog"),
        [0, 0, 1, 1],
    )
    assert data.images[1, :, 0, 0].tolist() == [40, 0, 255]
    assert load(DataSpec(f"imagefolder:{tmp_path}", "train", resize=12, crop=10)).images.shape == (
        6,
        3,
        10,
        10,
    )
    assert len(load(DataSpec(f"imagefolder:{tmp_path / 'val'}"))) == 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_every_kind_become_rgb(tmp_path, mode):
    (tmp_path / "cat").mkdir()
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5).convert(mode)
    picture.save(tmp_path / "cat" / ("0.tif" if mode == "CMYK" else "0.png"))
    expected = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(load(DataSpec(f"imagefolder:{tmp_path}")).images[0], expected)


def test_of_a_moving_picture_the_first_one_is_taken(tmp_path):
    (tmp_path / "cat").mkdir()
    first, second = (Image.new("RGB", (4, 4), (0, value, 0)) for value in (10, 200))
    first.save(tmp_path / "cat/0.png", save_all=True, append_images=[second])
    assert load(DataSpec(f"imagefolder:{tmp_path}")).images[0, 1, 0, 0] == 10


def wide(mode):
    def paint(path):
        Image.fromarray(np.full((4, 4), 300, np.uint16 if mode == "I;16" else np.int32)).save(path)

    return paint


def chunk(kind, content):
    return (
        len(content).to_bytes(4, "big")
        + kind
        + content
        + zlib.crc32(kind + content).to_bytes(4, "big")
    )


def png(side, *chunks):
    header = side.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*entry) for entry in chunks)
    )


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        (
            "a.png",
            wide("I;16"),
            "must have 8 bits for each channel; got Pillow's mode I;16: convert it",
        ),
        ("a.tif", wide("I"), "must have 8 bits for each channel; got Pillow's mode I: convert it"),
        ("a.png", lambda path: path.write_bytes(png(60_000, (b"IDAT", b""))), "exceeds limit of"),
        ("a.png", lambda path: path.write_bytes(png(10_000, (b"IDAT", b""))), "exceeds limit of"),
        (
            "a.png",
            lambda path: path.write_bytes(
                png(4, (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))))
            ),
            "data too large",
        ),
        ("a.ppm", lambda path: path.write_bytes(b"P6\n2.5 4\n255\n"), "invalid literal"),
        (
            "a.jpg",
            lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            "cannot identify",
        ),
        ("a.png", lambda path: path.symlink_to(path.parent / "absent"), "it is not a file"),
        ("a.png", os.mkfifo, "it is not a file"),
    ],
)
def test_pictures_that_are_refused(tmp_path, name, make, words):
    (tmp_path / "cat").mkdir()
    make(tmp_path / "cat" / name)
    with pytest.raises(InputError, match=rf"/{name} .*{words}"):
        load(DataSpec(f"imagefolder:{tmp_path}"))


def test_links_are_followed_unless_they_lead_back(tmp_path):
    paint(tmp_path / "elsewhere/cat", (4, 4))
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "cat").symlink_to(tmp_path / "elsewhere/cat")
    assert len(load(DataSpec(f"imagefolder:{folder}"))) == 2
    (tmp_path / "elsewhere/cat/up").symlink_to(folder)
    with pytest.raises(
        InputError, match=r"pictures/cat/up is a link to a folder that holds it: remove it"
    ):
        load(DataSpec(f"imagefolder:{folder}"))


def test_pickles_in_the_folder_of_a_torchvision_data_set_do_not_run(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", no_network)
    monkeypatch.chdir(tmp_path)
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in ("test_batch", "batches.meta", *(f"data_batch_{number}" for number in range(1, 6))):
        (batches / name).write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(
        InputError, match=r"torchvision:CIFAR10 is not in .* and cannot be downloaded"
    ):
        load(DataSpec("torchvision:CIFAR10", folder=str(tmp_path)))
    with pytest.raises(InputError, match="torchvision:LSUN unpickles files, which can run code"):
        load(DataSpec("torchvision:LSUN", folder=str(tmp_path)))
    assert not (tmp_path / "owned").exists()


def test_folders_of_pictures_that_are_refused(tmp_path):
    paint(tmp_path / "train/cat", (8, 6))
    folder = f"imagefolder:{tmp_path}"
    with pytest.raises(InputError, match="has train/ but not test or val/: choose the other split"):
        load(DataSpec(folder))
    with pytest.raises(InputError, match="is 6 x 8, smaller than crop: 7; give resize: 7 or more"):
        load(DataSpec(folder, "train", crop=7))
    paint(tmp_path / "train/dog", (6, 6))
    with pytest.raises(
        InputError, match=r"differ in size: \(3, 6, 8\) and \(3, 6, 6\) \(C, H, W\); give crop"
    ):
        load(DataSpec(folder, "train"))
    (tmp_path / "train/dog/0.png").write_bytes(b"noise")
    with pytest.raises(InputError, match=r"0.png cannot be read as a picture"):
        load(DataSpec(folder, "train", crop=4))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="must hold one folder of pictures per class"):
        load(DataSpec(f"imagefolder:{tmp_path / 'empty'}"))


def test_classes_have_one_number_in_all_splits(tmp_path):
    for place in (
        "train/blue",
        "train/green",
        "train/red",
        "test/blue",
        "test/red",
        "test/.cache",
        "train/.ipynb_checkpoints",
    ):
        paint(tmp_path / place, (8, 6))
    train, test, alone = (
        load(DataSpec(f"imagefolder:{folder}", split))
        for folder, split in ((tmp_path, "train"), (tmp_path, "test"), (tmp_path / "test", "test"))
    )
    assert train.names == test.names == alone.names == ("blue", "green", "red")
    assert sorted(set(test.labels.tolist())) == sorted(set(alone.labels.tolist())) == [0, 2]


def test_a_folder_of_folders_is_no_class(tmp_path):
    paint(tmp_path / "pictures/cat", (8, 6))
    with pytest.raises(
        InputError,
        match=(
            r"pictures holds only folders, so it is no class: give imagefolder:.*/pictures if "
            r"those"
        ),
    ):
        load(DataSpec(f"imagefolder:{tmp_path}"))
    paint(tmp_path / "train/cat", (8, 6))
    paint(tmp_path / "train/dog", (8, 6))
    (tmp_path / "train/dog/0.png").unlink()
    for left in (tmp_path / "train/dog").iterdir():
        left.unlink()
    with pytest.raises(
        InputError, match="must hold one folder of pictures per class: there is no picture in dog"
    ):
        load(DataSpec(f"imagefolder:{tmp_path}", "train"))
