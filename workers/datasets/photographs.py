"""Photographs that come along with scikit-learn and scikit-image, at the size of ImageNet's."""

from advcore.workers.datasets.package_files import package_file
from advcore.workers.datasets.sources import ReadAtOnce, Source
from advcore.workers.errors import InputError

RESIZE, CROP = 256, 224
"""Length of the shorter side, then the side of the central square that is kept, in pixels."""

PHOTOGRAPHS = (
    ("sklearn", "datasets/images/china.jpg", 698),  # palace
    ("skimage", "data/chelsea.png", 281),  # tabby
    ("skimage", "data/coffee.png", 967),  # espresso
    ("sklearn", "datasets/images/flower.jpg", 985),  # a dahlia; the nearest class is daisy
    ("skimage", "data/motorcycle_left.png", 665),  # a motorcycle; the nearest class is moped
    ("skimage", "data/rocket.jpg", 657),  # missile
)
"""The package of each, the file in it, and its class among ImageNet's 1,000: that of what is seen,
or the nearest where there is none."""


def photographs_source(train: bool) -> Source:
    """Load the photographs, uint8 `(3, 224, 224)`, RGB, with the names of ImageNet's classes.

    The shorter side becomes 256 pixels long, and the central 224 x 224 are kept. There is no split:
    all six are test images. Raises InputError where a package lacks its file.
    """
    if train:
        raise InputError(
            "photographs is one set of six, without a split train: take it as split test"
        )
    from torchvision.models import EfficientNet_B0_Weights  # takes seconds, as pictures do

    from advcore.workers.datasets.pictures import picture_reader, read_picture

    files = [package_file("photographs", package, inside) for package, inside, _ in PHOTOGRAPHS]

    def read(index: int) -> tuple[object, int]:
        file = files[index]
        return read_picture(str(file), file.read_bytes()), PHOTOGRAPHS[index][2]

    names = tuple(EfficientNet_B0_Weights.DEFAULT.meta["categories"])
    return ReadAtOnce(len(files), names, picture_reader("photographs", read, RESIZE, CROP))
