"""The whole spectrum of the input Hessian of cross-entropy, sample by sample (article, Fig. 4a)."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from advcore.classifier import (
    Classifier,
    check_images,
    check_labels,
    first_logits,
    frozen,
    full_precision,
    take_rows,
)
from advcore.criteria import as_labels
from advcore.curvature.gauss_newton_matrix import gauss_newton
from advcore.curvature.hessian import InputHessian, input_hessian, symmetric_eigenvalues
from advcore.curvature.loss import cross_entropy_of
from advcore.norms import L2
from advcore.randomness import Randomness

Path = Literal["auto", "low-rank", "products"]

LARGEST = 30_000
"""Dimension up to which Hessians are formed: 3.6 GB a sample in float32, and as much again for
their eigenvalues."""


def check_formed(dimension: int) -> None:
    """Raise ValueError for a Hessian that is too large to be formed."""
    if dimension > LARGEST:
        raise ValueError(
            f"the whole spectrum needs a matrix of {dimension} x {dimension} numbers a sample, "
            f"where at most {LARGEST} x {LARGEST} are formed: take spectrum: top, or lanczos"
        )


@dataclass(frozen=True, eq=False)
class Eigenprofile:
    """The eigenvalues of one Hessian per sample.

    - `values` `(B, D)`, descending, in units of loss per pixel unit squared; NaN where a second
      derivative is not finite.
    - `low_rank` `(B,)` bool: which samples took the Gauss-Newton path; the others took D Hessian
      products.
    - `disagreement` `(B,)`: `||M v|| / ||g||`, where g is the gradient and M the Hessian of a
      random combination of the logits, v a random unit vector: by which share of its size g
      changes, to first order, over one pixel unit. 0 where the network is piecewise linear; NaN
      where no check was asked for.
    - `step`: the scale h of the second differences, l2, pixel units; 0 for the exact Hessian.
    """

    values: Tensor
    low_rank: Tensor
    disagreement: Tensor
    step: float = 0.0

    @property
    def trace(self) -> Tensor:
        """`(B,)`, exact."""
        return self.values.sum(1)

    @property
    def frobenius(self) -> Tensor:
        """`||H||_F`, `(B,)`, exact."""
        return L2.size(self.values)


def eigenprofile(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    path: Path = "auto",
    tolerance: float = 1e-6,
    randomness: Randomness | None = None,
    entries: int = 64_000_000,
    step: float = 0.0,
) -> Eigenprofile:
    """Eigenvalues of `d^2 cross_entropy(classifier(x), label) / dx^2` at images `(B, C, H, W)`.

    Where the network is piecewise linear the Hessian is the Gauss-Newton matrix, of rank below K: K
    backward passes and a K x K eigenproblem. `auto` checks the logits themselves, by one Hessian
    product per sample: with random weights u over the classes (of sum 0, as what all logits share
    is invisible to the loss) and a random unit vector v, `M v = d^2 <u, z> / dx^2 v` vanishes for a
    piecewise linear network, exactly in practice, and with probability 0 for any other. How
    confident the sample is does not matter, nor the scale of the logits. Those with `||M v|| <=
    tolerance ||g||`, g the gradient of `<u, z>`, take that path, the others form their Hessian by D
    products. At one point and exact: at a coarser scale a piecewise linear network has other
    curvature, of full rank and either sign, which a `step` shows by second differences
    (`DifferenceHessian.dense`).

    Args:
        path: `auto`, or one of the two ways for all samples, unchecked.
        tolerance: the largest `disagreement` (see `Eigenprofile`) that passes for none, per pixel
            unit.
        entries: at most so many entries of Jacobians (K x D a sample) or Hessians (D x D) at a
            time, and of one sample if that is more; only memory depends on it.
        step: the scale h, l2, pixel units: D products at that step for every sample; 0 for the
            exact Hessian.

    Raises ValueError where D products of more than `LARGEST` numbers would be formed.
    """
    if path not in get_args(Path):
        raise ValueError(f"path must be one of {', '.join(get_args(Path))}; got {path!r}")
    if step != 0 and path == "low-rank":
        raise ValueError(
            f"the low-rank path knows the exact Hessian alone, step 0; got step {step}. Use "
            "path auto or products"
        )
    images, labels = check_images(images), as_labels(labels)
    with full_precision(), frozen(classifier):
        logits = first_logits(classifier, images)
    check_labels(labels, len(images), logits.shape[1])
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    dimension = images[0].numel()
    values = images.new_zeros(len(images), dimension)
    low_rank = torch.full((len(images),), path != "products" and step == 0, device=images.device)
    disagreement = images.new_full((len(images),), torch.nan)
    wide = max(1, entries // (logits.shape[1] * dimension))
    with full_precision():
        if path == "auto" and step == 0:
            for part in torch.arange(len(images), device=images.device).split(wide):
                disagreement[part] = _disagreement(
                    take_rows(classifier, part), images[part], randomness.take(part)
                )
            low_rank = disagreement <= tolerance
        for part in _parts(low_rank, wide):
            some = gauss_newton(take_rows(classifier, part), images[part]).eigenvalues()[
                :, :dimension
            ]
            values[part, : some.shape[1]] = some.to(values.dtype)
        for part in _parts(~low_rank, max(1, entries // dimension**2)):
            values[part] = _by_products(
                take_rows(classifier, part), images[part], labels[part], step
            )
    return Eigenprofile(values, low_rank, disagreement, step)


def _parts(chosen: Tensor, size: int) -> tuple[Tensor, ...]:
    """Indices of the chosen samples, `size` at a time; none where none is chosen."""
    return chosen.nonzero()[:, 0].split(size) if chosen.any() else ()


def _by_products(classifier: Classifier, images: Tensor, labels: Tensor, step: float) -> Tensor:
    check_formed(images[0].numel())
    hessian = input_hessian(classifier, images, cross_entropy_of(labels), step)
    return symmetric_eigenvalues(hessian.dense())


def _disagreement(classifier: Classifier, images: Tensor, randomness: Randomness) -> Tensor:
    """Return `||M v|| / ||g||`; 0 where both vanish.

    g and M are the gradient and the Hessian of a random combination of the logits.
    """

    def combination(logits: Tensor) -> Tensor:
        weights = randomness.stream("classes").normal((logits.shape[1],)).to(logits.dtype)
        return ((weights - weights.mean(1, keepdim=True)) * logits).sum(1)

    hessian = InputHessian(classifier, images, combination)
    vectors = L2.steepest(randomness.stream("check").normal((hessian.shape[1],)).to(images.dtype))
    return L2.size(hessian @ vectors) / L2.size(hessian.gradient).clamp(
        min=torch.finfo(images.dtype).tiny
    )
