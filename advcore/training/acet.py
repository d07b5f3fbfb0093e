"""ACET and CEDA: low confidence on noise images.

Source: Hein et al. 2019, Why ReLU networks yield high-confidence predictions far away; article,
eqs. 22 and 23.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor, nn

from advcore.attacks import PGD
from advcore.attacks.ascent import ascend
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import evaluating, frozen
from advcore.criteria import Untargeted
from advcore.low_pass_noise import noise_images
from advcore.norms import LINF
from advcore.objectives import log_confidence
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.term import check_weight

NoiseLoss = Literal["log_confidence", "cross_entropy"]


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
    at 10 %. Start from a network that was trained plainly (`start` of a model), or let eps grow
    with the training: `schedules: {acet.eps: {kind: linear, points: [[0, 0.1], [0.5, 1]]}}`. The
    gradient of the logarithm vanishes as `1 - p` where the network is sure of the attacked noise;
    that of the cross-entropy to the uniform distribution, `-1/K sum_k log p_k`, does not. With
    `loss: cross_entropy` the term is that; it is least, `log K`, at the same networks.

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
        loss: function that is minimised on the noise: `log_confidence`, or `cross_entropy` to the
            uniform distribution, the authors' other choice. The adversary is the same.
    """

    eps: float | None = 0.3
    steps: int = 40
    relative_step: float | None = None
    weight: float = 1.0
    loss: NoiseLoss = field(default="log_confidence", metadata={"later": True})

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.loss not in get_args(NoiseLoss):
            raise ValueError(
                f"loss must be one of {', '.join(get_args(NoiseLoss))}; got {self.loss!r}"
            )
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
            logits = network(noise)
        if self.loss == "cross_entropy":
            return -logits.log_softmax(1).mean()
        return log_confidence(logits).mean()

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
