"""The whole spectrum of the input Hessian of cross-entropy, sample by sample (article, Fig. 4a)."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.classifier import Classifier, check_images, check_labels, check_logits, frozen, full_precision, take_rows
from advcore.curvature.gauss_newton import GaussNewton, gauss_newton
from advcore.curvature.hessian import InputHessian
from advcore.norms import L2
from advcore.randomness import Randomness

Path = Literal["auto", "low-rank", "products"]


@dataclass(frozen=True, eq=False)
class Eigenprofile:
    """The eigenvalues of one Hessian per sample.

    - `values` `(B, D)`, descending, in units of loss per pixel unit squared.
    - `low_rank` `(B,)` bool: which samples took the Gauss-Newton path; the others took D Hessian products.
    - `disagreement` `(B,)`: `||H v - G v|| / ||H v||` on the random vector of the check; NaN where no check was asked for.
    """

    values: Tensor
    low_rank: Tensor
    disagreement: Tensor


def eigenprofile(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    path: Path = "auto",
    tolerance: float = 1e-3,
    randomness: Randomness | None = None,
    entries: int = 64_000_000,
) -> Eigenprofile:
    """Eigenvalues of `d^2 cross_entropy(classifier(x), label) / dx^2` at images `(B, C, H, W)`.

    Where the network is piecewise linear the Hessian is the Gauss-Newton matrix, of rank below K: K backward passes and a K x K
    eigenproblem. `auto` checks that on one random Hessian product per sample: those that agree to `tolerance` (relative, above
    the rounding of the product itself) take that path, the others form their Hessian by D products. At one point and exact: a
    piecewise linear network has curvature of other kinds at a coarser scale.

    Args:
        path: `auto`, or one of the two ways for all samples, unchecked.
        entries: at most so many Hessian entries at a time; only memory depends on it.
    """
    if path not in get_args(Path):
        raise ValueError(f"path must be one of {', '.join(get_args(Path))}; got {path!r}")
    check_images(images)
    with frozen(classifier), torch.no_grad():
        logits = classifier(images)
    check_logits(logits, len(images))
    check_labels(labels, len(images), logits.shape[1])
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    dimension = images[0].numel()
    values = images.new_zeros(len(images), dimension)
    low_rank = torch.full((len(images),), path != "products", device=images.device)
    disagreement = images.new_full((len(images),), torch.nan)
    with full_precision():
        if path != "products":
            matrix = gauss_newton(classifier, images)
            some = matrix.eigenvalues()[:, :dimension]
            values[:, : some.shape[1]] = some.to(values.dtype)
            if path == "auto":
                vectors = L2.steepest(randomness.stream("check").normal((dimension,)).to(images.dtype))
                low_rank, disagreement = _agree(_cross_entropy(classifier, images, labels), matrix, vectors, tolerance)
        for part in (~low_rank).nonzero()[:, 0].split(max(1, entries // dimension**2)):
            hessian = _cross_entropy(take_rows(classifier, part), images[part], labels[part])
            values[part] = torch.linalg.eigvalsh(hessian.dense()).flip(1)
    return Eigenprofile(values, low_rank, disagreement)


def _cross_entropy(classifier: Classifier, images: Tensor, labels: Tensor) -> InputHessian:
    return InputHessian(classifier, images, lambda logits: F.cross_entropy(logits, labels, reduction="none"))


def _agree(hessian: InputHessian, matrix: GaussNewton, vectors: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Which samples' Hessians act on their vector as the Gauss-Newton matrix does, and the relative differences.

    A confident sample's curvature can lie below the rounding of a product, which is of the order of eps ||J|| ||J v||: below
    that floor the two cannot be told apart, and the low-rank value is the accurate one.
    """
    product = hessian @ vectors
    difference = L2.size(product - matrix @ vectors)
    size = L2.size(product)
    rows = matrix.jacobian
    floor = 64 * torch.finfo(rows.dtype).eps * L2.size(rows) * L2.size(rows @ vectors[:, :, None])
    agree = difference <= tolerance * size + floor
    return agree, difference / size.clamp(min=torch.finfo(size.dtype).tiny)
