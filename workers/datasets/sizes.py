"""Words for the sizes of inputs: pictures, tables, sequences."""

from advcore.counts import counted


def is_picture(shape: tuple[int, ...]) -> bool:
    """Return whether inputs of a shape are pictures (channels, height, width)."""
    return len(shape) == 3


def size_in_words(shape: tuple[int, ...]) -> str:
    """Return the size of one input: `1 x 8 x 8 (channels, height, width)`, `64 features`, `12 x 8`.

    The last one is a sequence of 12 places with 8 numbers each.
    """
    if len(shape) == 1:
        return counted(shape[0], "feature")
    return " x ".join(map(str, shape)) + (" (channels, height, width)" if is_picture(shape) else "")


def inputs_in_words(shape: tuple[int, ...]) -> str:
    """Return what inputs are, for messages: `images (1, 8, 8) (channels, height, width)`, say."""
    if is_picture(shape):
        return f"images {shape} (channels, height, width)"
    return f"inputs of {size_in_words(shape)}"
