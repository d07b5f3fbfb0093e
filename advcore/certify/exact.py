"""Exact minimal distances of small piecewise linear networks, by mixed-integer programming."""

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import torch
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.attack import has_budget, norm_of
from advcore.box import keeps_box
from advcore.certify.affine_maps import affine_chain
from advcore.certify.nearest_image import Nearest, NearestImage
from advcore.classifier import Classifier, check_batch, check_images, frozen, full_precision
from advcore.criteria import Untargeted, as_labels
from advcore.randomness import Randomness

PIECEWISE_LINEAR = (nn.ReLU,)
"""Activations that a mixed-integer programme can hold."""

ExactNorm = Literal["linf", "l1"]
"""The norms in which a nearest point is a linear programme."""


class ExactStatus(IntEnum):
    """The ways in which the search for a minimal distance can end."""

    ALREADY_WRONG = 0
    """The image itself has another class; the distance is 0."""
    EXACT = 1
    """No image is nearer than the one that was found."""
    BETWEEN = 2
    """The minimal distance lies between `lower` and `distance`: the time was over, or network and
    solver did not confirm each other's points."""
    FAILED = 3
    """The attack found no image to begin with, and without a box there is no end to the search."""


@dataclass(frozen=True, eq=False)
class ExactDistances:
    """The minimal distance of each sample, pixel units.

    - `images` `(B, *shape)`: the nearest images found that have another class, confirmed by a
      forward pass of exactly these; what the attack tried last where there is none.
    - `distance` `(B,)` float64: their distances; inf where no image in reach has another class.
    - `lower` `(B,)` float64: no image of another class is nearer, up to the solver's tolerance.
    - `status` `(B,)` int8: see `ExactStatus`.
    - `seconds` `(B,)` float64: time of the search, without the attack's.
    """

    images: Tensor
    distance: Tensor
    lower: Tensor
    status: Tensor
    seconds: Tensor


def exact_distance(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    norm: ExactNorm = "linf",
    box: bool = True,
    attack: Attack | None = None,
    seconds: float = 60.0,
    randomness: Randomness | None = None,
) -> ExactDistances:
    """Solve `min ||x' - x||` with `f(x') != y` exactly, for networks of affine layers and ReLUs.

    There is one mixed-integer programme for each other class (`integer_programme.nearest_point`),
    the likeliest first, inside the ball that an attack, and the classes before, have left. The
    solver proves a distance to a millionth of it, with a tolerance of 1e-6 in each constraint. Its
    point lies on the boundary and is moved over it, by 1e-4 at most and mostly by 1e-6.

    Time grows with the number of ReLUs whose sign is open in that ball, at worst by a factor of two
    for each: some dozens of units take a second a sample, hundreds may not end.

    Args:
        classifier: module of affine layers and ReLUs; what is read of it says
            `advcore.certify.affine_maps.affine_chain`.
        images: `(B, *shape)`, in [0, 1] with the box.
        labels: classes y that are to be left, `(B,)`.
        norm: linf or l1.
        box: keep x' in [0, 1].
        attack: minimal-norm attack of that norm and box, for the first ball; `MinimalNorm` when
            None.
        seconds: time for a sample. Where it is over, `lower` stays below `distance`.
        randomness: noise of an attack that draws any.

    Raises ValueError for a network with other layers, and for an attack that does not fit.
    """
    norms.check_norm(norm, ExactNorm)
    attack = MinimalNorm(norm=norm, box=box) if attack is None else attack
    check_start(attack, norm, box, seconds)
    check_batch(images)
    images, labels = check_images(images) if box else images, as_labels(labels)
    with full_precision(), frozen(classifier):
        chain = affine_chain(classifier, images, PIECEWISE_LINEAR)
        search = NearestImage(classifier, chain, norms.norm_by_name(norm), box, seconds)
        found = attack(classifier, images, Untargeted(labels), randomness)
        took, nearest = [], []
        for image, start, distance, label in zip(
            images.split(1), found.images.split(1), found.distance.tolist(), labels, strict=True
        ):
            began = time.monotonic()
            begin = Nearest(start, distance, 0.0)
            nowhere = distance == 0 or (distance == torch.inf and not box)
            nearest.append(begin if nowhere else search.search(image, int(label), begin))
            took.append(time.monotonic() - began)
    columns = [
        torch.tensor(values, dtype=torch.float64, device=images.device)
        for values in (
            [own.distance for own in nearest],
            [own.lower for own in nearest],
            [_status(own) for own in nearest],
            took,
        )
    ]
    distance, lower, status, time_taken = columns
    return ExactDistances(
        torch.cat([own.image for own in nearest]),
        distance,
        lower,
        status.to(torch.int8),
        time_taken,
    )


def check_start(attack: Attack, norm: str, box: bool, seconds: float) -> None:
    """Raise ValueError unless the attack looks for the shortest way in this norm and box.

    Also raise it for a time that is not positive.
    """
    if has_budget(attack) or norm_of(attack) != norm or keeps_box(attack) != box:
        raise ValueError(
            f"exact distances begin with a minimal-norm {norm} attack with box: "
            f"{str(box).lower()}, minimal_norm say; got {attack!r}"
        )
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, a time for each sample; got {seconds}")


def _status(nearest: Nearest) -> ExactStatus:
    if nearest.distance == 0:
        return ExactStatus.ALREADY_WRONG
    if nearest.exact:
        return ExactStatus.EXACT
    return ExactStatus.BETWEEN if nearest.distance < torch.inf else ExactStatus.FAILED
