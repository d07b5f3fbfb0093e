"""The Hessian of an objective in the input, one per sample, as an operator that multiplies."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen, logits_of
from advcore.curvature.differences import DifferenceHessian
from advcore.logit_gradients import has_gradient, leaf
from advcore.modules import twice_differentiable
from advcore.norms import Radius


class Hessian(Protocol):
    """Second derivatives of an objective in the input, exact or at a step.

    There is one symmetric `(D, D)` matrix per sample.
    """

    gradient: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Return `(D, D)`, D the number of pixels."""

    def __matmul__(self, vectors: Tensor) -> Tensor: ...

    def dense(self) -> Tensor:
        """Return the matrices `(B, D, D)`."""


def input_hessian(
    classifier: Classifier,
    images: Tensor,
    objective: Callable[[Tensor], Tensor],
    step: Radius = 0.0,
    rows: int = 1024,
) -> Hessian:
    """Return `InputHessian` if the step is 0, `DifferenceHessian` at any other.

    The step is one for all samples or `(B,)`, one each; `rows` bounds the memory of the latter.
    """
    if isinstance(step, float | int) and step == 0:
        return InputHessian(classifier, images, objective)
    return DifferenceHessian(classifier, images, objective, step, rows)


class InputHessian:
    """`H_b = d^2 objective_b / d x_b^2`, exact, by differentiating twice (Pearlmutter 1994).

    It is symmetric, and batched over samples.

    The graph of the gradient is kept, so a product costs one backward pass through it. A piecewise
    linear network has curvature only through its loss: `objective = logits -> (B,)` decides what is
    seen.
    """

    def __init__(
        self, classifier: Classifier, images: Tensor, objective: Callable[[Tensor], Tensor]
    ) -> None:
        with frozen(classifier), torch.enable_grad():
            self._images = leaf(images)
            with twice_differentiable():
                value = objective(logits_of(classifier, self._images)).sum()
            if has_gradient(value):
                gradient = torch.autograd.grad(
                    value, self._images, create_graph=True, materialize_grads=True
                )[0]
            else:
                gradient = torch.zeros_like(images)
        self._gradient = gradient
        self.gradient = gradient.detach().flatten(1)
        """`(B, D)`, the objective's gradient at the images."""

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and dimension, (B, D)."""
        return self.gradient.shape[0], self.gradient.shape[1]

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(B, D)` to `(B, D)`: each sample's Hessian times its own vector."""
        if (
            not self._gradient.requires_grad
        ):  # the gradient does not depend on the image: an affine objective
            return torch.zeros_like(vectors)
        return torch.autograd.grad(
            self._gradient,
            self._images,
            vectors.view_as(self._images),
            retain_graph=True,
            materialize_grads=True,
        )[0].flatten(1)

    def dense(self) -> Tensor:
        """Return the whole matrix, `(B, D, D)`, by D products, made exactly symmetric."""
        samples, dimension = self.shape
        columns = []
        for column in range(dimension):
            vectors = self.gradient.new_zeros(samples, dimension)
            vectors[:, column] = 1
            columns.append(self @ vectors)
        matrix = torch.stack(columns, 2)
        return (matrix + matrix.mT) / 2


def symmetric_eigenvalues(matrices: Tensor) -> Tensor:
    """Return the eigenvalues, descending, `(B, D)`, of symmetric matrices `(B, D, D)`.

    They are NaN for a matrix that is not finite, which torch's own function refuses together with
    all others of the batch.
    """
    broken = ~torch.isfinite(matrices).flatten(1).all(1)
    values = torch.linalg.eigvalsh(matrices.masked_fill(broken[:, None, None], 0)).flip(1)
    return values.masked_fill(broken[:, None], torch.nan)
