"""Detectors of the two ways in which adversarial training overfits.

They work from the numbers of each epoch.
"""

from collections.abc import Mapping, Sequence

SHARE = 0.5
"""Robust accuracy below this share of its best counts as lost."""

ACCURACY_GAP = 0.2
"""Accuracy by which the one-step attack's must stand higher."""

LOSS_RISE = 0.05
"""A loss that is higher by this share than its lowest has risen."""


def catastrophic_overfitting(epochs: Sequence[Mapping[str, float]]) -> int | None:
    """Return the first epoch, from 1, that had overfitted to the one-step attack.

    None if none has.

    Wong et al. (2020), Andriushchenko and Flammarion (2020): within an epoch or two PGD's accuracy
    falls to nothing while FGSM's rises, and the gradients at x and close by cease to be aligned.
    Here: `pgd_accuracy` is below half of its best so far, `fgsm_accuracy` is higher by 0.2 or more,
    and `gradient_cosine` is lower than it was at that best, or NaN: no gradient is left.

    Args:
        epochs: each with the numbers of `Diagnosis` by name.
    """
    best = epochs[0] if epochs else {}
    for number, epoch in enumerate(epochs, 1):
        if epoch["pgd_accuracy"] >= best["pgd_accuracy"]:
            best = epoch
        lost = epoch["pgd_accuracy"] < SHARE * best["pgd_accuracy"]
        hidden = epoch["fgsm_accuracy"] - epoch["pgd_accuracy"] > ACCURACY_GAP
        aligned = epoch["gradient_cosine"] >= best["gradient_cosine"]  # False where either is NaN
        if lost and hidden and not aligned:
            return number
    return None


def robust_overfitting(training: Sequence[float], validation: Sequence[float]) -> int | None:
    """Return the epoch, from 1, after which the robust loss rose for good.

    It is the loss on held-out samples; None if it has not risen.

    Rice et al. (2020): the robust loss on held-out samples rises while that on training samples
    still falls. Here: at the last two epochs the held-out loss is above its lowest by a twentieth
    or more, and the training loss below what it was there.

    Args:
        training: the robust loss of training samples at each epoch.
        validation: that of held-out samples.
    """
    if len(training) != len(validation):
        raise ValueError(
            f"robust losses need one of training for each of validation; got {len(training)} "
            f"and {len(validation)}"
        )
    if len(validation) < 3:
        return None
    lowest = min(range(len(validation)), key=validation.__getitem__)
    after = range(len(validation) - 2, len(validation))
    risen = all(
        epoch > lowest and validation[epoch] > (1 + LOSS_RISE) * validation[lowest]
        for epoch in after
    )
    return lowest + 1 if risen and training[-1] < training[lowest] else None


def overfitting(history: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """Return the ways in which a training has overfitted so far, each with its epoch.

    They are found from the metrics of its epochs.

    `catastrophic` shows where `Diagnosis` watches (`watch/pgd_accuracy`, ...), `robust` where
    validation has an attack: the robust loss on held-out samples beside the objective, which is the
    robust loss on training samples in adversarial training.
    """
    found: dict[str, int | None] = {}
    if history and "watch/pgd_accuracy" in history[0]:
        numbers = [
            {name.removeprefix("watch/"): value for name, value in epoch.items()}
            for epoch in history
        ]
        found["catastrophic"] = catastrophic_overfitting(numbers)
    if history and "validation/robust_loss" in history[0]:
        found["robust"] = robust_overfitting(
            *([epoch[name] for epoch in history] for name in ("loss", "validation/robust_loss"))
        )
    return {name: number for name, number in found.items() if number is not None}
