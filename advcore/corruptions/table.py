"""The corruptions by name."""

from torch import Tensor

from advcore.corruptions.blur import DEFOCUS_BLUR, GAUSSIAN_BLUR, ZOOM_BLUR
from advcore.corruptions.colour import BRIGHTNESS, CONTRAST, SATURATE
from advcore.corruptions.corruption import Constants, Corruption
from advcore.corruptions.elastic import ELASTIC_TRANSFORM
from advcore.corruptions.glass import GLASS_BLUR
from advcore.corruptions.held_out import BROWNISH_NOISE, CHECKERBOARD_CUTOUT, LINES
from advcore.corruptions.jpeg import JPEG_COMPRESSION
from advcore.corruptions.motion import MOTION_BLUR
from advcore.corruptions.noise import GAUSSIAN_NOISE, IMPULSE_NOISE, SHOT_NOISE, SPECKLE_NOISE
from advcore.corruptions.pixelate import PIXELATE
from advcore.corruptions.spatter import SPATTER
from advcore.corruptions.weather import FOG, SNOW
from advcore.randomness import Randomness

CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": GAUSSIAN_NOISE,
    "shot_noise": SHOT_NOISE,
    "impulse_noise": IMPULSE_NOISE,
    "defocus_blur": DEFOCUS_BLUR,
    "glass_blur": GLASS_BLUR,
    "motion_blur": MOTION_BLUR,
    "zoom_blur": ZOOM_BLUR,
    "snow": SNOW,
    "fog": FOG,
    "brightness": BRIGHTNESS,
    "contrast": CONTRAST,
    "elastic_transform": ELASTIC_TRANSFORM,
    "pixelate": PIXELATE,
    "jpeg_compression": JPEG_COMPRESSION,
    "speckle_noise": SPECKLE_NOISE,
    "gaussian_blur": GAUSSIAN_BLUR,
    "spatter": SPATTER,
    "saturate": SATURATE,
    "brownish_noise": BROWNISH_NOISE,
    "checkerboard_cutout": CHECKERBOARD_CUTOUT,
    "lines": LINES,
}
"""The corruptions that a data set of kind `corrupted` can name."""

ABSENT = {
    "frost": (
        "frost lays photographs over images that are no part of advcore: leave it out, and say "
        "that 14 of the 15 corruptions of ImageNet-C were used"
    )
}
"""Corruptions of ImageNet-C that are not here, and why."""


def corruption_named(name: str) -> Corruption:
    """Return a corruption by its name. Raises ValueError where there is none."""
    if name in ABSENT:
        raise ValueError(ABSENT[name])
    if name not in CORRUPTIONS:
        raise ValueError(f"corruption must be one of {', '.join(CORRUPTIONS)}; got {name!r}")
    return CORRUPTIONS[name]


def corrupt(
    images: Tensor, name: str, severity: int, randomness: Randomness, constants: Constants = "auto"
) -> Tensor:
    """Return images `(B, C, H, W)` of [0, 1], corrupted, as `Corruption` does it.

    What is random is drawn by (seed, sample index, name, severity). Raises ValueError for images
    and settings that do not fit.
    """
    drawn = randomness.stream("corruption", name, severity)
    return corruption_named(name)(images, severity, drawn, constants, name)
