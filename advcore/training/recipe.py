"""A recipe: all that decides how a network is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, get_args

from advcore.training.augmentation import Augmentation
from advcore.training.change import Change, changed
from advcore.training.optimisers import OptimiserName, check_optimiser
from advcore.training.schedule import Linear, Schedule, scheduled
from advcore.training.term import CrossEntropy, Term

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum, by default under a triangular learning rate.

    The defaults are those of Ortiz-Jimenez et al. 2020 (Hold me tight).

    Attributes:
        objective: terms whose weighted sum a step minimises, by name.
        schedules: factors of the objective's numbers over the training, by dotted name, such as
            `cure.h` or `adversarial.attack.eps`.
        changes: other numbers from a later epoch on, in the order of their epochs.
        epochs: passes over the training set.
        batch_size: samples a step; the last, smaller batch of an epoch counts too. A last sample
            alone joins the batch before it where the network has batch normalisation.
        learning_rate: learning rate that `rate` multiplies.
        rate: schedule of the learning rate; a triangle that peaks at 0.4 of all steps.
        optimiser: sgd, adam or adamw; a learning rate for SGD is far too large for the two others,
            which want 1e-3 or so.
        momentum: momentum of SGD, and the decay of the first moment in Adam.
        nesterov: look ahead, with SGD.
        weight_decay: factor of the weights that is added to the gradient, but beside it in AdamW.
        gradient_clip: largest l2 norm of the whole gradient; None for no limit.
        augmentation: changes of each image before a step, one after the other; each epoch anew.
        ema: decay of the moving average of the weights, 0.999 say, which is then what is tested and
            handed out; see `average`.
        precision: floating-point type of the passes of a step, attacks included; weights stay in
            float32. float16 scales the loss.
        channels_last: keep images with their channels innermost, which is faster for convolutions
            on many devices.
        compile: run the steps through torch.compile; gradients of gradients (cure) and attacks
            other than FGSM and PGD cannot be compiled and run as they are.
        seed: seed of the order of samples and of all noise; the network's first weights come from
            its own specification.
        weight_clip: largest magnitude of a trained parameter, to which each is clipped after each
            step (projected gradient descent, with SGD); None for no limit.
    """

    objective: dict[str, Term] = field(default_factory=lambda: {"cross_entropy": CrossEntropy()})
    schedules: dict[str, Schedule] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.21
    rate: Schedule = field(default_factory=lambda: Linear(((0.0, 0.0), (0.4, 1.0), (1.0, 0.0))))
    optimiser: OptimiserName = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    gradient_clip: float | None = 0.5
    augmentation: tuple[Augmentation, ...] = ()
    ema: float | None = None
    precision: Precision = "float32"
    channels_last: bool = False
    compile: bool = False
    seed: int = 0
    weight_clip: float | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        check_optimiser(self.optimiser, self.momentum, self.nesterov)
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must not be negative; got {self.weight_decay}")
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise ValueError(
                f"gradient_clip must be positive, or None for no limit; got {self.gradient_clip}"
            )
        if self.weight_clip is not None and not self.weight_clip > 0:
            raise ValueError(
                f"weight_clip must be positive, or None for no limit; got {self.weight_clip}"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(
                f"ema must lie in (0, 1), or be None for no average of the weights; got {self.ema}"
            )
        if self.precision not in get_args(Precision):
            raise ValueError(
                f"precision must be one of {', '.join(get_args(Precision))}; got {self.precision!r}"
            )
        if not self.objective:
            raise ValueError(
                "objective needs at least one term; the plain one is {cross_entropy: {kind: "
                "cross_entropy}}"
            )
        moments = [change.after for change in self.changes]
        if any(b <= a for a, b in pairwise(moments)) or (moments and moments[-1] >= self.epochs):
            raise ValueError(
                f"changes need epochs that ascend and come before the last one, {self.epochs}; "
                f"got after {moments}"
            )
        for moment in moments:
            self.after(moment)
        for progress in PROBED:
            if not any(term.weight for term in self.objective_at(progress).values()):
                raise ValueError(
                    f"every term of the objective has weight 0 at {progress:.1%} of the steps; "
                    "leave one above 0"
                )

    def after(self, epochs: int) -> "Recipe":
        """Return the recipe of the next epoch when so many are done.

        It holds its changes up to then, and none to come.
        """
        return changed(
            replace(self, changes=()),
            tuple(change for change in self.changes if change.after <= epochs),
        )

    def objective_at(self, progress: float) -> Mapping[str, Term]:
        """The objective when a share `progress`, inside (0, 1), of all steps is done."""
        return scheduled(self.objective, self.schedules, progress)


PROBED = (0.001, 0.5, 0.999)
"""Points at which the schedules of a new recipe are tried, so that a number which they make
impossible is refused at once."""
