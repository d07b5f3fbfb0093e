"""Counterfactuals of each sample for each other class (article, eq. 19)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore.attacks import Attack
from advcore.classifier import Classifier, first_logits, frozen, full_precision, take_rows
from advcore.counts import counted
from advcore.explain.counterfactuals import diverse, mean_distance, nearest_distances
from advcore.labelled_samples import kept_labels, kept_samples
from advcore.learnt import Learnt, with_each
from advcore.norms import L1, L2
from advcore.probes.attack_labels import check_attacks
from advcore.probes.charts import Chart
from advcore.probes.counterfactual_charts import EVERY, all_charts
from advcore.probes.perturbations import HALF_LEVEL
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.threats import Along

MEANINGS = {
    "l2": "l2 length of the change, pixel units",
    "l1": "l1 length of the change, pixel units",
    "changed": "share of the entries that change by more than half of one of 255 grey levels",
    "to_data": "l2 distance to the nearest of the fit's samples, pixel units",
    "to_target": "l2 distance to the nearest of the fit's samples of the target class, pixel units",
}
"""The numbers of a counterfactual whose medians stand in the summary."""


@dataclass(frozen=True)
class Counterfactuals:
    """The nearest inputs that the classifier gives another label, for every other label.

    `min ||r||` with `f(x + r) = t` and `x + r` in C, for each class t but the predicted one: eq. 19
    of the article, which is eq. 8 with a set C of plausible inputs. A minimal-norm attack is the
    search, and says what C is: the box (`minimal_norm`), few entries (`fmn` in l0), the span of the
    data's leading directions (`smallest_eps` of a `pgd` whose threat model is `along` the fit
    `components`), what lies between samples (`nearest_unlike`).

    There is one row per place x sample x target class, and one more of each sample, whose `target`
    is `every`: the means over its target classes, NaN unless all of them were reached, so that two
    searches are compared over the same targets.

    Columns: `sample`; `place`, 0 for the nearest counterfactual, 1, 2, ... for further
    ones that leave the entries which made up half of the squared change of those before; `target`,
    a class or `every`; `valid`, whether the classifier says the target of exactly that input, in
    `every` the share of the targets; `all_valid`, whether it does for all targets of the sample;
    `l2`, `l1`, lengths of the change, pixel units; `l0`, the entries that change by more than half
    of one of 255 grey levels, and `changed`, their share; `to_data`, `to_target`, l2 distances to
    the nearest of the fit's samples, and to the nearest whose label is the target, pixel units;
    `apart`, the mean l2 distance between the valid ones of all places, pixel units, in `every` the
    mean over the targets that have one. Where nothing was reached they are NaN, `apart` where fewer
    than two were. With `images`, `image` `(C, H, W)`: the counterfactual, in `every` the sample.

    What another network says of them is measured on the derived data set `adversarial` of the same
    attack.

    Attributes:
        fit: fit with `inputs` (n, *shape) and `labels` (n,), as `exemplars` learns: the data to
            which nearness is measured.
        attack: minimal-norm attack, which is given targets.
        several: number of counterfactuals of each sample and target.
        images: keep the images and draw them; for few samples.
    """

    fit: Learnt
    attack: Attack
    several: int = 1
    images: bool = False

    shares: ClassVar[tuple[str, ...]] = (
        "valid",
        "all_valid",
        "changed",
    )

    def __post_init__(self) -> None:
        check_attacks("counterfactuals", (self.attack,))
        if self.several < 1:
            raise ValueError(f"several must be at least 1; got {self.several}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for a fit of other inputs, or no labels; where none can be drawn."""
        if self.images and (len(shape) != 3 or shape[0] not in (1, 3)):
            raise ValueError(f"images are drawn of pictures of 1 or 3 channels; got inputs {shape}")
        self.fit.shape_of("labels")
        there = self.fit.shape_of("inputs")
        if there is not None and there[1:] != tuple(shape):
            raise ValueError(
                f"the fit {self.fit.name} has samples {there[1:]}; these inputs are "
                f"{tuple(shape)}: give a fit of such inputs"
            )

        def checked(threat: Along) -> Along:
            threat.check(shape)
            return threat

        with_each(Along, self.attack, checked)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"place": range(self.several)}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        inputs = batch.inputs
        with full_precision():
            with frozen(classifier):
                logits = first_logits(classifier, inputs)
            kept_samples(self.fit, inputs.shape[1:])
            kept_labels(self.fit, logits.shape[1])
            count, classes = logits.shape
            every = torch.arange(classes, device=inputs.device).expand(count, -1)
            targets = every[every != logits.argmax(1)[:, None]].view(count, -1)
            rows = torch.arange(count, device=inputs.device).repeat_interleave(classes - 1)
            several = list(
                diverse(
                    self.attack,
                    take_rows(classifier, rows),
                    inputs[rows],
                    targets.flatten(),
                    self.several,
                    randomness.take(rows),
                )
            )
            made, valid = map(torch.stack, zip(*several, strict=True))
            apart = mean_distance(made, valid)
            parts = [self._numbers(*own, apart, inputs[rows], targets) for own in several]
        words = [str(target) for own in targets.T.tolist() for target in own] + [EVERY] * count
        table: dict[str, Tensor | list[str]] = {
            "sample": batch.indices.repeat(self.several * classes),
            "place": torch.arange(self.several).repeat_interleave(count * classes),
            "target": words * self.several,
            **{name: torch.cat([part[name] for part in parts]) for name in parts[0]},
        }
        if self.images:
            table["image"] = torch.cat([_with_sample(own, inputs) for own in made])
        return Table(table)

    def _numbers(
        self, made: Tensor, valid: Tensor, apart: Tensor, inputs: Tensor, targets: Tensor
    ) -> dict[str, Tensor]:
        """Return the columns of numbers of one place, `(classes * B,)`."""
        change = made - inputs
        large = change.abs().flatten(1) > HALF_LEVEL
        samples, labels = self.fit["inputs"], self.fit["labels"]
        to_data, to_target = nearest_distances(made, samples, labels, targets.flatten())
        numbers = {
            "l2": L2.size(change),
            "l1": L1.size(change),
            "l0": large.sum(1),
            "changed": large.double().mean(1),
            "to_data": to_data,
            "to_target": to_target,
        }
        reached = {
            name: own.double().masked_fill(~valid, torch.nan) for name, own in numbers.items()
        }
        by_target = {
            name: own.view(targets.shape)
            for name, own in {"valid": valid.double(), **reached, "apart": apart.double()}.items()
        }
        together = {name: own.mean(1) for name, own in by_target.items()}
        together["apart"] = by_target["apart"].nanmean(1)
        together["all_valid"] = (together["valid"] == 1).double()
        by_target["all_valid"] = together["all_valid"][:, None].expand(targets.shape)
        return {
            name: torch.cat([own, together[name][:, None]], 1).T.flatten()
            for name, own in by_target.items()
        }

    def summarise(self, table: Table) -> Summary:
        scalars = dict[str, float]()
        table = table.take(table.rows_with("target", EVERY))
        first = table.take((table.numbers("place") == 0).nonzero()[:, 0])
        scalars["valid"] = first.numbers("valid").mean().item()
        scalars |= {f"median_{column}": median(first.numbers(column)) for column in MEANINGS}
        if self.several > 1:
            further = table.take((table.numbers("place") > 0).nonzero()[:, 0])
            scalars["valid_further"] = further.numbers("valid").mean().item()
            scalars["median_apart"] = median(first.numbers("apart"))
        count = len(table.numbers("sample").unique())
        over = f"median over {counted(count, 'sample')} with all targets reached of their mean"
        return Summary(
            scalars,
            meanings={
                "valid": f"share of the targets of {counted(count, 'sample')} that the nearest "
                "counterfactual reaches: every class but the predicted one",
                "valid_further": "the same of the further counterfactuals, which change the label "
                "elsewhere",
                "median_apart": f"{over} mean l2 distance between those of one target, pixel units",
                **{f"median_{name}": f"{over} {text}" for name, text in MEANINGS.items()},
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return all_charts(tables, self.images)


def _with_sample(made: Tensor, inputs: Tensor) -> Tensor:
    """Return counterfactuals of samples `(B * n, *shape)` as `(n * B, *shape)`, samples behind."""
    own = made.view(len(inputs), -1, *inputs.shape[1:]).transpose(0, 1)
    return torch.cat([own.flatten(0, 1), inputs])
