"""Data that stay in their files: the same samples as in memory, read where they are used."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import numpy.lib.format as npy_format
import pytest
import torch
from PIL import Image
from s3_server import S3

from advcore.workers.datasets import Dataset, DataSpec, batch, load, reading, sources, stored
from advcore.workers.datasets.reading import GAP_BYTES, File, look
from advcore.workers.datasets.stored import Stored
from advcore.workers.errors import InputError
from advcore.workers.local_cache import cache_folder
from advcore.workers.shards import Shard

LARGE = np.random.RandomState(1).randint(0, 256, (40, 3, 5, 4)).astype(np.uint8)
CLASSES = np.arange(40) % 4


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def nothing_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every data set that can stays in its files."""
    monkeypatch.setattr(sources, "SENT", 0)


def written(path: Path, kind: str, **content: np.ndarray) -> DataSpec:
    arrays = {"images": LARGE, "labels": CLASSES} | content
    if kind == "npy":
        path.mkdir()
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
        return DataSpec(f"npy:{path}")
    file = path.with_suffix(".npz")
    (np.savez_compressed if kind == "compressed" else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return DataSpec(f"npz:{file}")


def paint(folder: Path, count: int = 5) -> DataSpec:
    for label, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(LARGE[count * label + number].transpose(1, 2, 0)).save(
                folder / name / f"{number}.png"
            )
    return DataSpec(f"imagefolder:{folder}")


def both(spec: DataSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    """The data set in memory, and as it stays in its files."""
    memory = load(spec)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "SENT", 0)
        stays = load(spec)
    assert memory.in_memory
    assert not stays.in_memory
    return memory, stays


def equal(one: Dataset, other: Dataset) -> bool:
    rows = np.arange(len(one))
    pairs = [(one.take(rows), other.take(rows)), (one.labels, other.labels)]
    pairs.append((one.indices, other.indices))
    return one.names == other.names and all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("kind", ["npz", "compressed", "npy"])
@pytest.mark.parametrize("samples", [None, 7])
@pytest.mark.parametrize("images", [LARGE, (LARGE / 255).astype(">f8"), LARGE[:, 0]])
def test_arrays_in_files(tmp_path, monkeypatch, kind, samples, images):
    spec = written(tmp_path / "own", kind, images=images)
    memory, stays = both(DataSpec(spec.name, samples=samples, seed=2), monkeypatch)
    assert equal(memory, stays)
    assert stays.images.dtype == memory.images.dtype
    assert equal(memory, pickle.loads(pickle.dumps(stays)))
    rows = np.array([5, 0, 3])
    assert equal(memory.chosen(rows), stays.chosen(rows))
    assert torch.equal(batch(stays, Shard(2, 6)).inputs, batch(memory, Shard(2, 6)).inputs)


def test_channels_that_come_last_in_files(tmp_path, monkeypatch):
    spec = written(tmp_path / "own", "npz", images=LARGE.transpose(0, 2, 3, 1))
    memory, stays = both(DataSpec(spec.name, layout="nhwc"), monkeypatch)
    assert np.array_equal(stays.take(np.arange(40)), LARGE)
    assert equal(memory, stays)


def test_a_folder_of_pictures_in_files(tmp_path, monkeypatch):
    spec = paint(tmp_path / "own")
    memory, stays = both(DataSpec(spec.name, samples=6, crop=3), monkeypatch)
    assert stays.shape == (3, 3, 3)
    assert equal(memory, stays)
    assert equal(memory.chosen(np.array([4, 1])), pickle.loads(pickle.dumps(stays)).chosen([4, 1]))


def test_a_small_selection_of_a_large_archive_travels(tmp_path, monkeypatch):
    spec = written(tmp_path / "own", "npz")
    monkeypatch.setattr(sources, "SENT", LARGE[:7].nbytes)
    some, whole = load(DataSpec(spec.name, samples=7)), load(spec)
    assert some.in_memory
    assert not whole.in_memory
    assert np.array_equal(some.take(np.arange(7)), LARGE[some.indices])
    rows = some.indices
    assert some.digest == Dataset(LARGE[rows], CLASSES[rows], rows, tuple("0123")).digest


@pytest.mark.usefixtures("nothing_travels")
def test_digests_are_by_sample_and_read_once(tmp_path, monkeypatch):
    spec = written(tmp_path / "own", "npz")
    read = []
    own = stored._digests

    def counted(records, decoder, rows, indices):
        read.extend(indices.tolist())
        return own(records, decoder, rows, indices)

    monkeypatch.setattr(stored, "_digests", counted)
    some = load(DataSpec(spec.name, samples=9))
    assert read == some.indices.tolist()  # a subset needs its own samples only
    whole = load(spec)
    assert sorted(read) == list(range(40))  # and the others are read when they are needed
    assert load(spec).digest == whole.digest
    assert len(read) == 40
    assert np.array_equal(whole.chosen(some.indices).images.digests, some.images.digests)
    assert whole.chosen(some.indices).digest == some.digest != whole.digest
    assert load(DataSpec(spec.name, samples=9, seed=1)).digest != some.digest
    for file in cache_folder("digests").glob("*.npy"):
        file.write_bytes(b"damaged")
    assert load(spec).digest == whole.digest
    assert len(read) == 80


@pytest.mark.usefixtures("nothing_travels")
def test_the_digest_covers_content_and_meaning(tmp_path):
    spec = paint(tmp_path / "own")
    first = load(spec).digest
    assert load(DataSpec(spec.name, crop=3)).digest != first
    spoilt = LARGE[0].copy()
    spoilt[0, 0, 0] ^= 1
    Image.fromarray(spoilt.transpose(1, 2, 0)).save(tmp_path / "own/cat/0.png")
    assert load(spec).digest != first


@pytest.mark.usefixtures("nothing_travels")
def test_digests_that_cannot_be_kept(tmp_path, monkeypatch, capsys):
    spec = written(tmp_path / "own", "npz")
    expected = load(spec).digest
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load(spec).digest == expected
    assert "advcore: warning: digests of samples cannot be kept in" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_travels")
def test_values_are_checked_where_they_are_first_read(tmp_path):
    images = (LARGE / 255).astype(np.float32)
    images[11, 0, 0, 0] = np.nan
    spec = written(tmp_path / "own", "npz", images=images)
    with pytest.raises(InputError, match="NaN or infinite values, first in sample 11"):
        load(spec)
    images[11, 0, 0, 0] = 1.5
    spec = written(tmp_path / "own", "npz", images=images)
    with pytest.raises(InputError, match=r"images must lie in \[0, 1\]; got \[0, 1.5\]"):
        load(spec)


def rewrite(path: Path) -> None:
    spoilt = LARGE.copy()
    spoilt[3] = 255 - spoilt[3]
    np.savez(path, images=spoilt, labels=CLASSES)


@pytest.mark.usefixtures("nothing_travels")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            rewrite,
            r"has changed since it was opened \(its size or time is another one\): run again",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes()[:1500]),
            "has changed since it was opened",
        ),
        (Path.unlink, r"cannot be opened on this machine \(No such file"),
    ],
)
def test_files_that_change_after_the_study_has_started(tmp_path, spoil, message):
    data = load(written(tmp_path / "own", "npz"))
    reading_anew()
    spoil(tmp_path / "own.npz")
    with pytest.raises(InputError, match=message):
        data.take(np.array([3]))


def reading_anew() -> None:
    """As another process would: no file is open."""
    reading._reader.cache_clear()
    stored._checked.clear()


@pytest.mark.usefixtures("nothing_travels")
def test_a_sample_is_compared_with_its_digest_at_its_first_touch(tmp_path):
    spec = written(tmp_path / "own", "npz")
    data, file = load(spec), tmp_path / "own.npz"
    before = file.stat()
    rewrite(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had been
    reading_anew()
    assert np.array_equal(data.take(np.array([2])), LARGE[[2]])
    with pytest.raises(InputError, match=r"sample 3 of npz:.* has changed since the study started"):
        data.take(np.array([2, 3]))


@pytest.mark.usefixtures("nothing_travels")
def test_pictures_that_change_or_go(tmp_path):
    spec = paint(tmp_path / "own")
    data = load(spec)
    (tmp_path / "own/dog/1.png").write_bytes(b"noise")
    with pytest.raises(InputError, match=r"dog/1.png has changed since the study started: run aga"):
        data.take(np.array([6]))
    (tmp_path / "own/dog/1.png").unlink()
    with pytest.raises(InputError, match=r"dog/1.png cannot be read .*must lie where all workers"):
        data.take(np.array([6]))
    assert np.array_equal(data.take(np.array([7])), LARGE[[7]])


@pytest.mark.usefixtures("nothing_travels")
def test_pictures_that_another_library_would_decode(tmp_path, monkeypatch):
    data = load(paint(tmp_path / "own"))
    monkeypatch.setattr("PIL.__version__", "0.1")
    with pytest.raises(InputError, match=r"are decoded by Pillow .* and this machine has 0.1"):
        data.take(np.array([0]))


@pytest.mark.usefixtures("nothing_travels")
def test_an_archive_that_lies_about_its_length(tmp_path):
    np.save(tmp_path / "images.npy", LARGE)
    whole = (tmp_path / "images.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as packed:
        packed.writestr("images.npy", whole[:-1])
        np.save(tmp_path / "labels.npy", CLASSES)
        packed.write(tmp_path / "labels.npy", "labels.npy")
    with pytest.raises(InputError, match=r"header says \(40, 3, 5, 4\) uint8, but only 2399 bytes"):
        load(DataSpec(f"npz:{tmp_path / 'own.npz'}"))
    (tmp_path / "images.npy").write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"images.npy is not a plain array \(its header says"):
        load(DataSpec(f"npy:{tmp_path}"))


@pytest.mark.usefixtures("nothing_travels")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": np.asfortranarray(LARGE)}, "it is in Fortran order: write np.ascontiguousarr"),
        ({"images": LARGE.astype(np.int32)}, "images must be uint8, or floating in .*; got int32"),
        ({"images": LARGE[:39]}, r"got \(39, 3, 5, 4\) and \(40,\)"),
        ({"images": LARGE.astype(object)}, "Object arrays cannot be loaded"),
    ],
)
def test_large_archives_that_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        load(written(tmp_path / "own", "npz", **content))


@pytest.mark.usefixtures("nothing_travels")
def test_a_compressed_archive_is_unpacked_once(tmp_path, monkeypatch):
    spec = written(tmp_path / "own", "compressed")
    load(spec)
    (unpacked,) = cache_folder("unpacked").glob("*.npy")
    before = unpacked.stat().st_mtime_ns
    load(spec)
    assert unpacked.stat().st_mtime_ns == before
    unpacked.write_bytes(b"cut off")
    assert np.array_equal(load(spec).take(np.arange(40)), LARGE)
    data = pickle.loads(pickle.dumps(load(spec)))
    unpacked.unlink()
    reading_anew()
    assert np.array_equal(data.take(np.arange(40)), LARGE)  # as a worker on another machine does
    unpacked.unlink()
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10})())
    with pytest.raises(InputError, match=r"unpacks to 2.53e\+03 bytes, and .* has 10: set XDG_CAC"):
        load(spec)


def sparse(path: Path, count: int, size: int) -> None:
    """An archive of `count` images (3, size, size), all black, that takes no room on the disk."""
    with zipfile.ZipFile(path, "w") as packed:
        labels = np.arange(count) % 2
        with packed.open("images.npy", "w", force_zip64=True) as member:
            shape = (count, 3, size, size)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            npy_format.write_array_header_1_0(member, header)
            packed.fp.seek(count * 3 * size**2, 1)
            member._file_size += count * 3 * size**2
        with packed.open("labels.npy", "w") as member:
            npy_format.write_array(member, labels)


def test_an_archive_of_more_than_four_gigabytes(tmp_path):
    sparse(tmp_path / "own.npz", 40_000, 224)
    assert (tmp_path / "own.npz").stat().st_size > 6e9
    data = load(DataSpec(f"npz:{tmp_path / 'own.npz'}", samples=20))
    assert data.in_memory
    assert (data.labels.tolist(), data.shape) == ((data.indices % 2).tolist(), (3, 224, 224))


def test_records_are_read_in_the_order_asked_for(tmp_path):
    content = np.random.RandomState(0).bytes(5 * GAP_BYTES)
    (tmp_path / "own").write_bytes(content)
    file = look(str(tmp_path / "own"), "own")
    offsets = [3 * GAP_BYTES, 7, 0, 7, 5 * GAP_BYTES - 9, 100]
    lengths = [10, 20, 30, 40, 9, 0]
    expected = [content[start : start + size] for start, size in zip(offsets, lengths, strict=True)]
    assert file.read_all(offsets, lengths) == expected
    with file.view() as view:
        view.seek(-9, 2)
        assert view.read() == expected[4]
    with pytest.raises(InputError, match=r"own ends at byte .*: it is cut off, fetch or write it"):
        file.read(5 * GAP_BYTES - 9, 10)


@pytest.mark.usefixtures("nothing_travels")
@pytest.mark.parametrize("kind", ["npz", "npy", "compressed"])
def test_arrays_on_s3(s3: S3, tmp_path, kind):
    here = written(tmp_path / "own", kind)
    if kind == "npy":
        for file in (tmp_path / "own").iterdir():
            s3.client.upload_file(str(file), s3.bucket, f"data/{file.name}")
        there = DataSpec(f"npy:{s3.url('data')}")
    else:
        s3.client.upload_file(str(tmp_path / "own.npz"), s3.bucket, "own.npz")
        there = DataSpec(f"npz:{s3.url('own.npz')}")
    data = load(there)
    assert isinstance(data.images, Stored)
    assert equal(load(here), data)
    assert load(here).digest == data.digest
    if kind == "npz":
        rewrite(tmp_path / "own.npz")
        s3.client.upload_file(str(tmp_path / "own.npz"), s3.bucket, "own.npz")
        with pytest.raises(InputError, match=r"own.npz, asked for at .*: it was changed while"):
            data.take(np.array([3]))


def test_a_file_is_its_description(tmp_path):
    (tmp_path / "own").write_bytes(b"abc")
    file = look(str(tmp_path / "own"), "own")
    assert pickle.loads(pickle.dumps(file)) == file == File(file.place, 3, file.version)
