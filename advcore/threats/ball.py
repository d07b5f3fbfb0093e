"""The eps-ball around each image, cut by the box [0, 1] or not.

An attack with a budget may reach its points.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import Norm, per_sample
from advcore.randomness import Randomness
from advcore.threats.region import Region

L1_SHARE = 0.01
"""The share of all coordinates that a step in l1 moves."""


def free_gradient(gradient: Tensor, images: Tensor) -> Tensor:
    """Return the gradient without the coordinates that it would push out of the box."""
    return gradient * torch.where(gradient > 0, images < 1, images > 0)


@dataclass(frozen=True)
class Balls:
    """The threat model of the balls of a norm, in the box or not; the radius is in pixel units."""

    norm: str
    box: bool = True

    @property
    def name(self) -> str:
        return self.norm

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "Ball":
        """The ball of each input `(B, *shape)`."""
        return Ball.of(norms.norm_by_name(self.norm), inputs, radius, self.box)


@dataclass(frozen=True, eq=False)
class Ball(Region):
    """`{x : ||x - center||_p <= radius}`, with `box` also `0 <= x <= 1`.

    Its parameters are the images themselves. There is one for each sample: `center` `(B, *shape)`,
    which lies in the box if there is one, `radius` `(B,)`.

    `corners`: in linf, where the set is a box itself, its smallest and its largest image.
    """

    norm: Norm
    center: Tensor
    radius: Tensor
    corners: tuple[Tensor, Tensor] | None
    box: bool

    @classmethod
    def of(cls, norm: Norm, center: Tensor, radius: Tensor, box: bool = True) -> "Ball":
        """The balls of these radii, in pixel units, around images."""
        corners = None
        if norm is norms.LINF:
            reach = per_sample(radius, center)
            corners = center - reach, center + reach
            corners = (corners[0].clamp_(min=0), corners[1].clamp_(max=1)) if box else corners
        return cls(norm, center, radius, corners, box)

    def project(self, images: Tensor) -> Tensor:
        """Project images onto the ball and the box.

        The result is the closest point in linf and l1; in l2 images go first into the ball, then
        into the box, which keeps the ball.
        """
        if self.corners is not None:
            return images.clamp(*self.corners)
        r = images - self.center
        if self.norm is norms.L1 and self.box:
            r = norms.project_l1_box(r, -self.center, 1 - self.center, self.radius)
        else:
            r = self.norm.project(r, self.radius)
        r = r.add_(self.center)
        return r.clamp_(0, 1) if self.box else r

    def rest(self) -> Tensor:
        return self.center

    def random(self, randomness: Randomness) -> Tensor:
        """Random images: in linf uniform; in l1 and l2 of a uniform length and direction."""
        noise = self.norm.random(randomness, tuple(self.center.shape[1:]), self.radius)
        return self.project(self.center + noise.to(self.center.dtype))

    def edge(self, randomness: Randomness) -> Tensor:
        """Random images of the sphere, drawn into the box."""
        noise = self.norm.random(randomness, tuple(self.center.shape[1:]), 1.0)
        noise = noise.to(self.center.dtype)
        length = per_sample(self.radius / self.norm.size(noise), noise)
        return self.project(self.center + noise * length)

    def apply(self, parameters: Tensor) -> Tensor:
        return parameters

    def through(self, classifier: Classifier) -> Classifier:
        return classifier

    def size(self, parameters: Tensor) -> Tensor:
        return self.norm.size(parameters - self.center)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """The unit vector of the norm; in l1 the signs of the largest hundredth that can move."""
        if self.norm is norms.L1:
            free = free_gradient(gradient, parameters) if self.box else gradient
            return norms.sparse_steepest(free, max(1, int(L1_SHARE * gradient[0].numel())))
        return self.norm.steepest(gradient)

    def take(self, index: Tensor) -> Self:
        """The balls of the samples `index`."""
        corners = None if self.corners is None else (self.corners[0][index], self.corners[1][index])
        return replace(self, center=self.center[index], radius=self.radius[index], corners=corners)
