"""A budget inside the span of directions that a fit learnt."""

from dataclasses import dataclass, field

from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.directions import check_leading, leading_directions
from advcore.learnt import Learnt
from advcore.randomness import Randomness
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Along:
    """Move an input along the leading directions of a fit, and cut it at [0, 1] if it has a box.

    `x -> clip(x + Q c)`, with Q the `dim` first directions: those of `components`, along which the
    data vary most, leave an image where images vary; those of `normals` where networks look. What
    an input has outside the span stays as it is. The size is the l2 norm of the whole change, pixel
    units, after the cut, by which other directions are changed as well.

    Attributes:
        fit: fit with orthonormal `directions` (k, *shape): `components`, `normals`.
        dim: number of directions.
        box: cut at [0, 1]; false for tables and other inputs without a box, with an attack of
            `box: false`.
    """

    fit: Learnt
    dim: int = 50
    box: bool = field(default=True, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim must be at least 1; got {self.dim}")

    @property
    def name(self) -> str:
        """The norm in which it measures, as of an additive change."""
        return "l2"

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError where the fit has not so many directions of inputs of a shape."""
        check_leading(self.fit, shape, self.dim)

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "AlongRegion":
        """The inputs `(B, *shape)` that may be reached."""
        basis = leading_directions(self.fit, tuple(inputs.shape[1:]), self.dim)
        return AlongRegion(inputs, radius, basis.flatten(1).to(inputs), self.box)


@dataclass(frozen=True, eq=False)
class AlongRegion(Mapped):
    """Inputs moved in a span. Parameters: the coordinates c, `(B, dim)`.

    `basis` `(dim, D)` has orthonormal rows. What is projected onto the ball are the coordinates;
    the cut at [0, 1], which is a projection too, can only shorten what they make.
    """

    basis: Tensor
    box: bool = True

    def rest(self) -> Tensor:
        return self.inputs.new_zeros(len(self.inputs), len(self.basis))

    def random(self, randomness: Randomness) -> Tensor:
        noise = norms.L2.random(randomness, (len(self.basis),), self.radius)
        return noise.to(self.inputs)

    def apply(self, parameters: Tensor) -> Tensor:
        moved = (parameters @ self.basis).view_as(self.inputs)
        return (self.inputs + moved).clamp(0, 1) if self.box else self.inputs + moved

    def project(self, parameters: Tensor) -> Tensor:
        return norms.L2.project(parameters, self.radius)

    def size(self, parameters: Tensor) -> Tensor:
        return norms.L2.size(self.apply(parameters) - self.inputs)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return norms.L2.steepest(gradient)
