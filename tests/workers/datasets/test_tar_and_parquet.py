"""Pictures in tar archives, in Parquet files and in folders of a bucket."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from s3_server import S3

from advcore.workers.datasets import Dataset, DataSpec, load, parquet_files, sources, tar_files
from advcore.workers.errors import InputError

LARGE = np.random.RandomState(1).randint(0, 256, (12, 3, 5, 4)).astype(np.uint8)
CLASSES = np.arange(12) % 3
FOLDERS = ("cat", "dog", "eel")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def png(image: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(sink, "png")
    return sink.getvalue()


def pack(file: Path, members: list[tuple[str, bytes]]) -> DataSpec:
    with tarfile.open(file, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return DataSpec(f"tar:{file}")


def by_folder(rows: range = range(12)) -> list[tuple[str, bytes]]:
    return [(f"data/{FOLDERS[CLASSES[row]]}/{row}.png", png(LARGE[row])) for row in rows]


def by_key(rows: range = range(12)) -> list[tuple[str, bytes]]:
    members = []
    for row in rows:
        members += [(f"{row:04}.cls", f"{CLASSES[row]}\n".encode())]
        members += [(f"{row:04}.png", png(LARGE[row])), (f"{row:04}.json", b"{}")]
    return members


def rows_of(images: object, labels: object = CLASSES, **more: object) -> pa.Table:
    return pa.table({"image": images, "label": labels, **more})


def write(file: Path, table: pa.Table, group: int = 5) -> DataSpec:
    pq.write_table(table, file, row_group_size=group)
    return DataSpec(f"parquet:{file}")


def check(spec: DataSpec, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]) -> Dataset:
    """In memory and in files the same samples, which are those that were written."""
    memory = load(spec)
    monkeypatch.setattr(sources, "SENT", 0)
    data = pickle.loads(pickle.dumps(load(spec)))
    assert memory.in_memory
    assert not data.in_memory
    for found in (memory, data):
        assert np.array_equal(found.take(np.arange(12)), LARGE)
        assert np.array_equal(found.labels, CLASSES)
        assert found.names == names
    rows = np.array([11, 0, 6])
    assert np.array_equal(data.take(rows), LARGE[rows])
    assert np.array_equal(data.chosen(rows).take(np.array([2, 0])), LARGE[[6, 11]])
    assert load(spec).digest == data.digest
    return data


def test_a_tar_of_folders(tmp_path, monkeypatch):
    extra = [("data/cat/._0.png", b"mac"), ("data/readme.txt", b"words")]
    check(pack(tmp_path / "own.tar", by_folder() + extra), monkeypatch, FOLDERS)


def test_a_tar_of_keys(tmp_path, monkeypatch):
    check(pack(tmp_path / "own.tar", by_key()), monkeypatch, ("0", "1", "2"))


@pytest.mark.parametrize("name", ["tar:{}", "tar:{}/part-{{000..002}}.tar"])
def test_several_tars(tmp_path, monkeypatch, name):
    for number in range(3):
        rows = range(4 * number, 4 * number + 4)
        pack(tmp_path / f"part-{number:03}.tar", by_key(rows))
    data = check(DataSpec(name.format(tmp_path)), monkeypatch, ("0", "1", "2"))
    assert len(data.images.records.files) == 3
    with pytest.raises(InputError, match=r"part-003.tar: file not found"):
        load(DataSpec(f"tar:{tmp_path}/part-{{000..003}}.tar"))


def test_a_tar_is_indexed_once(tmp_path, monkeypatch):
    spec = pack(tmp_path / "own.tar", by_folder())
    scanned = []
    own = tar_files._scanned
    monkeypatch.setattr(tar_files, "_scanned", lambda file: scanned.append(file) or own(file))
    for _ in range(2):
        load(spec)
    assert len(scanned) == 1
    for kept in (tmp_path / "cache/advcore/tar").glob("*.npz"):
        kept.write_bytes(b"damaged")
    load(spec)
    assert len(scanned) == 2
    pack(tmp_path / "own.tar", by_folder(range(6)))
    assert len(load(spec)) == 6


def cut(content: bytes) -> bytes:
    return content[:700]


def spoil(content: bytes) -> bytes:
    second = content.index(b"data/dog/1.png")
    return content[:second] + b"\xff" * 200 + content[second + 200 :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: b"noise" * 300, "is not a whole tar archive"),
        (cut, r"is not a whole tar archive that is not compressed \(unexpected end of data\)"),
        (spoil, r"is not a whole tar archive that is not compressed \(no header at byte"),
        (lambda content: b"", "is not a whole tar archive"),
        (lambda content: bytes(1024), "must hold pictures"),
    ],
)
def test_damaged_tars(tmp_path, change, words):
    spec = pack(tmp_path / "own.tar", by_folder())
    (tmp_path / "own.tar").write_bytes(change((tmp_path / "own.tar").read_bytes()))
    with pytest.raises(InputError, match=words):
        load(spec)


def test_tars_that_are_refused(tmp_path):
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as archive:
        archive.add(__file__, "a.py")
    with pytest.raises(InputError, match="is not a whole tar archive that is not compressed"):
        load(DataSpec(f"tar:{tmp_path / 'packed.tar'}"))
    for members, words in [
        ([("a.txt", b"words")], "must hold pictures"),
        ([("a.png", png(LARGE[0]))], "must hold pictures in folders, one for each class, or a mem"),
        ([*by_key(range(2)), ("x.png", b"")], r"must hold a member x.cls for the picture x.png"),
        ([("a.cls", b"two"), ("a.png", b"")], "a.cls in .* must hold a class's number.*got 'two'"),
        ([("a.cls", b"9" * 12), ("a.png", b"")], "must hold a class's number below 100000"),
        ([("cat/a.png", b"noise")], r"sample 0 of tar:.* cannot be read as a picture"),
    ]:
        with pytest.raises(InputError, match=words):
            load(pack(tmp_path / "own.tar", members))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"is a folder without a file \*.tar: check the path"):
        load(DataSpec(f"tar:{tmp_path / 'empty'}"))
    with pytest.raises(InputError, match=r"names {5..1}: expected 1 to 100000 files"):
        load(DataSpec(f"tar:{tmp_path}/part-{{5..1}}.tar"))


ENCODED = [png(image) for image in LARGE]


@pytest.mark.parametrize(
    "images",
    [
        ENCODED,
        pa.array([{"bytes": content, "path": None} for content in ENCODED]),
        pa.array(ENCODED, pa.large_binary()),
        pa.array(LARGE.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8())))),
        pa.array(LARGE.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8(), 4), 5), 3)),
    ],
    ids=["binary", "struct", "large", "lists", "fixed"],
)
def test_parquet_of_pictures_and_arrays(tmp_path, monkeypatch, images):
    check(write(tmp_path / "own.parquet", rows_of(images)), monkeypatch, ("0", "1", "2"))


def test_parquet_of_floats(tmp_path):
    images = (LARGE / 255).astype(np.float32)[:, 0]
    lists = pa.array(images.tolist(), pa.list_(pa.list_(pa.float32())))
    data = load(write(tmp_path / "own.parquet", rows_of(lists)))
    assert data.shape == (1, 5, 4)
    assert np.array_equal(data.take(np.arange(12))[:, 0], images)


def test_names_of_classes_in_parquet(tmp_path, monkeypatch):
    words = [FOLDERS[label] for label in CLASSES]
    check(write(tmp_path / "own.parquet", rows_of(ENCODED, words)), monkeypatch, FOLDERS)
    table = rows_of(ENCODED, pa.array(words).dictionary_encode())
    assert load(write(tmp_path / "words.parquet", table)).names == FOLDERS
    features = {"label": {"names": list(FOLDERS), "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    named = rows_of(ENCODED).replace_schema_metadata(about)
    assert load(write(tmp_path / "named.parquet", named)).names == FOLDERS


def test_several_parquet_files(tmp_path, monkeypatch):
    for number in range(2):
        rows = slice(6 * number, 6 * number + 6)
        write(tmp_path / f"{number}.parquet", rows_of(ENCODED[rows], CLASSES[rows]), group=4)
    check(DataSpec(f"parquet:{tmp_path}"), monkeypatch, ("0", "1", "2"))


def test_large_groups_of_rows_are_warned_of(tmp_path, monkeypatch, capsys):
    spec = write(tmp_path / "own.parquet", rows_of(ENCODED))
    monkeypatch.setattr(parquet_files, "GROUP_BYTES", 10)
    load(spec)
    assert "has groups of 5 rows and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({"x": [1]}), "must hold a column image or images .*; got x"),
        (rows_of(ENCODED, [None] * 12), "must hold a label for each row; 12 have none"),
        (rows_of([None, *ENCODED[1:]]), "sample 0 of parquet:.* has no image: remove its row"),
        (rows_of([b"noise"] * 12), "sample 0 of parquet:.* cannot be read as a picture"),
        (rows_of([[[1, 2], [3]]] * 12), "must hold lists of one shape, and none empty: list"),
        (rows_of([[["a"]]] * 12), "must hold numbers in its lists; got list"),
        (rows_of([[[1.0, None]]] * 12), "lacks 5 numbers in its lists"),
        (rows_of(["a"] * 12), "must hold pictures or lists of numbers; got string"),
        (rows_of([[1, 2]] * 12), "images must be uint8, or floating in .*; got int64"),
        (rows_of([[1.0, 2.0]] * 12), r"must hold images \(C, H, W\) or \(H, W\) as nested lists"),
        (rows_of(ENCODED, CLASSES * 10**6), "must hold labels below 100000"),
        (rows_of(ENCODED, CLASSES + 0.5), "labels must be whole numbers; got 0.5"),
        (rows_of(ENCODED, CLASSES - 1), r"labels must lie in 0..1 \(2 classes\); got -1..1"),
    ],
)
def test_parquet_that_is_refused(tmp_path, table, words):
    with pytest.raises(InputError, match=words) as refusal:
        load(write(tmp_path / "own.parquet", table))
    assert "\n" not in str(refusal.value)


def test_damaged_parquet(tmp_path):
    spec = write(tmp_path / "own.parquet", rows_of(ENCODED))
    (tmp_path / "own.parquet").write_bytes((tmp_path / "own.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match="is not a whole Parquet file"):
        load(spec)


def test_a_tar_on_s3(s3: S3, tmp_path, monkeypatch):
    pack(tmp_path / "own.tar", by_folder())
    s3.client.upload_file(str(tmp_path / "own.tar"), s3.bucket, "data/own.tar")
    check(DataSpec(f"tar:{s3.url('data/own.tar')}"), monkeypatch, FOLDERS)


def test_parquet_on_s3(s3: S3, tmp_path, monkeypatch):
    write(tmp_path / "own.parquet", rows_of(ENCODED))
    s3.client.upload_file(str(tmp_path / "own.parquet"), s3.bucket, "own.parquet")
    check(DataSpec(f"parquet:{s3.url('own.parquet')}"), monkeypatch, ("0", "1", "2"))


def test_a_folder_of_pictures_on_s3(s3: S3, monkeypatch):
    order = np.argsort(CLASSES, kind="stable")
    for place, row in enumerate(order):
        key = f"pictures/test/{FOLDERS[CLASSES[row]]}/{place:02}.png"
        s3.client.put_object(Bucket=s3.bucket, Key=key, Body=ENCODED[row])
    for key in ("pictures/train/ant/0.png", "pictures/train/.cache/0.png"):
        s3.client.put_object(Bucket=s3.bucket, Key=key, Body=ENCODED[0])
    spec = DataSpec(f"imagefolder:{s3.url('pictures')}")
    memory = load(spec)
    monkeypatch.setattr(sources, "SENT", 0)
    data = load(spec)
    for found in (memory, data):
        assert np.array_equal(found.take(np.arange(12)), LARGE[order])
        assert found.names == ("ant", *FOLDERS)
        assert np.array_equal(found.labels, CLASSES[order] + 1)
    assert len(load(DataSpec(spec.name, "train"))) == 1
    assert load(spec).digest == data.digest
    s3.client.put_object(Bucket=s3.bucket, Key="pictures/test/cat/00.png", Body=b"other")
    with pytest.raises(InputError, match=r"test/cat/00.png has changed since the study started"):
        data.chosen(np.arange(3)).take(np.array([0]))
    s3.client.put_object(Bucket=s3.bucket, Key="bare/0.png", Body=ENCODED[0])
    with pytest.raises(InputError, match=r"one folder of pictures per class: 0.png lies in none"):
        load(DataSpec(f"imagefolder:{s3.url('bare')}"))
    with pytest.raises(InputError, match="one folder of pictures per class: there is no picture"):
        load(DataSpec(f"imagefolder:{s3.url('absent')}"))
