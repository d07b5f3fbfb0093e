"""The Hessian of an objective in the input at a step.

It is given by central differences of the gradient, batched over samples and vectors.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen
from advcore.curvature.displaced import logits_at_offsets, points_at_a_time
from advcore.logit_gradients import has_gradient, leaf
from advcore.norms import L2, Radius


class DifferenceHessian:
    """`v -> ||v|| (g(x + h u) - g(x - h u)) / 2h`, `u = v / ||v||`.

    g is the gradient of the objective, h the `step`: the mean of `d^2 objective / dx^2 v` over the
    segment of half-length h along v.

    What a piecewise linear network bends by over its pieces is seen at a step alone, and differs
    from one step to another, so h (l2, pixel units) belongs to every result. Exact for an objective
    that is a polynomial of degree three along the segment. For any other the products are
    homogeneous in v but not additive, so along other directions they are those of another matrix:
    `dense` is the one of the pixel axes. An eigenpair by Lanczos carries a residual that tells how
    far it is from being one: for a single sample of a ReLU network it may be as large as the
    eigenvalue, and `dense` is the one to take; means over many samples are smoother. In float32 the
    gradients' rounding is divided by h: below h = 0.01 use float64. No box: the ends of the segment
    may leave [0, 1].
    """

    def __init__(
        self,
        classifier: Classifier,
        images: Tensor,
        objective: Callable[[Tensor], Tensor],
        step: Radius,
        rows: int = 1024,
    ) -> None:
        """`step`: one for all samples, or `(B,)`, one each.

        `rows`: at most so many images go forward at a time, and one pair a sample if that is more;
        only memory depends on it.
        """
        steps = torch.as_tensor(step, dtype=images.dtype, device=images.device).expand(len(images))
        if not ((steps > 0) & torch.isfinite(steps)).all():
            raise ValueError(
                f"step must be a positive length in pixel units (0.1, say); got {step}"
            )
        self._classifier, self._images, self._objective = classifier, images.detach(), objective
        self.step = step
        self._steps = steps[:, None, None]
        self._chunk = points_at_a_time(2 * len(images), rows)
        self.gradient = self._gradients(torch.zeros_like(images).flatten(1)[:, None])[:, 0]
        """`(B, D)`, the objective's gradient at the images."""

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and dimension, (B, D)."""
        return self.gradient.shape[0], self.gradient.shape[1]

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(B, D)` to `(B, D)`: each sample's Hessian times its own vector."""
        return self.products(vectors[:, None])[:, 0]

    def products(self, vectors: Tensor) -> Tensor:
        """`(B, m, D)` to `(B, m, D)`: each sample's Hessian times m vectors of its own."""
        results = []
        for part in vectors.split(self._chunk, 1):
            unit = L2.steepest(part.flatten(0, 1)).view_as(part)
            ends = self._gradients(torch.cat([self._steps * unit, -self._steps * unit], 1))
            forward, backward = ends.chunk(2, 1)
            results.append(
                part.norm(dim=2, keepdim=True) * (forward - backward) / (2 * self._steps)
            )
        return torch.cat(results, 1)

    def dense(self) -> Tensor:
        """The matrix of the pixel axes, `(B, D, D)`, by D products, made exactly symmetric."""
        samples, dimension = self.shape
        axes = torch.eye(dimension, dtype=self.gradient.dtype, device=self.gradient.device)
        columns = [self.products(part.expand(samples, -1, -1)) for part in axes.split(self._chunk)]
        matrix = torch.cat(columns, 1)
        return (matrix + matrix.mT) / 2

    def _gradients(self, displacements: Tensor) -> Tensor:
        """The objective's gradients `(B, m, D)` at the images displaced by `(B, m, D)`."""
        with frozen(self._classifier), torch.enable_grad():
            moved = leaf(displacements)
            logits = logits_at_offsets(self._classifier, self._images, moved)
            value = torch.stack([self._objective(some) for some in logits.unbind(1)]).sum()
            if not has_gradient(value):
                return torch.zeros_like(displacements)
            return torch.autograd.grad(value, moved, materialize_grads=True)[0]
