"""Data sets with other labels, with noise, as outlines, behind a transform."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from advcore.corruptions import Constants, corruption_named
from advcore.derived.decoys import check_decoys
from advcore.derived.marks import check_marks
from advcore.derived.targets import TargetsName, target_classes
from advcore.noise_of_size import NoiseNorm, check_noise
from advcore.transforms import Transform
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.deferred import Images, lie_in_box
from advcore.workers.datasets.mapped import (
    Corrupt,
    Mapped,
    Mark,
    Noise,
    Outline,
    Square,
    Through,
)
from advcore.workers.errors import InputError, refused


@dataclass(frozen=True)
class Relabelled:
    """The same images with other labels.

    Attributes:
        of: name of the data set.
        targets: kind of the labels: `random`, uniform over the classes that are not the true one,
            by (seed, root index); `next`, the class after the true one, the first after the last.
        seed: seed of the draw; equal ones give the labels of an adversarial data set of that seed.
        share: share of the samples that get another label, in [0, 1]; those of a smaller share are
            among those of a larger one. Which they are is drawn by (seed, root index), so it is
            met up to chance.
    """

    of: str
    targets: Literal["random", "next"] = "random"
    seed: int = 0
    share: float = field(default=1.0, metadata={"later": True})

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    @property
    def misleads(self) -> bool:
        """True where no sample keeps its label."""
        return self.share == 1

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        if not 0 <= self.share <= 1:
            raise InputError(f"share must lie in [0, 1]; got {self.share}")
        whole = datasets[self.of]
        drawn = whole.randomness(self.seed).stream("relabelled").uniform(()).numpy() < self.share
        targets = _targets(self.targets, whole, self.seed)
        return replace(whole, labels=np.where(drawn, targets, whole.labels))


@dataclass(frozen=True)
class Noised:
    """Images with random noise of one size, float32, made when they are used.

    In the box they stay in it: in l2 with noise of the full size all the same, as long as the box
    has room for it, see `advcore.noise_of_size.add_noise`.

    Attributes:
        of: name of the data set.
        size: size of the noise in its norm, in pixel units.
        norm: norm of the noise. In linf each pixel moves by `size`, up or down.
        targets: kind of the targets that `labels` may take, as in `relabelled`.
        labels: labels of the samples: the true ones, or the targets.
        seed: seed of noise and targets, which are drawn by (seed, root index).
    """

    of: str
    size: float
    norm: NoiseNorm = "l2"
    targets: TargetsName = "none"
    labels: Literal["true", "target"] = "true"
    seed: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    @property
    def misleads(self) -> bool:
        """True where the labels are targets."""
        return self.labels == "target"

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        with refused("noise"):
            check_noise(self.norm, self.size)
        if (self.targets == "none") != (self.labels == "true"):
            raise InputError(
                "targets and labels: target go together; got "
                f"targets: {self.targets}, labels: {self.labels}"
            )
        whole = datasets[self.of]
        labels = whole.labels
        if self.targets != "none":
            labels = _targets(self.targets, whole, self.seed)
        noise = Noise(self.norm, float(self.size), self.seed)
        images = Mapped(settled(whole), whole.indices, noise)
        return replace(whole, images=images, labels=labels, transform=None)


@dataclass(frozen=True)
class Corrupted:
    """Images with a common corruption of ImageNet-C, levels of 8 bits, made when they are used.

    See `advcore.corruptions`: 14 of its 15 corruptions, all but frost, whose photographs are not
    here; its extra four, of which `saturate` needs colours; and three of CIFAR-10-C-bar, of which
    there is no table of 64 pixels, and of `lines` none of 224: these are CIFAR's.

    Attributes:
        of: name of the data set, of images in [0, 1] with 1 or 3 channels.
        corruption: name of the corruption: gaussian_noise, shot_noise, impulse_noise; defocus_blur,
            glass_blur, motion_blur, zoom_blur; snow, fog, brightness, contrast; elastic_transform,
            pixelate, jpeg_compression; speckle_noise, gaussian_blur, spatter, saturate;
            brownish_noise, checkerboard_cutout, lines.
        severity: severity, 1 to 5.
        constants: table of constants: `small`, CIFAR-10-C's, `medium`, Tiny-ImageNet-C's, of 64
            pixels, or `large`, ImageNet-C's, of 224, whose lengths are in pixels, whatever the size
            of the images; `auto` is small for sides up to 32 pixels, medium up to 127, else large.
        seed: seed of what is random, which is drawn by (seed, root index, corruption, severity).
    """

    of: str
    corruption: str
    severity: int
    constants: Constants = "auto"
    seed: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        images = settled(whole)
        with refused("corrupted"):
            chosen = corruption_named(self.corruption)
            chosen.check(whole.shape, self.severity, self.constants, self.corruption)
        if not lie_in_box(images):
            raise InputError(
                f"corrupted: {self.corruption} needs images in [0, 1]; those of {self.of} "
                "may leave it: corrupt before transforming"
            )
        corruption = Corrupt(self.corruption, self.severity, self.constants, self.seed)
        made = Mapped(images, whole.indices, corruption)
        return replace(whole, images=made, transform=None)


@dataclass(frozen=True)
class Marked:
    """Images with one of the highest frequencies added for each class, float32, never clipped.

    A feature that is known: within the band it tells the classes apart with margin
    `size / sqrt(2)`, see `advcore.derived.marks.add_marks`, and a low pass removes it.

    Attributes:
        of: name of the data set.
        size: l2 norm of the frequency that is added, in pixel units.
        band: number of the highest frequencies along each side, of which each class has one.
    """

    of: str
    size: float
    band: int = 4

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        with refused("marked"):
            check_marks(whole.shape, whole.classes, self.size, self.band)
        mark = Mark(float(self.size), self.band)
        images = Mapped(settled(whole), whole.labels.astype(np.int64), mark)
        return replace(whole, images=images, transform=None)


@dataclass(frozen=True)
class Outlined:
    """Sketches: the outlines of pictures, float32, see `advcore.derived.morphology`.

    Attributes:
        of: name of the data set.
    """

    of: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        if len(whole.shape) != 3:
            raise InputError(f"outlines need pictures (C, H, W); got inputs {tuple(whole.shape)}")
        images = Mapped(settled(whole), whole.indices, Outline())
        return replace(whole, images=images, transform=None)


@dataclass(frozen=True)
class Decoy:
    """Images with a grey square in the top left corner, whose shade tells a class, float32.

    A cue that is known, as in decoy MNIST of Ross et al. 2017, see
    `advcore.derived.decoys.add_decoys`. Labels stay true.

    Attributes:
        of: name of the data set.
        side: side of the square, in pixels.
        shows: class that the square tells: `true`, the label; or a wrong one, as the targets of
            `relabelled`, `random` or `next`.
        seed: seed of random wrong classes.
    """

    of: str
    side: int = 4
    shows: Literal["true", "random", "next"] = "true"
    seed: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        with refused("decoy"):
            check_decoys(whole.shape, self.side)
        labels = whole.labels
        shown = labels if self.shows == "true" else _targets(self.shows, whole, self.seed)
        square = Square(self.side, whole.classes)
        images = Mapped(settled(whole), shown.astype(np.int64), square)
        return replace(whole, images=images, transform=None)


@dataclass(frozen=True)
class Transformed:
    """Images that go through a transform, in floating point and never clipped, when they are used.

    Attributes:
        of: name of the data set.
        transform: transform of the images, behind the data set's own, if it has one.
    """

    of: str
    transform: Transform

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        return replace(whole, images=settled(whole), transform=self.transform)


def settled(data: Dataset) -> Images:
    """Return images as batches show them: behind the data set's transform, if it has one."""
    if data.transform is None:
        return data.images
    return Mapped(data.images, data.indices, Through(data.transform))


def _targets(name: TargetsName, whole: Dataset, seed: int) -> np.ndarray:
    labels = torch.from_numpy(whole.labels.copy())
    try:
        drawn = target_classes(name, labels, whole.classes, whole.randomness(seed))
    except ValueError as error:
        raise InputError(str(error)) from error
    return drawn.numpy()
