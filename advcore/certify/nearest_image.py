"""The nearest image of another class, class by class in a ball that shrinks."""

import math
import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.certify.affine_maps import AffineChain
from advcore.certify.integer_programme import SearchedBall, nearest_point
from advcore.classifier import Classifier, logits_of
from advcore.norms import Norm

SLACK = 1e-5
"""Pixel units, and share of a distance, by which two distances may differ and count as one: above
the roundings of single precision and the solver's tolerance."""

STEPS = (0.0, 1e-7, 1e-6, 1e-5, 1e-4)
"""Distances, pixel units, by which a point of the boundary is moved over it; the first that does
it counts."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest image found that has another class, `image` `(1, *shape)`.

    `distance` is its distance, `lower` a bound that no such image falls below, both in pixel units;
    `solved`: the search came to its end.
    """

    image: Tensor
    distance: float
    lower: float
    solved: bool = False

    @property
    def exact(self) -> bool:
        """True where no image is nearer than the one found, or none has another class at all."""
        if math.isinf(self.distance):
            return math.isinf(self.lower)
        return self.solved and self.distance - self.lower <= SLACK * (1 + self.distance)


@dataclass(frozen=True, eq=False)
class NearestImage:
    """The search for the nearest image that a network gives another class.

    Attributes:
        classifier: network itself, which confirms what is found.
        chain: the same network's affine maps.
        norm: norm of the distance, linf or l1.
        box: keep images in [0, 1].
        seconds: time for a sample.
    """

    classifier: Classifier
    chain: AffineChain
    norm: Norm
    box: bool
    seconds: float

    def search(self, image: Tensor, label: int, start: Nearest) -> Nearest:
        """Return the nearest image with another class than `label`, from one that has it.

        Where `start` is infinitely far, all of the box is searched. The likeliest class comes
        first, and each has an equal part of the time that is left.

        Args:
            image: `(1, *shape)`.
        """
        began, nearest = time.monotonic(), replace(start, lower=math.inf, solved=True)
        others = [own for own in self._likeliest(image) if own != label]
        for place, towards in enumerate(others):
            left = self.seconds - (time.monotonic() - began)
            if left <= 0:
                return replace(nearest, lower=0.0, solved=False)
            region = SearchedBall.around(
                image.flatten().double().cpu(), self._radius(image, nearest), self.norm, self.box
            )
            found = nearest_point(
                self.chain.maps, region, towards, label, left / (len(others) - place)
            )
            lower, solved = min(nearest.lower, found.lower), nearest.solved and found.solved
            nearest = replace(nearest, lower=lower, solved=solved)
            if found.point is not None:
                nearest = self._over(image, label, towards, found.point, nearest)
        if math.isinf(nearest.lower) and math.isfinite(nearest.distance):
            # the solver denies the point that the attack found
            return replace(nearest, lower=0.0, solved=False)
        return replace(nearest, lower=min(nearest.lower, nearest.distance))

    def _likeliest(self, image: Tensor) -> list[int]:
        """Return the classes, the likeliest first."""
        return [int(own) for own in self.chain(image)[0].argsort(descending=True)]

    def _radius(self, image: Tensor, nearest: Nearest) -> float:
        """Return a radius in which there is something as near as what was found."""
        whole = self.norm.size(torch.ones_like(image)).item()
        wanted = nearest.distance + SLACK * (1 + nearest.distance)
        return min(whole, wanted) if self.box else wanted

    def _over(
        self, image: Tensor, label: int, towards: int, point: Tensor, nearest: Nearest
    ) -> Nearest:
        """Move a point of the boundary over it; return it if the network says so and it is nearer.

        It goes the steepest way that the box leaves.
        """
        flat = point[None].clone().requires_grad_()
        with torch.enable_grad():
            logits = self.chain(flat)[0]
            (rise,) = torch.autograd.grad(logits[towards] - logits[label], flat)
        if self.box:
            stuck = torch.where(rise > 0, point >= 1, point <= 0)
            rise = rise.masked_fill(stuck, 0.0)
        steps = torch.tensor(STEPS, dtype=torch.float64)[:, None] * self.norm.steepest(rise)
        tried = (point + steps).view(len(STEPS), *image.shape[1:]).to(image)
        tried = tried.clamp(0, 1) if self.box else tried
        with torch.no_grad():
            moved = logits_of(self.classifier, tried).argmax(1) != label
        if not moved.any():
            return nearest
        first = tried[moved][:1]
        distance = self.norm.size(first - image).item()
        return (
            replace(nearest, image=first, distance=distance)
            if distance < nearest.distance
            else nearest
        )
