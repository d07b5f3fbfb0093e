"""Recourse: what a person would have to change for the classifier to say the wished class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import PGD, Attack, SmallestEps
from advcore.classifier import Classifier, predict
from advcore.counts import counted
from advcore.criteria import Targeted
from advcore.explain.counterfactuals import mean_distance
from advcore.norms import NormName
from advcore.probes.attack_labels import check_attacks
from advcore.probes.charts import Chart, Lines, ascending
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.table_rules import TableRules, close_to
from advcore.table_schema import TableSchema
from advcore.threats import Tabular

HALVINGS = 10
"""The number of halvings of the budget of its own search."""


@dataclass(frozen=True)
class Recourse:
    """The cheapest changes of a table's row that a minimal-norm attack finds towards a class.

    Eq. 19 of the article for its credits and bails: C are the rows that a person could have, as the
    schema of the table says. The search of its own, `smallest_eps` of a `pgd` whose threat model is
    `table`, keeps to C; what any other attack does about it is counted.

    There is one row per place x sample.

    Columns: `sample`; `place`, 0, 1, 2, ..., of tries with other random numbers; `refused`, 1 where
    the classifier says another class than the wished one, else 0, and the next four are NaN;
    `valid`, whether the classifier says the wished class of exactly the row that was found; `cost`,
    the norm of the numeric changes in standard deviations of the training rows together with
    `category` for each other category, inf where the row is not valid; `changed`, the number of
    columns with another value; `apart`, the mean l2 distance between the valid rows of all places,
    NaN where fewer than two are; `broken`, the number of columns of the row found that break a rule
    of the schema, 0 where nothing was needed; `changes`, what changes, in words.

    Attributes:
        schema: columns of the table.
        attack: minimal-norm attack, which is given the wished class as target; the search of its
            own when None.
        wished: number of the wished class.
        several: number of tries of each sample; those of an attack without random numbers are
            alike. With one the probe's own search starts at the row, which changes fewer columns;
            with more at random rows around it.
        projected: true to put the nearest row that the schema allows in the place of what the
            attack found.
        norm: norm of the cost.
        category: cost of another category, one step or several where categories have an order.
        largest: largest cost that its own search tries.
        steps: gradient steps of its own search at each of its budgets.
    """

    schema: TableSchema
    attack: Attack | None = None
    wished: int = 1
    several: int = 1
    projected: bool = False
    norm: NormName = "l1"
    category: float = 1.0
    largest: float = 15.0
    steps: int = 40

    def __post_init__(self) -> None:
        check_attacks("recourse", (self.chosen,))
        norms.norm_by_name(self.norm)
        if self.several < 1:
            raise ValueError(f"several must be at least 1; got {self.several}")
        if self.wished < 0:
            raise ValueError(f"wished must be the number of a class; got {self.wished}")

    @property
    def chosen(self) -> Attack:
        """The attack that runs."""
        threat = Tabular(self.schema, self.norm, self.category)
        budget = PGD(
            steps=self.steps,
            random_start=self.several > 1,
            objective="logit_margin",
            box=False,
            threat=threat,
        )
        return self.attack or SmallestEps(budget, self.largest, HALVINGS)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for inputs that are no rows of the table, and no such class."""
        if prod(shape) != self.schema.features:
            raise ValueError(
                f"the schema {self.schema.name} has {self.schema.features} entries; these inputs "
                f"have {prod(shape)}: encode it (an entry for each category, numbers in standard "
                "deviations), or give its own schema"
            )
        if self.wished >= classes:
            raise ValueError(f"wished must be below the {classes} classes; got {self.wished}")

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"place": range(self.several)}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        inputs = batch.inputs
        rules = TableRules.around(self.schema, inputs.flatten(1))
        refused = predict(classifier, inputs) != self.wished
        wished = torch.full_like(batch.labels, self.wished)
        found = []
        for place in range(self.several):
            noise = randomness.stream("recourse", place)
            rows = self.chosen(classifier, inputs, Targeted(wished), noise).images.flatten(1)
            found.append(rules.projected(rows) if self.projected else rows)
        made = torch.stack(found)
        valid = torch.stack(
            [predict(classifier, own.view_as(inputs)) == self.wished for own in made]
        )
        apart = mean_distance(made, valid).double()
        parts = [
            self._numbers(rules, *own, refused, apart) for own in zip(made, valid, strict=True)
        ]
        return Table(
            {
                "sample": batch.indices.repeat(self.several),
                "place": torch.arange(self.several).repeat_interleave(len(inputs)),
                "refused": refused.double().repeat(self.several),
                **{name: torch.cat([part[name] for part in parts]) for name in parts[0]},
                "changes": [
                    self._words(*own) for rows in made for own in zip(rules.rows, rows, strict=True)
                ],
            }
        )

    def _numbers(
        self, rules: TableRules, rows: Tensor, valid: Tensor, refused: Tensor, apart: Tensor
    ) -> dict[str, Tensor]:
        cost = rules.cost(rows, norms.norm_by_name(self.norm), self.category)
        return {
            "valid": valid.double().masked_fill(~refused, torch.nan),
            "cost": cost.double().masked_fill(~valid, torch.inf).masked_fill(~refused, torch.nan),
            "changed": rules.changed(rows).double().masked_fill(~refused, torch.nan),
            "apart": apart.masked_fill(~refused, torch.nan),
            "broken": rules.violations(rows).double().masked_fill(~refused, 0),
        }

    def _words(self, before: Tensor, after: Tensor) -> str:
        return "; ".join(
            f"{column.name}: {column.words(before[place])} -> {column.words(after[place])}"
            for column, place in self.schema.places()
            if (after[place] - before[place]).abs().max() > close_to(torch.tensor(column.step))
        )

    def summarise(self, table: Table) -> Summary:
        refused = table.numbers("refused")
        needed = table.take((refused == 1).nonzero()[:, 0])
        count = counted(len(needed["sample"]) // self.several, "refused row")
        return Summary(
            {
                "refused": refused.mean().item(),
                "valid": needed.numbers("valid").mean().item(),
                "median_cost": median(needed.numbers("cost")),
                "mean_changed": needed.numbers("changed").nanmean().item(),
                "median_apart": median(needed.numbers("apart")),
                "broken": needed.numbers("broken").mean().item(),
            },
            meanings={
                "refused": "share of the rows for which the classifier says another class",
                "valid": f"share of {count} for which the wished class was reached",
                "median_cost": f"median over {count} of the size of the change, inf where "
                "none was found, in standard deviations of the training rows",
                "mean_changed": f"mean over {count} of the columns that change",
                "median_apart": f"median over {count} of the mean l2 distance between the valid "
                "rows of all tries",
                "broken": f"mean over {count} of the columns that break a rule of the schema",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return [
            Lines(
                name="recourse_cost",
                title="Recourse: what the wished class costs",
                x_label="share of the refused rows with a valid change (%)",
                y_label="cost (standard deviations)",
                series=[ascending(model, own.numbers("cost")) for model, own in tables.items()],
                note=f"All tries. Another category costs {self.category:g}.",
            )
        ]
