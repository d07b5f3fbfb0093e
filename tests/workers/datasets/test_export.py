"""Data sets written to files, and read again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advcore.transforms import Flip
from advcore.workers.datasets import Dataset, DataSpec, batch, export, load
from advcore.workers.datasets.derived import Noised
from advcore.workers.datasets.export import Exported
from advcore.workers.errors import InputError
from advcore.workers.shards import Shard

IMAGES = np.random.RandomState(0).randint(0, 256, (12, 3, 5, 4)).astype(np.uint8)
ROOT = Dataset(IMAGES, np.arange(12) % 3, 7 * np.arange(12), ("cat", "dog", "eel"))
NOISY = Noised("root", 0.5).apply({"root": ROOT})


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(export, "PART", 5 * 4 * IMAGES[0].size)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("data", [ROOT, NOISY], ids=["8 bit", "float"])
def test_an_archive_is_the_same_data_set(tmp_path, data):
    told = export.export_dataset(data, f"npz:{tmp_path / 'own.npz'}")
    assert told == Exported(tmp_path / "own.npz", 12)
    again = load(DataSpec(f"npz:{tmp_path / 'own.npz'}"))
    assert again.images.dtype == data.images.dtype
    assert np.array_equal(again.take(np.arange(12)), data.take(np.arange(12)))
    assert np.array_equal(again.labels, data.labels)
    assert again.names == data.names
    with np.load(tmp_path / "own.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["indices"], data.indices)
    assert left_in(tmp_path) == ["own.npz"]


def test_an_archive_holds_what_batches_show(tmp_path):
    flipped = replace(ROOT, transform=Flip())
    export.export_dataset(flipped, f"npz:{tmp_path / 'own.npz'}")
    with np.load(tmp_path / "own.npz") as archive:
        assert np.allclose(
            archive["images"], Flip()(batch(ROOT, Shard(0, 12)).inputs).numpy(), atol=1e-6
        )


def test_a_folder_of_pictures(tmp_path):
    told = export.export_dataset(ROOT, f"imagefolder:{tmp_path / 'own'}")
    assert told == Exported(tmp_path / "own", 12, 0.0)
    again = load(DataSpec(f"imagefolder:{tmp_path / 'own'}"))
    assert again.names == ROOT.names
    order = np.argsort(ROOT.labels, kind="stable")
    assert np.array_equal(again.labels, ROOT.labels[order])
    assert np.array_equal(again.take(np.arange(12)), IMAGES[order])
    assert left_in(tmp_path) == ["own"]
    assert left_in(tmp_path / "own/dog") == ["01-7.png", "04-28.png", "07-49.png", "10-70.png"]


def test_pictures_are_rounded_and_it_is_said(tmp_path):
    told = export.export_dataset(NOISY, f"imagefolder:{tmp_path / 'own'}")
    made = NOISY.take(np.arange(12))
    order = np.argsort(NOISY.labels, kind="stable")
    again = load(DataSpec(f"imagefolder:{tmp_path / 'own'}")).take(np.arange(12))
    error = np.abs(again / np.float32(255) - made[order]).max()
    assert told.rounding == pytest.approx(error)
    assert 0 < told.rounding <= 0.5 / 255 + 1e-7


def test_pictures_of_one_channel(tmp_path):
    gray = replace(ROOT, images=IMAGES[:, :1])
    export.export_dataset(gray, f"imagefolder:{tmp_path / 'own'}")
    with Image.open(tmp_path / "own/cat/00-0.png") as picture:
        assert picture.mode == "L"
        assert np.array_equal(np.asarray(picture), IMAGES[0, 0])


@pytest.mark.parametrize("kind", ["npz", "imagefolder"])
def test_what_is_there_is_not_overwritten(tmp_path, kind):
    (tmp_path / "own").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export.export_dataset(ROOT, f"{kind}:{tmp_path / 'own'}")
    assert (tmp_path / "own").read_text() == "mine"


@pytest.mark.parametrize("kind", ["npz", "imagefolder"])
def test_half_a_data_set_is_never_left(tmp_path, kind, monkeypatch):
    whole = export._parts

    def parts(dataset):
        yield next(whole(dataset))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_parts", parts)
    with pytest.raises(InputError, match=r"cannot be written .*No space left"):
        export.export_dataset(ROOT, f"{kind}:{tmp_path / 'own'}")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("to", ["csv:out", "out", "npz:", "npz:s3://bucket/own.npz"])
def test_places_that_are_none(to):
    with pytest.raises(InputError, match="expected npz:PATH or imagefolder:PATH"):
        export.export_dataset(ROOT, to)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (replace(ROOT, transform=Flip()), "outside of it: export to npz:"),
        (replace(ROOT, images=IMAGES[:, :2]), r"1 or 3 channels .* got \(2, 5, 4\)"),
        (replace(ROOT, names=("cat", "../dog", "eel")), "'../dog' cannot be the names"),
        (replace(ROOT, names=("cat", "cat", "eel")), "one each"),
    ],
)
def test_no_pictures(tmp_path, data, words):
    with pytest.raises(InputError, match=words):
        export.export_dataset(data, f"imagefolder:{tmp_path / 'own'}")
    assert left_in(tmp_path) == []
