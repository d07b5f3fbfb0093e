"""A recipe: all that decides how a network is trained."""

from dataclasses import dataclass, field

from advcore.training.objective import CrossEntropy, Objective


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum under a triangular learning rate, as in Ortiz-Jimenez et al. 2020 (Hold me tight).

    Attributes:
        objective: what a step minimises.
        epochs: passes over the training set.
        batch_size: samples a step; the last, smaller batch of an epoch counts too.
        learning_rate: at the peak of the triangle, which starts and ends at 0.
        peak: where the triangle peaks, as a share of all steps.
        momentum, weight_decay: of SGD.
        gradient_clip: largest l2 norm of the whole gradient; None for no limit.
        seed: of the order of samples and of the attacks' noise; the network's first weights come from its own specification.
    """

    objective: Objective = field(default_factory=CrossEntropy)
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.21
    peak: float = 0.4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    gradient_clip: float | None = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        for name in ("momentum", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)}")
        if not 0 < self.peak < 1:
            raise ValueError(f"peak must lie inside (0, 1), a share of all steps; got {self.peak}")
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise ValueError(f"gradient_clip must be positive, or None for no limit; got {self.gradient_clip}")

    def rate(self, progress: float) -> float:
        """The learning rate when a share `progress` of all steps is done."""
        rising = progress / self.peak
        falling = (1 - progress) / (1 - self.peak)
        return self.learning_rate * min(rising, falling)
