"""Archives and pictures of all kinds: what is loaded is what was written, and all else is one
refusal.
"""

import io
import os
import tarfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from advcore.workers.datasets import Dataset, DataSpec, load, sources
from advcore.workers.errors import InputError

MANY = settings.default.max_examples
DTYPES = st.sampled_from(
    (
        "|u1",
        "<f4",
        ">f4",
        "<f8",
        ">f8",
        "<f2",
        "|i1",
        "<i8",
        ">i2",
        "<u8",
        "|b1",
        "<c8",
        "<U2",
        "|S2",
        "<M8[s]",
    )
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


def or_refused(spec: DataSpec) -> Dataset | None:
    """The data set, unless it is refused, in one line."""
    try:
        return load(spec)
    except InputError as refusal:
        why = str(refusal)
        assert "\n" not in why
        return None


def test_archives_of_any_arrays(tmp_path: Path) -> None:
    spec = DataSpec(f"npz:{tmp_path / 'some.npz'}")

    @settings(max_examples=2 * MANY)
    @given(
        arrays.arrays(DTYPES, SHAPES)
        | arrays.arrays(st.sampled_from(("|u1", "<f4")), (3, 1, 2, 2)),
        arrays.arrays(DTYPES, SHAPES) | arrays.arrays(np.int64, 3, elements=st.integers(0, 3)),
        st.none() | arrays.arrays(DTYPES, SHAPES) | st.just(np.array(list("abcd"))),
        st.booleans(),
    )
    def check(
        images: np.ndarray, labels: np.ndarray, names: np.ndarray | None, fortran: bool
    ) -> None:
        images = np.asfortranarray(images) if fortran else images
        np.savez(
            tmp_path / "some.npz",
            images=images,
            labels=labels,
            **({} if names is None else {"names": names}),
        )
        data = or_refused(spec)
        if data is not None:
            assert np.array_equal(
                data.images.reshape(images.shape), images.astype(data.images.dtype)
            )
            assert np.array_equal(data.labels, labels)
            assert data.labels.max() < data.classes

    check()


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with a few others among them, perhaps cut."""
    changes = st.lists(
        st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=4
    )

    def make(parts: tuple[list[tuple[int, int]], int]) -> bytes:
        spoilt = bytearray(whole)
        for place, byte in parts[0]:
            spoilt[place] = byte
        return bytes(spoilt[: parts[1]])

    return st.tuples(changes, st.just(len(whole)) | st.integers(0, len(whole))).map(make)


@pytest.mark.parametrize("packed", [np.savez, np.savez_compressed])
def test_damaged_archives(tmp_path: Path, packed: object) -> None:
    buffer = io.BytesIO()
    packed(buffer, images=np.arange(48, dtype=np.uint8).reshape(3, 4, 4), labels=np.arange(3))  # type: ignore[operator]

    @settings(max_examples=MANY)
    @given(damaged(buffer.getvalue()))
    def check(content: bytes) -> None:
        (tmp_path / "some.npz").write_bytes(content)
        or_refused(DataSpec(f"npz:{tmp_path / 'some.npz'}"))

    check()


def written_as(kind: str, sink: io.BytesIO) -> None:
    """Three images of 4 x 4 pixels and their labels."""
    images, labels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4), np.arange(3)
    if kind in ("npz", "packed"):
        (np.savez if kind == "npz" else np.savez_compressed)(sink, images=images, labels=labels)
    elif kind == "parquet":
        pq.write_table(pa.table({"image": images.tolist(), "label": labels}).cast(NESTED), sink)
    else:
        with tarfile.open(fileobj=sink, mode="w") as archive:
            for image, label in zip(images, labels, strict=True):
                content = io.BytesIO()
                Image.fromarray(image).save(content, "png")
                entry = tarfile.TarInfo(f"{label}/a.png")
                entry.size = len(content.getvalue())
                content.seek(0)
                archive.addfile(entry, content)


NESTED = pa.schema({"image": pa.list_(pa.list_(pa.uint8())), "label": pa.int64()})


@pytest.mark.parametrize("kind", ["npz", "packed", "tar", "parquet"])
def test_damaged_files_that_data_stay_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(sources, "SENT", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sink = io.BytesIO()
    written_as(kind, sink)
    file = tmp_path / f"some.{'npz' if kind == 'packed' else kind}"
    name = f"{file.suffix[1:]}:{file}"
    file.write_bytes(sink.getvalue())
    whole = or_refused(DataSpec(name))
    assert whole is not None
    assert not whole.in_memory
    assert whole.take(np.arange(3))[:, 0].sum() == np.arange(48).sum()

    @settings(max_examples=MANY)
    @given(damaged(sink.getvalue()))
    def check(content: bytes) -> None:
        file.write_bytes(content)
        data = or_refused(DataSpec(name))
        if data is not None:
            with suppress(InputError):
                data.take(np.arange(len(data)))

    check()


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "webp", "ppm"])
def test_damaged_pictures(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "cat" / f"0.{ending}"
    file.parent.mkdir()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(file)

    @settings(max_examples=MANY // 2)
    @given(damaged(file.read_bytes()))
    def check(content: bytes) -> None:
        file.write_bytes(content)
        or_refused(DataSpec(f"imagefolder:{tmp_path}"))

    check()


def test_folders_with_names_of_any_bytes(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "png")
    names = st.binary(min_size=1, max_size=8).filter(
        lambda name: not set(name) & {0, 47} and name.strip(b".")
    )

    @settings(max_examples=MANY // 2)
    @given(st.data(), names, names)
    def check(data: st.DataObject, kind: bytes, name: bytes) -> None:
        root = tmp_path / data.draw(st.uuids()).hex
        folder = os.path.join(os.fsencode(root), kind)
        os.makedirs(folder, exist_ok=True)
        Path(os.fsdecode(os.path.join(folder, name + b".png"))).write_bytes(picture.getvalue())
        assert or_refused(DataSpec(f"imagefolder:{root}")) is not None

    check()
