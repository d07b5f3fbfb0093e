"""Validation: samples held out of the training set.

They choose the epoch that is handed out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks import Attack, kind_and_norm
from advcore.attacks.attack import has_budget
from advcore.attacks.budget import check_eps
from advcore.attacks.climbing import climbed
from advcore.classifier import frozen
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from advcore.training.inputs import Inputs

History = Sequence[Mapping[str, float]]
"""The metrics of each epoch so far."""


@dataclass(frozen=True)
class Validation:
    """Clean and robust accuracy and loss on held-out samples after each epoch.

    Robust overfitting (Rice et al. 2020) is why the last epoch of adversarial training is seldom
    the best. Never choose by test samples: an epoch chosen by its test accuracy has seen them.

    Attributes:
        samples: number of samples held out of the training samples, or a share below 1.0.
        attack: cheap attack with a budget, in any threat model, with its eps, the same noise in
            each epoch; without one, epochs are judged by clean accuracy.
        seed: seed of the choice of samples, whatever the recipe's.
        patience: stop after so many epochs without a better one; None trains to the end.
        keep_best: hand out the best epoch's network instead of the last one's.
    """

    samples: int | float = 0.1
    attack: Attack | None = None
    seed: int = 0
    patience: int | None = None
    keep_best: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.samples < 1 if isinstance(self.samples, float) else self.samples > 0):
            raise ValueError(
                "samples must be a number of samples, 1 or more, or a share between 0.0 and "
                f"1.0; got {self.samples}"
            )
        if self.attack is not None:
            if not has_budget(self.attack):
                raise ValueError(
                    f"validation needs an attack with a budget; {kind_and_norm(self.attack)} "
                    "always goes on to another class"
                )
            check_eps(self.attack.eps, wanted=True)
        if self.patience is not None and self.patience < 1:
            raise ValueError(
                "patience must be at least 1 epoch, or None to train to the end; got "
                f"{self.patience}"
            )

    def measure(
        self, network: nn.Module, images: Inputs, labels: Tensor, size: int = 500
    ) -> dict[str, float]:
        """Measure accuracy and mean cross-entropy on held-out images `(N, C, H, W)`.

        Both are measured on adversarial images of them too.
        """
        randomness = Randomness(self.seed, torch.arange(len(images), device=images.device)).stream(
            "validation"
        )
        sums: dict[str, float] = {}
        with frozen(network):
            for rows in torch.arange(len(images), device=images.device).split(size):
                clean, truth = images[rows], labels[rows]
                seen = {"": clean}
                if self.attack is not None:
                    seen["robust_"] = climbed(
                        self.attack, network, clean, Untargeted(truth), randomness.take(rows)
                    )
                for kind, inputs in seen.items():
                    with torch.no_grad():
                        logits = network(inputs)
                    found = {
                        "accuracy": (logits.argmax(1) == truth).sum(),
                        "loss": F.cross_entropy(logits, truth, reduction="sum"),
                    }
                    for name, value in found.items():
                        key = f"validation/{kind}{name}"
                        sums[key] = sums.get(key, 0.0) + value.item()
        return {name: value / len(images) for name, value in sums.items()}

    def best(self, history: History) -> int:
        """Return the number of the first epoch with the highest robust accuracy.

        It is clean accuracy without an attack; 0 before any epoch.
        """
        name = "validation/accuracy" if self.attack is None else "validation/robust_accuracy"
        return max(
            range(1, len(history) + 1), key=lambda number: history[number - 1][name], default=0
        )

    def stops(self, history: History) -> bool:
        """Return whether the best epoch is `patience` epochs ago."""
        return self.patience is not None and len(history) - self.best(history) >= self.patience
