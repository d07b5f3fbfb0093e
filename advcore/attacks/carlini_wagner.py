"""The attack of Carlini and Wagner (2017) in l2.

A penalty, a change of variables, Adam, and a search for the penalty's weight.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.ascent import evaluate
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.search import solve
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.objectives import logit_margin
from advcore.randomness import Randomness

SATURATED_VARIABLE = 3.0
"""Beyond this |w| an image is within 1/400 of a face of the box, from where Adam needs some hundred
steps to come in."""


@dataclass(frozen=True)
class CarliniWagner:
    """Find the shortest adversarial `x'` in l2 by a penalty on the logit margin.

    Minimise

        ||x' - x||_2^2 + c max(-m(x'), -confidence),   x' = (tanh(w) + 1) / 2,

    over `w` with Adam; `m` is the logit margin, positive if adversarial. The weight `c`, one per
    sample, is multiplied by 10 until the minimisation meets an adversarial image, then bisected,
    each time from `x` anew (Carlini and Wagner, Towards evaluating the robustness of neural
    networks, S&P 2017, sections V and VI). The shortest adversarial `x'` over all iterates and
    weights is kept.

    `w` starts at arctanh(0.999999 (2 x - 1)), finite on the box's faces; distances are to `x`
    itself.

    Guarantee: an upper bound on the minimal distance.

    Attributes:
        steps: steps of Adam for one weight; published with 10,000, mostly run with 1,000. One
            forward and one backward pass each.
        searches: number of weights that are tried.
        learning_rate: learning rate of Adam, in units of `w`: half of it in pixels at gray, less
            toward the faces of the box.
        weight: first weight c.
        confidence: margin that an adversarial image must have, in units of the logits.
        abort_early: let a sample leave a minimisation that has not lowered its loss by 0.01 % in a
            tenth of the steps. It stays if it has met no adversarial image yet and one of its
            pixels is on the way in from a face of the box: there `w` is 7, and the loss does not
            move for some hundred steps.
        box: keep `x'` in [0, 1], by tanh; without the box, `x' = (w + 1) / 2`, the same at gray.
    """

    norm: ClassVar[str] = "l2"

    steps: int = 1000
    searches: int = 9
    learning_rate: float = 0.01
    weight: float = 1e-3
    confidence: float = 0.0
    abort_early: bool = True
    box: bool = True

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(
                "steps must be at least 2, as the first looks at the image itself; got "
                f"{self.steps}"
            )
        if self.searches < 1:
            raise ValueError(f"searches must be at least 1; got {self.searches}")
        for name in ("learning_rate", "weight"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be positive and finite; got {getattr(self, name)}")
        if not 0 <= self.confidence < float("inf"):
            raise ValueError(f"confidence must be finite and not negative; got {self.confidence}")

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
        weight = images.new_full((len(images),), self.weight)
        low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)
        result, shortest = images.clone(), torch.full_like(weight, torch.inf)
        spent = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        for _ in range(self.searches):
            tried, distance, steps = self._minimise(classifier, images, criterion, weight)
            met = distance.isfinite()
            wins = (distance < shortest) | shortest.isinf()  # while none is found, the last try
            result, shortest = (
                torch.where(per_sample(wins, images), tried, result),
                shortest.minimum(distance),
            )
            spent += steps
            low, high = torch.where(met, low, weight), torch.where(met, weight, high)
            weight = torch.where(high.isfinite(), (low + high) / 2, 10 * weight)
        return SearchResult(result, spent, spent.clone())

    def _minimise(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Minimise for one weight per sample.

        Return the shortest adversarial iterate, or the last one, its length (inf where none), the
        steps.
        """
        result, shortest = images.clone(), torch.full_like(weight, torch.inf)
        spent = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        run = _Run.start(images, weight, self.box)
        tenth = max(self.steps // 10, 1)
        for step in range(self.steps):
            squashed, current = run.look()
            gradient, margin, logits = evaluate(classifier, current, criterion, logit_margin)
            way = current - run.origin
            square = way.flatten(1).square().sum(1)
            met = criterion.holds(logits) & (margin >= self.confidence)
            run = run.note(current, torch.where(met, square, torch.inf))
            push = torch.where(margin < self.confidence, run.weight, 0)
            down = 2 * way - per_sample(push, way) * gradient
            run = run.step(
                down / 2 if squashed is None else down * (1 - squashed.square()) / 2,
                self.learning_rate,
            )
            if self.abort_early and step % tenth == 0:
                loss = square + run.weight * (-margin).clamp(min=-self.confidence)
                going = ~(loss > 0.9999 * run.loss) | run.leaves_wall(
                    self.learning_rate * tenth / 2
                )
                run = replace(run, loss=loss, before=run.variable)
                if not going.all():
                    gone, index = (~going).nonzero()[:, 0], going.nonzero()[:, 0]
                    rows = run.rows[gone]
                    result[rows], shortest[rows], spent[rows] = (
                        run.best[gone],
                        run.shortest[gone],
                        step + 1,
                    )
                    run, criterion, classifier = (
                        run.take(index),
                        criterion.take(index),
                        take_rows(classifier, index),
                    )
                    if not len(index):
                        break
        result[run.rows], shortest[run.rows], spent[run.rows] = run.best, run.shortest, self.steps
        return result, shortest.sqrt(), spent


@dataclass(frozen=True, eq=False)
class _Run:
    """The state of the samples `rows` that have not left.

    Adam's state, loss and variable at the last check, the shortest adversarial iterate (the last
    one while there is none) and its squared length.
    """

    rows: Tensor
    origin: Tensor
    weight: Tensor
    loss: Tensor
    best: Tensor
    shortest: Tensor
    variable: Tensor
    before: Tensor
    mean: Tensor
    square: Tensor
    boxed: bool
    count: int = 0

    @staticmethod
    def start(images: Tensor, weight: Tensor, boxed: bool) -> "_Run":
        variable = torch.atanh((2 * images - 1) * 0.999999) if boxed else 2 * images - 1
        none = torch.zeros_like(images)
        rows = torch.arange(len(images), device=images.device)
        unknown = torch.full_like(weight, torch.inf)
        return _Run(
            rows, images, weight, unknown, images, unknown, variable, variable, none, none, boxed
        )

    def look(self) -> tuple[Tensor | None, Tensor]:
        """tanh(w) if there is a box, and the images."""
        if not self.boxed:
            return None, (self.variable + 1) / 2
        squashed = torch.tanh(self.variable)
        return squashed, (squashed + 1) / 2

    def note(self, images: Tensor, square: Tensor) -> "_Run":
        """Keep images with a smaller `square`, `(B,)`.

        It is inf where they are not adversarial.
        """
        wins = (square < self.shortest) | self.shortest.isinf()
        return replace(
            self,
            best=torch.where(per_sample(wins, images), images, self.best),
            shortest=self.shortest.minimum(square),
        )

    def leaves_wall(self, way: float) -> Tensor:
        """Return which samples are about to leave a face of the box, `(B,)`.

        They have met no adversarial image yet, but have a pixel that came inward from a face by
        `way`, in units of `w`, since the last check, and is still where tanh is flat and the loss
        does not feel it.
        """
        inward = (self.before.abs() - self.variable.abs() > way) & (
            self.variable.abs() > SATURATED_VARIABLE
        )
        return inward.flatten(1).any(1) & self.shortest.isinf() & self.boxed

    def step(self, gradient: Tensor, rate: float) -> "_Run":
        """Take one step of Adam down the gradient in `variable`.

        Source: Kingma and Ba 2015, with its constants .9, .999, 1e-8.
        """
        count = self.count + 1
        mean, square = (
            torch.lerp(gradient, self.mean, 0.9),
            torch.lerp(gradient.square(), self.square, 0.999),
        )
        way = mean / (1 - 0.9**count) / ((square / (1 - 0.999**count)).sqrt() + 1e-8)
        return replace(
            self, variable=self.variable - rate * way, mean=mean, square=square, count=count
        )

    def take(self, index: Tensor) -> "_Run":
        """The state of the samples `index`."""
        kept = {
            name: value[index] for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **kept)  # type: ignore[arg-type]
