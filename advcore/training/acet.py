"""ACET and CEDA: low confidence on noise images.

Source: Hein et al. 2019, Why ReLU networks yield high-confidence predictions far away; article,
eqs. 22 and 23.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore import objectives
from advcore.attacks import PGD
from advcore.attacks.ascent import ascend
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import evaluating, frozen
from advcore.criteria import Criterion, Targeted, Untargeted
from advcore.norms import LINF, per_sample
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.term import check_weight

TAPS = 15
"""Taps of the low-pass filter on each side."""

BLUR = (1.0, 2.5)
"""Between which the filter's standard deviation is drawn, in pixels."""


@dataclass(frozen=True)
class ACET:
    """`E max_{||r||_inf <= eps} log max_k p_k(n + r)`, n images of noise.

    It is least, `-log K`, where the network is sure of nothing. It goes with the term
    `cross_entropy`.

    A sample's n is, by chance, its own image with permuted pixels or uniform noise; filtered, and
    stretched to [0, 1]: see `noise_images`. The adversary climbs the logarithm of the largest
    confidence by projected ascent inside the ball and the box, all steps, from `n + s u`, u uniform
    in the ball and s uniform in (0, 1), both a sample's own. Network in evaluation mode, for the
    adversary and for the term: noise is normalised as images are, and does not move what batch
    normalisation keeps of them.

    At eps 0.3 the noise is too sure from the first step on for a LeNet on digits to learn: it stays
    at 10 %. Let eps grow with the
    training: `schedules: {acet.eps: {kind: linear, points: [[0, 0.1], [0.5, 1]]}}`.

    The authors' code differs where theirs ties samples together: exactly half of a batch is
    permuted, one filter is drawn for a batch, noise and images are one batch in training mode; and
    the adversary's best iterate is kept, here its last. Their objective is the mean over images and
    noise: both terms with weight 1/2.

    Attributes:
        eps: radius in pixel units, linf; None, or 0, for noise without an adversary, which is CEDA.
        steps: gradient steps of the ascent; 40 in the authors' code.
        relative_step: step length as a share of eps; 2.5 / steps when None. The authors take 1 /
            steps, which does not reach every point of the ball from a random start.
        weight: weight of the term.
    """

    eps: float | None = 0.3
    steps: int = 40
    relative_step: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps)
        _ = self.chosen

    @property
    def chosen(self) -> tuple[PGD, ...]:
        """The ball and the steps of the adversary, if there is one.

        Its start and its objective are the term's own.
        """
        return () if not self.eps else (PGD(self.eps, "linf", self.steps, self.relative_step),)

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        noise = noise_images(images, randomness)
        for attack in self.chosen:
            noise = self._worst(network, noise, labels, attack, randomness)
        with evaluating(network):
            return log_confidence(network(noise)).mean()

    def _worst(
        self, network: nn.Module, noise: Tensor, labels: Tensor, attack: PGD, randomness: Randomness
    ) -> Tensor:
        """The noise images `(B, C, H, W)` that the adversary makes of these."""
        ball = Ball.of(LINF, noise, radii(attack.eps, noise), attack.box)
        scale = ball.radius * randomness.stream("scale").uniform(()).to(noise.dtype)
        start = ball.project(
            noise
            + LINF.random(randomness.stream("start"), tuple(noise.shape[1:]), scale).to(noise.dtype)
        )
        with frozen(network, compiled=True):
            return ascend(
                network,
                ball,
                start,
                Untargeted(labels),
                log_confidence,
                attack.step,
                attack.steps,
                leave=False,
            ).images


def log_confidence(logits: Tensor, _: Criterion | None = None) -> Tensor:
    """`log max_k p_k`, `(B,)`, with the digits of its derivatives where that is near 0."""
    return objectives.cross_entropy(logits, Targeted(logits.argmax(1)))


def noise_images(images: Tensor, randomness: Randomness) -> Tensor:
    """Images `(B, C, H, W)` of noise in [0, 1], each of its own sample and randomness.

    With probability 1/2 the sample's image, its pixels permuted and the channels alike; else
    uniform in (0, 1). Then a Gaussian low-pass, its std uniform in `BLUR`, and each image stretched
    linearly to [0, 1]; a constant one becomes 0.
    """
    order = randomness.stream("permutation").uniform((images[0, 0].numel(),)).argsort(1)
    permuted = (
        images.flatten(2).gather(2, order[:, None].expand(-1, images.shape[1], -1)).view_as(images)
    )
    uniform = randomness.stream("uniform").uniform(images.shape[1:]).to(images.dtype)
    shuffled = randomness.stream("half").uniform(()) < 0.5
    deviations = BLUR[0] + (BLUR[1] - BLUR[0]) * randomness.stream("blur").uniform(())
    blurred = low_passed(
        torch.where(per_sample(shuffled, images), permuted, uniform), deviations.to(images.dtype)
    )
    low, high = blurred.amin((1, 2, 3), keepdim=True), blurred.amax((1, 2, 3), keepdim=True)
    return (blurred - low) / torch.where(high > low, high - low, 1)


def low_passed(images: Tensor, deviations: Tensor) -> Tensor:
    """Filter images `(B, C, H, W)` by a normalised Gaussian of `TAPS` taps a side.

    `deviations` `(B,)` are in pixels, each image its own. Beyond the border the image is mirrored,
    the pixel at the border twice.
    """
    rows, columns = (_filters(side, deviations) for side in images.shape[2:])
    return torch.einsum("bij,bcjk,blk->bcil", rows, images, columns)


def _filters(side: int, deviations: Tensor) -> Tensor:
    """The filter of one axis as matrices `(B, side, side)`."""
    offsets = torch.arange(TAPS, device=deviations.device) - TAPS // 2
    taps = torch.exp(-0.5 * (offsets / deviations[:, None]).square())
    place = (torch.arange(side, device=deviations.device)[:, None] + offsets) % (2 * side)
    place = torch.where(place < side, place, 2 * side - 1 - place)
    taps = (taps / taps.sum(1, keepdim=True))[:, None].expand(-1, side, -1)
    empty = deviations.new_zeros(len(deviations), side, side)
    return empty.scatter_add(2, place.expand(len(deviations), -1, -1), taps)
