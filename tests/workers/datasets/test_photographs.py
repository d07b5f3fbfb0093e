"""The photographs that come along with packages: their pixels, their classes, their absence."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from advcore.workers.datasets import DataSpec, load, origin, package_files
from advcore.workers.errors import InputError


def test_six_colour_photographs_with_classes_of_imagenet():
    """Each is resized to 256 and cropped to 224, as Pillow does it by itself."""
    skimage = pytest.importorskip("skimage")
    data = load(DataSpec("photographs"))
    assert (len(data), data.shape, data.classes) == (6, (3, 224, 224), 1000)
    named = [data.names[label] for label in data.labels]
    assert named == ["palace", "tabby", "espresso", "daisy", "moped", "missile"]
    with Image.open(f"{skimage.__path__[0]}/data/chelsea.png") as cat:  # 451 x 300
        small = cat.convert("RGB").resize((384, 256), Image.Resampling.BILINEAR)
    wanted = np.asarray(small.crop((80, 16, 304, 240))).transpose(2, 0, 1)
    assert np.array_equal(data.images[1], wanted)
    files = {file.name for file in origin.files(DataSpec("photographs"))}
    assert {"china.jpg", "flower.jpg", "chelsea.png", "coffee.png", "rocket.jpg"} <= files


def test_they_have_no_training_split():
    with pytest.raises(InputError, match=r"one set of six, without a split train: .* split test"):
        load(DataSpec("photographs", "train"))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, r"needs the package scikit-learn: run pip install \"\.\[imagenet\]\" in"),
        (
            SimpleNamespace(origin="/nowhere/__init__.py"),
            r"china.jpg not found: .* needs a sklearn",
        ),
    ],
)
def test_the_absence_of_a_package_or_a_file_is_told(found, message, monkeypatch):
    monkeypatch.setattr(package_files, "find_spec", lambda package: found)
    with pytest.raises(InputError, match=message):
        load(DataSpec("photographs"))


def test_files_of_what_is_not_installed_are_not_known(monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(
        origin, "find_spec", lambda name: None if name == "skimage" else known(name)
    )
    assert origin.files(DataSpec("photographs")) is None
