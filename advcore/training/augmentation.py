"""Augmentations: random changes of training images that keep their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_batch, check_images, check_pictures
from advcore.randomness import Randomness


class Augmentation(Protocol):
    """A frozen dataclass that changes an image by its own noise alone.

    The result does not depend on the other images of the batch. One that needs images in [0, 1] has
    a property `box`, see `advcore.box.Boxed`.
    """

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        """Return changed images `(B, C, H, W)`, of the same shape and in the same range.

        `randomness` is of this epoch, with an index for each image. Raises ValueError for images
        that are not finite, or have left [0, 1] where that is needed.
        """


@dataclass(frozen=True)
class RandomCrop:
    """Each image moved by up to `padding` pixels along either axis, black where nothing was.

    Attributes:
        padding: padding on each side, in pixels; 4 is usual for images of 32 x 32.
    """

    padding: int = 4

    def __post_init__(self) -> None:
        check_pixels("padding", self.padding)

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        check_augmented(images, randomness)
        height, width = images.shape[-2:]
        corner = (randomness.uniform((2,)) * (2 * self.padding + 1)).long()
        rows = corner[:, :1] + torch.arange(height, device=images.device)
        columns = corner[:, 1:] + torch.arange(width, device=images.device)
        sample = torch.arange(len(images), device=images.device).view(-1, 1, 1)
        padded = F.pad(images, [self.padding] * 4).permute(0, 2, 3, 1)
        return (
            padded[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
        )


@dataclass(frozen=True)
class HorizontalFlip:
    """Each image mirrored left to right, or left as it is, with equal chances."""

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        check_augmented(images, randomness)
        mirrored = (randomness.uniform(()) < 0.5).view(-1, 1, 1, 1)
        return torch.where(mirrored, images.flip(-1), images)


@dataclass(frozen=True)
class Cutout:
    """A black square in each image, its middle at a random pixel.

    The image's edges cut it off (DeVries and Taylor 2017).

    Attributes:
        size: side of the square in pixels; 16 there for CIFAR-10.
    """

    size: int = 8

    def __post_init__(self) -> None:
        check_pixels("size", self.size)

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        check_augmented(images, randomness)
        inside = []
        for axis, length in enumerate(images.shape[-2:]):
            middle = (randomness.stream(axis).uniform((1,)) * length).long()
            place = torch.arange(length, device=images.device) - (middle - self.size // 2)
            inside.append((place >= 0) & (place < self.size))
        rows, columns = inside
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def augmented(
    augmentations: Sequence[Augmentation], images: Tensor, randomness: Randomness
) -> Tensor:
    """Images after all augmentations, one after the other, each with noise of its own."""
    for place, augmentation in enumerate(augmentations):
        images = augmentation(images, randomness.stream("augmentation", place))
    return images


def check_augmented(images: Tensor, randomness: Randomness, box: bool = False) -> Tensor:
    """Return finite pictures `(B, C, H, W)`, in [0, 1] if `box`, with an index for each.

    Raises ValueError for others.
    """
    if box:
        images = check_images(images)
    else:
        check_batch(images)
    check_pictures(tuple(images.shape[1:]), "the augmentation")
    randomness.check(len(images))
    return images


def check_pixels(name: str, value: int) -> None:
    """Raise ValueError for a length below one pixel."""
    if value < 1:
        raise ValueError(
            f"{name} must be at least 1, in pixels (leave the augmentation out for none); got "
            f"{value}"
        )
