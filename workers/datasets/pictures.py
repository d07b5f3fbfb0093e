"""Pictures: how encoded ones become arrays, resized and cropped where they are used."""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import PIL
from PIL import Image
from torchvision.transforms import functional

from advcore.workers.datasets.records import Records
from advcore.workers.errors import InputError

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""Formats of pictures in folders. Those that other programs are started for, such as EPS, are not
among them, whatever a file is called."""

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
"""Modes of eight bits or fewer for each channel. Pillow cuts pixels of more bits off at 255."""


def read_picture(name: str, encoded: bytes) -> Image.Image:
    """Decode a picture as RGB, the first one if there are several; messages call it `name`.

    Raises InputError for one that is damaged, too large or too fine.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if picture.mode in MODES:
                return picture.convert("RGB")
    except Exception as error:  # what Pillow raises at damaged bytes is no short list
        raise InputError(
            f"{name} cannot be read as a picture ({first_line(error)}): repair or remove it"
        ) from error
    raise InputError(
        f"{name} must have 8 bits for each channel; got Pillow's mode {picture.mode}: convert it"
    )


@dataclass(frozen=True)
class Pictures:
    """Records that are encoded pictures, which become RGB, uint8.

    Attributes:
        label: name of the data set.
        shape: shape of each, `(3, H, W)`.
        resize: length of the shorter side after resizing, in pixels.
        crop: side of the central square that is then kept, in pixels.
        pillow: version of the library that decodes them, the same wherever they are used.
    """

    label: str
    shape: tuple[int, ...]
    resize: int | None
    crop: int | None
    pillow: str

    box: ClassVar[bool] = True

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    @property
    def meaning(self) -> str:
        return f"pictures {self.resize} {self.crop} Pillow {self.pillow}"

    def decode(self, records: Sequence[bytes], names: Sequence[str]) -> np.ndarray:
        if self.pillow != PIL.__version__:
            raise InputError(
                f"pictures of {self.label} are decoded by Pillow {self.pillow} where the study was "
                f"started, and this machine has {PIL.__version__}: install the same"
            )
        images = np.empty((len(records), *self.shape), np.uint8)
        for image, encoded, name in zip(images, records, names, strict=True):
            came = _array(self.label, read_picture(name, encoded), self.resize, self.crop)
            check_same_size(self.label, self.shape, came.shape)
            image[...] = came
        return images


def pictures(label: str, records: Records, resize: int | None, crop: int | None) -> Pictures:
    """Return the decoder of pictures that are all as large as the first one."""
    first = read_picture(records.name(0), records.read(np.zeros(1, np.int64))[0])
    shape = _array(label, first, resize, crop).shape
    return Pictures(label, shape, resize, crop, PIL.__version__)


def check_same_size(label: str, first: Sequence[int], other: Sequence[int]) -> None:
    """Raise InputError unless two pictures have one shape."""
    if tuple(first) != tuple(other):
        raise InputError(
            f"pictures of {label} differ in size: {tuple(first)} and {tuple(other)} "
            "(C, H, W); give crop: (and resize:), in pixels"
        )


def picture_reader(
    name: str, read: Callable[[int], tuple[Any, Any]], resize: int | None, crop: int | None
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return what reads samples by their indices `(n,)`: images `(n, C, H, W)`, labels `(n,)`.

    `read` returns one sample; `name` is that of the data set, for messages. Raises InputError for
    samples that are no pictures with a label, and for pictures that differ in size.
    """

    def take(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = [], []
        for index in indices:
            picture, label = read(int(index))
            if not isinstance(picture, Image.Image) or not isinstance(label, int | np.integer):
                raise InputError(
                    f"{name} must give (picture, whole label); got ({type(picture).__name__}, "
                    f"{type(label).__name__})"
                )
            images.append(_array(name, picture, resize, crop))
            labels.append(int(label))
            check_same_size(name, images[0].shape, images[-1].shape)
        return np.stack(images), np.asarray(labels, np.int64)

    return take


def _array(name: str, picture: Image.Image, resize: int | None, crop: int | None) -> np.ndarray:
    """A picture as uint8 `(C, H, W)`: grey ones with one channel, all others as RGB."""
    picture = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    if resize is not None:
        picture = functional.resize(picture, [resize])
    if crop is not None:
        if crop > min(picture.size):
            raise InputError(
                f"a picture of {name} is {picture.height} x {picture.width}, smaller than "
                f"crop: {crop}; give resize: {crop} or more"
            )
        picture = functional.center_crop(picture, [crop])
    pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return str(error).strip().split("\n")[0] or type(error).__name__
