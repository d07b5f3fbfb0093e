"""The geometry of a network while it is trained.

The same few numbers of the same samples after each epoch (article, III-B).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import FGSM, PGD
from advcore.attacks.ascent import evaluate
from advcore.classifier import Around, Classifier, frozen, full_precision, predict
from advcore.criteria import Untargeted
from advcore.curvature import Ends, cross_entropy_of, input_hessian, lanczos
from advcore.margins import margins
from advcore.norms import L2
from advcore.objectives import cross_entropy as loss_of
from advcore.randomness import Randomness
from advcore.subspaces import dct_blocks

BANDS = ("low", "middle", "high")
"""The diagonal of the DCT in as many blocks, in which margins are measured."""


@dataclass(frozen=True)
class Diagnosis:
    """The settings of what is measured in a network at each epoch of its training.

    - `accuracy`, `fgsm_accuracy`, `pgd_accuracy`: clean, after one step and after `steps`, within
      eps;
    - `pgd_loss`: the mean cross-entropy at PGD's images, all steps made;
    - `gradient_cosine`: between the gradients of the loss at x and at x + noise, noise uniform in
      the linf ball (in l2 a random direction and radius), the mean over samples where both
      gradients are there, NaN where none are (Andriushchenko and Flammarion 2020);
    - `fgsm_pgd_cosine`: between the perturbations of FGSM and PGD (from x itself), likewise;
    - `margin/low`, `margin/middle`, `margin/high`: the median margin in three DCT blocks, inf where
      half the samples have none; of square images alone;
    - `top_eigenvalue`: the mean of the largest eigenvalue of the input Hessian of the loss, by
      Lanczos to a hundredth of it.

    Attributes:
        eps: radius of the attacks, in pixel units.
        norm: norm of the attacks.
        steps: gradient steps of PGD.
        samples: number of samples that are looked at.
        few: number of those samples for margins and eigenvalues.
        box: keep the attacks in [0, 1]; False for transformed data.
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    steps: int = 10
    samples: int = 256
    few: int = 32
    box: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.eps < math.inf:
            raise ValueError(f"eps must be a positive radius in pixel units; got {self.eps}")
        norms.norm_by_name(self.norm)
        for name in ("steps", "samples", "few"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")

    def __call__(
        self, classifier: Classifier, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> dict[str, float]:
        """The numbers for images `(B, C, H, W)` and labels `(B,)`."""
        with full_precision(), frozen(classifier):
            return {
                "accuracy": _share(predict(classifier, images) == labels),
                **self._attacked(classifier, images, labels, randomness),
                **self._geometry(
                    classifier,
                    images[: self.few],
                    labels[: self.few],
                    randomness.take(torch.arange(min(self.few, len(images)), device=images.device)),
                ),
            }

    @property
    def chosen(self) -> tuple[FGSM, PGD]:
        """The attacks that it makes."""
        return FGSM(self.eps, self.norm, box=self.box), PGD(
            self.eps, self.norm, self.steps, random_start=False, box=self.box
        )

    def _attacked(
        self, classifier: Classifier, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> dict[str, float]:
        criterion, norm = Untargeted(labels), norms.norm_by_name(self.norm)
        noise = norm.random(randomness.stream("diagnosis"), tuple(images.shape[1:]), self.eps).to(
            images.dtype
        )
        here, there = (
            evaluate(classifier, at, criterion, loss_of)[0] for at in (images, images + noise)
        )
        once, often = (
            attack.climb(classifier, images, criterion, randomness).images for attack in self.chosen
        )
        _, losses, logits = evaluate(classifier, often, criterion, loss_of)
        return {
            "fgsm_accuracy": _share(predict(classifier, once) == labels),
            "pgd_accuracy": _share(logits.argmax(1) == labels),
            "pgd_loss": losses.mean().item(),
            "gradient_cosine": _cosine(here, there),
            "fgsm_pgd_cosine": _cosine(once - images, often - images),
        }

    def _geometry(
        self, classifier: Classifier, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> dict[str, float]:
        around, still = Around(classifier, images), torch.zeros_like(images)
        hessian = input_hessian(around, still, cross_entropy_of(labels))
        top = lanczos(
            hessian, randomness, hessian.shape[1], Ends(1, 0), images.dtype, tolerance=0.01
        )
        numbers = {"top_eigenvalue": top.values.mean().item()}
        shape = images.shape[1:]
        if len(shape) == 3 and shape[1] == shape[2] >= len(BANDS):
            channels, side, _ = shape
            size = side // len(BANDS)
            distance = margins(around, still, dct_blocks(side, size, size, channels)).distance
            numbers |= {
                f"margin/{band}": row.median().item()
                for band, row in zip(BANDS, distance, strict=False)
            }
        return numbers


def _share(right: Tensor) -> float:
    return right.double().mean().item()


def _cosine(one: Tensor, other: Tensor) -> float:
    """The mean cosine between the rows that are not 0."""
    one, other = one.flatten(1).double(), other.flatten(1).double()
    there = (L2.size(one) > 0) & (L2.size(other) > 0)
    return torch.cosine_similarity(one[there], other[there]).mean().item()
