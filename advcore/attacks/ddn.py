"""DDN: decoupled direction and norm (Rony et al. 2019)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.boundary_walk import Iterate, cosine, walk
from advcore.attacks.search import solve
from advcore.classifier import Classifier, logits_of
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True)
class DDN:
    """Find the shortest `r` in l2 by turning it along the gradient of the cross-entropy.

    Its length is set by whether `x + r` is adversarial.

    With `g` the gradient at `x + r`, one step is

        radius <- (1 - gamma) radius where x + r is adversarial, (1 + gamma) radius elsewhere
        r      <- radius * (r + a g / ||g||) / || r + a g / ||g|| ||,   then x + r into the box,

    `a` falling from `step` to `last_step` along a cosine (Rony et al., Decoupling direction and
    norm for efficient gradient-based l2 adversarial attacks and defenses, CVPR 2019, algorithm 1).
    The shortest adversarial iterate is kept.

    Only the direction of the gradient counts, and the cross-entropy's is that of `log sum_{k !=
    label} exp z_k - z_label`, by the positive factor `1 - p_label`. That form is what is
    differentiated: confident logits underflow the factor in float32, where the published one loses
    its way. Two choices the published attack leaves to the model:

    - logits of another scale are another attack: with small ones `g` averages over classes.
      `spread` rescales them.
    - published results are rounded to 256 levels; here to none by default, as no other attack
      rounds.

    Guarantee: an upper bound on the minimal distance.

    Attributes:
        steps: number of iterates, one forward and one backward pass each.
        init_norm: first radius, in pixel units.
        gamma: share by which the radius changes per step.
        step: first length `a` of the step along the unit gradient, in pixel units.
        last_step: last length of the step, in pixel units.
        spread: logits are multiplied, per sample, so that at `x` the label (or the strongest class,
            when targeted) leads the others' mean by this much; None takes them as they come, as
            published.
        levels: number of equidistant levels to which `x + r` is rounded at each step; None does not
            round. The result then lies on the levels, and, like any, is verified as it stands.
        box: keep `x + r` in [0, 1]; levels need it.
    """

    norm: ClassVar[str] = "l2"

    steps: int = 100
    init_norm: float = 1.0
    gamma: float = 0.05
    step: float = 1.0
    last_step: float = 0.01
    spread: float | None = None
    levels: int | None = None
    box: bool = True

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(
                "steps must be at least 2, as the first looks at the image itself; got "
                f"{self.steps}"
            )
        for name in ("init_norm", "step", "last_step", "spread"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite; got {value}")
        if not 0 < self.gamma < 1:
            raise ValueError(
                "gamma must lie between 0 and 1, as the radius shrinks by 1 - gamma; got "
                f"{self.gamma}"
            )
        if self.levels is not None and (self.levels < 2 or not self.box):
            raise ValueError(
                f"levels must be at least 2, and need box=True; got levels={self.levels}, "
                f"box={self.box}"
            )

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve(
            self._search,
            norms.L2,
            Status.FAILED,
            classifier,
            images,
            criterion,
            randomness,
            self.box,
        )

    def _search(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        radius = images.new_full((len(images),), self.init_norm)
        farthest = (
            norms.L2.size(torch.maximum(images, 1 - images))
            if self.box
            else radius.new_tensor(torch.inf)
        )
        scale = self._scale(classifier, images, criterion)

        def objective(logits: Tensor, criterion: Criterion) -> Tensor:
            return soft_margin(logits if scale is None else logits * scale[:, None], criterion)

        def move(step: int, iterate: Iterate) -> Tensor:
            nonlocal radius
            shorter, longer = radius * (1 - self.gamma), radius * (1 + self.gamma)
            radius = torch.where(iterate.found, shorter, longer).minimum(farthest)
            length = cosine(self.step, self.last_step, step, self.steps)
            turned = iterate.perturbations + length * norms.L2.steepest(iterate.gradient)
            return self._snap(images + per_sample(radius, images) * norms.L2.steepest(turned))

        tries = walk(classifier, images, criterion, objective, norms.L2, self.steps, move)
        return (
            tries
            if scale is None
            else SearchResult(tries.images, tries.queries + 1, tries.gradients)
        )

    def _snap(self, images: Tensor) -> Tensor:
        if self.box:
            images = images.clamp(0, 1)
        return (
            images
            if self.levels is None
            else (images * (self.levels - 1)).round() / (self.levels - 1)
        )

    def _scale(self, classifier: Classifier, images: Tensor, criterion: Criterion) -> Tensor | None:
        """Return the factor for the logits of each sample, `(B,)`; 1 where they do not differ."""
        if self.spread is None:
            return None
        with torch.no_grad():
            logits = logits_of(classifier, images)
        top = logits.amax(1)
        lead = (top - (logits.sum(1) - top) / (logits.shape[1] - 1)).clamp(min=0)
        return torch.where(lead > 0, self.spread / lead, 1)


def soft_margin(logits: Tensor, criterion: Criterion) -> Tensor:
    """`log sum_{k != label} exp z_k - z_label`, or its negative for the target, `(B,)`.

    With `p` the softmax, the gradient of the cross-entropy is `1 - p_label` times this one's, in
    the logits and so in anything else; this one's largest entry is always of size 1.
    """
    classes = criterion.classes[:, None]
    lead = logits.scatter(1, classes, -torch.inf).logsumexp(1) - logits.gather(1, classes)[:, 0]
    return -lead if criterion.targeted else lead
