"""Signs of gradient masking in a table: the share of samples that show each, and warnings."""

from collections.abc import Mapping

import torch
from torch import Tensor

from advcore.counts import counted
from advcore.probes.probe import Summary
from advcore.probes.table import Table

TOLERATED = 0.01
"""The share of the samples classified right above which a sign is a warning. Fewer move a robust
accuracy by a point at most, which is the standard error of one measured on some 2,500 samples."""

VARIES = 1e-3
"""The relative difference of two calls above which they vary. Sums in another order, as GPUs make
them, differ by some 1e-6 in float32."""


def summarise_signs(table: Table) -> Summary:
    """Return the share of the samples classified right that show each sign, and warnings.

    Shares are NaN where none is right; there is a warning for each above TOLERATED.

    The table has `label`, `prediction` and the columns of signs, one row a sample, or one a sample
    x attack: there is a column `attack` then, by which `worse_than_noise` is told apart. The
    columns `regained` and `worse_than_noise` may be missing.
    """
    right = table.numbers("label") == table.numbers("prediction")
    columns = {
        name: table.numbers(name) for name in ("zero_gradient", "zero_margin_gradient", "saturated")
    }
    columns["varying"] = table.numbers("variation") > VARIES
    if "regained" in table:
        columns["regained"] = table.numbers("regained")
    shares = {name: _share(column[right]) for name, column in columns.items()}
    worse = _worse_than_noise(table, right) if "worse_than_noise" in table else {}
    scalars = shares | {f"worse_than_noise/{attack}": share for attack, share in worse.items()}
    return Summary(
        scalars, warnings=_warnings(shares, worse), meanings=_meanings(*_samples(table, right))
    )


def _samples(table: Table, right: Tensor) -> tuple[int, int]:
    """Return how many samples are classified right, and how many there are.

    Each may have several rows.
    """
    sample = table.numbers("sample") if "sample" in table else torch.arange(len(right))
    return len(sample[right].unique()), len(sample.unique())


def _meanings(right: int, count: int) -> dict[str, str]:
    of = f"share of the {counted(right, 'sample')} classified right of {count}"
    return {
        "zero_gradient": (
            f"{of}, at whose image the gradient of cross-entropy (true label) is exactly 0"
        ),
        "zero_margin_gradient": (
            f"{of}, at whose image the gradient of the logit margin is exactly 0"
        ),
        "saturated": f"{of}, whose label's probability rounds to 1",
        "varying": (
            f"{of}, whose logits or gradients differ between two calls by more than "
            f"{VARIES:g}, relatively"
        ),
        "regained": f"{of}, that a short PGD breaks at some eps and not at a larger one",
        "worse_than_noise": (
            f"{of}, that random noise breaks at an eps at which this attack does not"
        ),
    }


def _worse_than_noise(table: Table, right: Tensor) -> dict[str, float]:
    """Return the samples worse than noise by attack.

    The attack is the short PGD if the table names none.
    """
    worse = table.numbers("worse_than_noise")
    if "attack" not in table:
        return {"short_pgd": _share(worse[right])}
    return {
        name: _share(worse[table.rows_with("attack", name) & right])
        for name in dict.fromkeys(table.words("attack"))
    }


def _share(flags: Tensor) -> float:
    return flags.double().mean().item()


def _warnings(shares: Mapping[str, float], worse: Mapping[str, float]) -> dict[str, str]:
    """One sentence for each sign above TOLERATED: the number, what it means, what to do."""
    of, entropy, margin = (
        "of the samples classified right",
        shares["zero_gradient"],
        shares["zero_margin_gradient"],
    )
    saturated, varying, regained = (
        shares["saturated"],
        shares["varying"],
        shares.get("regained", 0.0),
    )
    behind = {name: share for name, share in worse.items() if share > TOLERATED}
    moving = "take the objective logit_margin or logit_ratio, or deepfool"
    blind = (
        "take an attack without gradients (square), or put a differentiable stand-in where the "
        "gradient is lost"
    )
    signs = {
        "zero_gradients": (
            max(entropy, margin),
            f"the gradient of cross-entropy is exactly 0 on {entropy:.1%} {of}, and that of the "
            f"logit margin on {margin:.1%}; attacks that follow such a gradient do not move: "
            f"{blind if margin > TOLERATED else moving}",
        ),
        "saturated_logits": (
            saturated,
            f"the label's probability rounds to 1 on {saturated:.1%} {of}; there the gradient of "
            "cross-entropy is lost in other libraries and tiny in advcore: besides attacks that "
            "maximise it, take objective: logit_margin or logit_ratio, or deepfool",
        ),
        "varying_gradients": (
            varying,
            f"logits or gradients differ between two calls at the same image on {varying:.1%} "
            f"{of}, because the classifier is random: "
            "fix its noise, or attack the mean over many of its draws",
        ),
        "rising_accuracy": (
            regained,
            f"a short PGD breaks {regained:.1%} {of} at some eps but not at a larger one, so that "
            "accuracy rises with eps: the gradients mislead it; take the worst of several "
            "attacks, one of them without gradients (square)",
        ),
        "worse_than_noise": (
            max(behind.values(), default=0.0),
            "random noise breaks samples at an eps at which the attack does not "
            f"({_shares_text(behind)} {of}): give the attack more steps and restarts, or take one "
            "without gradients (square)",
        ),
    }
    return {name: sentence for name, (share, sentence) in signs.items() if share > TOLERATED}


def _shares_text(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
