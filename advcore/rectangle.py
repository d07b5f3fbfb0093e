"""A rectangle of pixels, the same in all images and channels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.checks import check_pictures


@dataclass(frozen=True)
class Rectangle:
    """The pixels of `height` rows from `top` on, and of `width` columns from `left` on.

    Attributes:
        top: first row, in pixels from the upper edge.
        left: first column, in pixels from the left edge.
        height: number of rows.
        width: number of columns.
    """

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        sides = (self.top, self.left, self.height, self.width)
        if not all(isinstance(side, int) for side in sides):
            raise ValueError(f"a rectangle needs whole numbers of pixels; got {sides}")
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ValueError(
                "a rectangle needs top and left of at least 0, height and width of at least 1; got "
                f"{self.top}, {self.left}, {self.height} and {self.width}"
            )

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """Return True inside, `(H, W)`, of pictures of the shape (C, H, W): a mask of pixels.

        Raises ValueError for other inputs, and for pictures that it does not lie in, or fills.
        """
        _, rows, columns = check_pictures(shape, "a rectangle")
        bottom, right = self.top + self.height, self.left + self.width
        if bottom > rows or right > columns or self.height * self.width == rows * columns:
            raise ValueError(
                f"the rectangle of rows {self.top} to {bottom - 1} and columns {self.left} to "
                f"{right - 1} must lie in the images, and not fill them; they are {rows} x "
                f"{columns}"
            )
        mask = torch.zeros(rows, columns, dtype=torch.bool)
        mask[self.top : bottom, self.left : right] = True
        return mask
