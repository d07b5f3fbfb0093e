"""Gradient masking: signs that gradients do not lead to adversarial images that exist.

An attack that fails proves nothing, least of all where gradients are absent, random or misleading
(Athalye et al. 2018, Obfuscated gradients give a false sense of security, section 3; Carlini et al.
2019, On evaluating adversarial robustness, section 5). These signs are cheap, and none of them is a
proof: a classifier that shows one is measured with an attack that does not suffer from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import PGD
from advcore.attacks.ascent import evaluate
from advcore.classifier import (
    Classifier,
    check_images,
    check_labels,
    first_logits,
    frozen,
    logits_of,
    predict,
    take_rows,
)
from advcore.criteria import Untargeted
from advcore.norms import LINF, NormName
from advcore.objectives import cross_entropy, logit_margin
from advcore.randomness import Randomness

STEPS, DRAWS = 10, 10
"""Steps of the short PGD, and draws of the noise beside it: enough to tell which of the two is
better, not to measure robust accuracy."""


@dataclass(frozen=True, eq=False)
class GradientSigns:
    """Signs of masking in the gradients at the images themselves, `(B,)` each.

    - `prediction`: the likeliest class.
    - `zero_gradient`: the gradient of cross-entropy is exactly 0.
    - `zero_margin_gradient`: that of the logit margin is. Rounding does not make it so; a constant
      or quantised classifier does.
    - `saturated`: the label's probability rounds to 1, in float32 where its logit leads by some 17.
      The derivative of cross-entropy as it is commonly written, `p - 1`, is then lost;
      `advcore.objectives.cross_entropy` keeps it, until it underflows at 104.
    - `variation`: how much two calls differ at the same image: the larger of the relative
      differences of the logits (less their mean) and of the gradient of the margin, each in its
      largest coordinate; any objective's gradient is made of these two.
    """

    prediction: Tensor
    zero_gradient: Tensor
    zero_margin_gradient: Tensor
    saturated: Tensor
    variation: Tensor


@dataclass(frozen=True, eq=False)
class BallSigns:
    """Signs of masking in the balls around the images, `(B, E)` bool each.

    They are true throughout if the prediction is wrong already.

    - `by_attack`: PGD of cross-entropy breaks the sample at this eps, tried at each eps anew.
    - `by_noise`: one of the draws of random noise does.
    """

    by_attack: Tensor
    by_noise: Tensor

    @property
    def regained(self) -> Tensor:
        """Return which images are broken at a smaller eps and not at a larger one, `(B,)`.

        The larger ball holds the same adversarial image.
        """
        return ((self.by_attack.cumsum(1) > 0) & ~self.by_attack).any(1)

    @property
    def worse_than_noise(self) -> Tensor:
        """Broken by noise and not by the attack at the same eps, `(B,)`."""
        return (self.by_noise & ~self.by_attack).any(1)


def gradient_signs(classifier: Classifier, images: Tensor, labels: Tensor) -> GradientSigns:
    """The signs at the images `(B, C, H, W)` in [0, 1], with `labels` `(B,)`.

    Cost: 4 forward and 3 backward passes a sample.

    Raises ValueError for images, logits or labels that cannot be attacked.
    """
    images = check_images(images)
    criterion = Untargeted(labels)
    labels = criterion.labels
    with frozen(classifier):
        first = first_logits(classifier, images)
        check_labels(labels, len(images), first.shape[1])
        gradient, _, logits = evaluate(classifier, images, criterion, logit_margin)
        again, _, logits_again = evaluate(classifier, images, criterion, logit_margin)
        of_entropy, _, _ = evaluate(classifier, images, criterion, cross_entropy)
    return GradientSigns(
        prediction=logits.argmax(1),
        zero_gradient=LINF.size(of_entropy) == 0,
        zero_margin_gradient=LINF.size(gradient) == 0,
        saturated=logits.softmax(1).gather(1, labels[:, None])[:, 0] == 1,
        variation=_difference(_centred(logits), _centred(logits_again)).maximum(
            _difference(gradient, again)
        ),
    )


def ball_signs(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    norm: NormName,
    eps: Sequence[float],
    randomness: Randomness,
    steps: int = STEPS,
    draws: int = DRAWS,
) -> BallSigns:
    """Return which images are broken at each `eps`, by PGD and by random noise.

    `eps` grows, in pixel units; PGD takes `steps` steps, noise `draws` draws.

    The noise has a random direction and the length eps, before it is clipped to the box [0, 1],
    which keeps it in the ball; a draw has the same direction at each eps. Cost: 1 forward pass a
    sample, and for each that is classified right at most `steps + 2 + draws` forward and `steps`
    backward passes an eps. Raises ValueError as `gradient_signs` does.
    """
    images = check_images(images)
    wrong = predict(classifier, images) != labels
    by_attack = wrong[:, None].repeat(1, len(eps))
    by_noise = by_attack.clone()
    right = (~wrong).nonzero()[:, 0]
    if len(right):
        own, criterion, source = (
            take_rows(classifier, right),
            Untargeted(labels[right]),
            randomness.take(right),
        )
        for column, radius in enumerate(eps):
            by_attack[right, column] = PGD(eps=radius, norm=norm, steps=steps)(
                own, images[right], criterion, source
            ).found
        by_noise[right] = _broken_by_noise(own, images[right], criterion, norm, eps, source, draws)
    return BallSigns(by_attack, by_noise)


def _broken_by_noise(
    classifier: Classifier,
    images: Tensor,
    criterion: Untargeted,
    norm: NormName,
    eps: Sequence[float],
    randomness: Randomness,
    draws: int,
) -> Tensor:
    ball, broken = (
        norms.norm_by_name(norm),
        torch.zeros(len(images), len(eps), dtype=torch.bool, device=images.device),
    )
    for draw in range(draws):
        noise = ball.random(randomness.stream("noise", draw), tuple(images.shape[1:]), 1.0).to(
            images.dtype
        )
        direction = noise / norms.per_sample(ball.size(noise), noise)
        with frozen(classifier), torch.no_grad():
            for column, radius in enumerate(eps):
                broken[:, column] |= criterion.holds(
                    logits_of(classifier, (images + radius * direction).clamp(0, 1))
                )
    return broken


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(1, keepdim=True)


def _difference(a: Tensor, b: Tensor) -> Tensor:
    """Return the relative difference in the largest coordinate, `(B,)`.

    It is `max |a - b| / max(|a|, |b|)`; 0 where both are 0.
    """
    scale = LINF.size(a).maximum(LINF.size(b))
    return LINF.size(a - b) / scale.clamp(min=torch.finfo(a.dtype).tiny)
