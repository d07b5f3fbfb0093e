"""Attacks in the ball that holds an altered image: they must break whatever the alteration breaks.

Article: section IV-C.1, eqs. 20 and 21.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from advcore.alterations import Alteration
from advcore.attacks import APGD, PGD, Attack, Within, has_budget, kind_and_norm
from advcore.attacks.attack import norm_of, with_budget
from advcore.classifier import (
    Classifier,
    check_images,
    check_labels,
    first_logits,
    frozen,
    full_precision,
    predict,
)
from advcore.counts import counted
from advcore.criteria import Untargeted
from advcore.norms import NORMS, norm_by_name
from advcore.probes.attack_labels import told_apart
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.threats.started import StartedBalls

STARTED = "started"
"""The name in tables of the attack that starts at the altered image."""


@dataclass(frozen=True)
class CorruptionBound:
    """Attacks of each sample in the ball `||r|| <= ||c(x) - x||` that its altered image just meets.

    Where the alteration c changes the predicted label, the ball holds an adversarial image: no
    classifier is more robust there to the worst perturbation than to c. One attack starts at c(x),
    and so breaks whatever c breaks: a bound that holds sample by sample. What others, which do not
    know c(x), miss of that tells of them only where the ball is little larger than the margin; what
    they break besides tells how far the worst case is from chance. There is one row per sample x
    attack.

    Columns: `sample`; `attack`, by name, `started` for the one that starts at c(x); `size`, the
    norm of `c(x) - x`, which is the radius, in pixel units; `broken`, whether c changes the
    predicted label; `found`, whether the attack does, inside the radius; `missed`, broken by c but
    not by the attack; `gained`, broken by the attack but not by c; `distance`, the norm of what the
    attack found, inf where it found none. By the true label: `error`, whether c(x) is labelled
    wrongly, and `added_error`, that less the same of x: -1, 0 or 1.

    Attributes:
        alteration: way in which images are altered.
        attacks: attacks that start where they always do; one with a budget leaves its eps out, and
            what a minimal-norm attack finds counts if it is no longer than the radius.
        started: attack that starts at the altered image, in the norm of the others.
    """

    alteration: Alteration
    attacks: tuple[Attack, ...] = ()
    started: PGD | APGD = field(default_factory=lambda: PGD(norm="l2", steps=20))

    def __post_init__(self) -> None:
        for attack in (*self.attacks, self.started):
            if has_budget(attack) and attack.eps is not None:
                raise ValueError(
                    f"{kind_and_norm(attack)} takes its eps from the altered image; leave it out"
                )
        norms = sorted({norm_of(attack) for attack in (*self.attacks, self.started)})
        if len(norms) > 1 or norms[0] not in NORMS:
            raise ValueError(
                f"the attacks must share one of the norms {', '.join(NORMS)}, that of the started "
                f"one; got {', '.join(norms)}"
            )
        if isinstance(self.started, PGD) and not self.started.random_start:
            raise ValueError("started needs random_start: its random start is the altered image")
        if len(set(told_apart(self.attacks))) < len(self.attacks):
            raise ValueError("attacks must be different ones, each once")

    @property
    def box(self) -> bool:
        """True: alterations are of images in [0, 1]."""
        return True

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for inputs that cannot be altered."""
        self.alteration.check(shape)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"attack": self._names}

    @property
    def _names(self) -> list[str]:
        return [*told_apart(self.attacks), STARTED]

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        inputs = check_images(batch.inputs)
        altered = self.alteration(inputs, batch.indices)
        size = norm_by_name(norm_of(self.started)).size(altered - inputs)
        with full_precision():
            with frozen(classifier):
                logits = first_logits(classifier, inputs)
            check_labels(batch.labels, len(inputs), logits.shape[1])
            label = logits.argmax(1)
            altered_label = predict(classifier, altered)
        broken, error = altered_label != label, altered_label != batch.labels
        results = [
            with_budget(attack, size)(classifier, inputs, Untargeted(label), randomness)
            for attack in (*map(_within, self.attacks), self._from_altered())
        ]
        found = torch.cat([result.found for result in results])
        times = len(results)
        return Table(
            {
                "sample": batch.indices.repeat(times),
                "attack": [name for name in self._names for _ in range(len(inputs))],
                "size": size.repeat(times),
                "broken": broken.repeat(times),
                "found": found,
                "missed": broken.repeat(times) & ~found,
                "gained": ~broken.repeat(times) & found,
                "error": error.repeat(times),
                "added_error": (error.long() - (label != batch.labels).long()).repeat(times),
                "distance": torch.cat([result.distance for result in results]),
            }
        )

    def _from_altered(self) -> Attack:
        threat = StartedBalls(norm_of(self.started), self.alteration, self.started.box)
        return replace(self.started, threat=threat)

    def summarise(self, table: Table) -> Summary:
        names = list(dict.fromkeys(table.words("attack")))
        scalars = dict[str, float]()
        for name in names:
            own = table.take(table.rows_with("attack", name))
            for column in ("broken", "error", "added_error"):
                scalars[column] = own.numbers(column).double().mean().item()
            for column in ("found", "missed", "gained"):
                scalars[f"{column}/{name}"] = own.numbers(column).double().mean().item()
        of = f"share of {counted(len(table.numbers('sample').unique()), 'sample')}"
        return Summary(
            scalars,
            meanings={
                "broken": f"{of} of which the alteration changes the predicted label",
                "error": f"{of} whose altered image gets another label than the true one",
                "added_error": "that share less the same of the samples as they are",
                "found": f"{of} of which the attack changes the predicted label, with no more than "
                "the alteration's norm",
                "missed": f"{of} that the alteration breaks, and the attack does not",
                "gained": f"{of} that the attack breaks, and the alteration does not",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: three shares an attack are a table, which the report has."""
        return []


def _within(attack: Attack) -> Attack:
    """Return the attack with a budget; what a minimal-norm one finds counts up to its eps."""
    return attack if has_budget(attack) else Within(attack)
