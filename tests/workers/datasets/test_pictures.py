"""Data sets of pictures in files: torchvision's, and folders."""

import numpy as np
import pytest
import torchvision
from PIL import Image
from samples import write_idx

from workers.datasets import DataSpec, load
from workers.refusal import Refused


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
