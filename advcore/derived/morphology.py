"""Outlines: sketches of pictures, as their morphological gradient."""

from torch import Tensor
from torch.nn.functional import max_pool2d

from advcore.checks import check_pictures


def outlines(images: Tensor) -> Tensor:
    """Return the largest less the smallest number among each pixel and its eight neighbours.

    Images are `(B, C, H, W)`; what lies outside of them does not count. A plane part becomes 0, an
    edge a line of two pixels, as bright as the edge is high (Rivest, Soille and Beucher 1993,
    Morphological gradients). Images of [0, 1] stay there.
    """
    check_pictures(tuple(images.shape[1:]), "an outline")
    largest, smallest = max_pool2d(images, 3, 1, 1), -max_pool2d(-images, 3, 1, 1)
    return largest - smallest
