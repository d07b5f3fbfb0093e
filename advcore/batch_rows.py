"""The number of inputs that go through a classifier as one batch."""

from torch import Tensor

NUMBERS = 2**22
"""Numbers that the inputs of a batch hold at most where nobody says its size: those of 1,365 images
of 3 x 32 x 32, or of 27 of 3 x 224 x 224, whose activations take some 2.5 GB in float32."""


def rows_at_once(rows: int | None, inputs: Tensor, most: int) -> int:
    """Return `rows`; where it is None `most`, or as many as hold `NUMBERS` numbers, at least one.

    Args:
        inputs: `(B, *shape)`; their shape alone counts.

    Raises ValueError for fewer rows than one.
    """
    check_batch_rows(rows)
    return max(1, min(most, NUMBERS // inputs[0].numel())) if rows is None else rows


def check_batch_rows(rows: int | None) -> None:
    """Raise ValueError for fewer rows than one."""
    if rows is not None and rows < 1:
        raise ValueError(f"rows must be at least 1; got {rows}")
