"""The distance that attacks of decisions reach over their queries (article, section II-D)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks import Attack, GeoDA, HopSkipJump, Status, SurFree, kind_and_norm
from advcore.attacks.attack import LimitedQueries, has_budget, norm_of
from advcore.attacks.decisions.answers import trace_numbers
from advcore.classifier import Classifier, full_precision, predict
from advcore.criteria import Untargeted
from advcore.probes.attack_labels import check_attacks, told_apart
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.queries_summary import query_charts, summarise_queries
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Queries:
    """The shortest adversarial perturbation after so many queries, by attacks that see labels.

    Out of the predicted class, in the box. There is one row per attack x point of its trace x
    sample; the points are numbers of queries, at most 32 and log-spaced, from 1 to the attack's
    limit.

    Columns: `sample`; `attack`; `queries`, at this point; `distance`, the shortest so far in the
    attacks' norm, pixel units, inf before anything was found; `used`, the queries that the attack
    took in all, its checks included; `found` and `status`, how the attack ended. With a
    `reference`, `white_box`, its distance, inf where it found none, and `over_white_box`,
    `distance` over it, NaN there.

    Without a reference it works on a classifier that hands out labels alone
    (`advcore.HardLabel`).

    Attributes:
        attacks: attacks of decisions, all in one norm: geoda, hop_skip_jump, surfree, staircase,
            qfool, rays, or one's own with a limit `queries` and a trace. Equal kinds are told apart
            by the settings in which they differ.
        reference: minimal-norm attack in the same norm that may take gradients, for comparison;
            none when not given.
    """

    attacks: tuple[Attack, ...] = (GeoDA(), HopSkipJump(), SurFree())
    reference: Attack | None = None

    def __post_init__(self) -> None:
        check_attacks("queries", self.attacks, "attacks of decisions", "geoda")
        for attack in self.attacks:
            if not isinstance(attack, LimitedQueries):
                raise ValueError(
                    f"queries needs attacks of decisions, which have a limit `queries`; got "
                    f"{kind_and_norm(attack)}: take geoda, hop_skip_jump, surfree, staircase, "
                    "qfool or rays"
                )
        if self.reference is not None and has_budget(self.reference):
            raise ValueError(
                "the reference must be a minimal-norm attack; got "
                f"{kind_and_norm(self.reference)}, which has a budget eps: take minimal_norm"
            )
        norms = sorted({norm_of(attack) for attack in self._every})
        if len(norms) > 1:
            raise ValueError(
                "the attacks and the reference of one probe of queries must share a norm; got "
                f"{', '.join(norms)}: use one probe a norm"
            )

    @property
    def _every(self) -> tuple[Attack, ...]:
        return self.attacks + (() if self.reference is None else (self.reference,))

    @property
    def _numbers(self) -> list[Tensor]:
        """The numbers of queries at which each attack's trace is taken."""
        return [
            trace_numbers(attack.queries)
            for attack in self.attacks
            if isinstance(attack, LimitedQueries)
        ]

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {
            "attack": told_apart(self.attacks),
            "queries": torch.cat(self._numbers).unique().tolist(),
        }

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision():
            criterion = Untargeted(predict(classifier, batch.inputs))
            results = [
                attack(classifier, batch.inputs, criterion, randomness) for attack in self.attacks
            ]
            white = (
                None
                if self.reference is None
                else self.reference(classifier, batch.inputs, criterion, randomness)
            )
        points = [len(numbers) for numbers in self._numbers]
        rows = sum(points)
        distance = torch.cat([_trace(result.trace).mT.flatten() for result in results])

        def by_attack(columns: Sequence[Tensor]) -> Tensor:
            return torch.cat([own.repeat(n) for own, n in zip(columns, points, strict=True)])

        table = Table(
            {
                "sample": batch.indices.repeat(rows),
                "attack": [
                    name
                    for name, n in zip(told_apart(self.attacks), points, strict=True)
                    for _ in range(n * len(batch.inputs))
                ],
                "queries": torch.cat(self._numbers).repeat_interleave(len(batch.inputs)),
                "distance": distance,
                "used": by_attack([result.queries for result in results]),
                "found": by_attack([result.found for result in results]),
                "status": [
                    Status(code).name.lower()
                    for code in by_attack([result.status for result in results]).tolist()
                ],
            }
        )
        if white is not None:
            far = white.distance.repeat(rows)
            over = (distance / far).masked_fill(~far.isfinite(), torch.nan)
            table |= {"white_box": far, "over_white_box": over}
        return table

    def summarise(self, table: Table) -> Summary:
        return summarise_queries(table, self.attacks, self.reference)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return query_charts(tables, self.attacks, self.reference)


def _trace(trace: Tensor | None) -> Tensor:
    """Return the distances `(B, T)` of a trace. Raises ValueError where an attack has none."""
    if trace is None:
        raise ValueError(
            "queries needs the trace of each attack; got None: the attack must hand back "
            "(queries, shortest distance) as Adversarial.trace"
        )
    return trace[:, :, 1]
