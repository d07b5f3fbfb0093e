"""The attribute that a fresh classifier reads in a network's representation."""

from collections.abc import Mapping
from dataclasses import dataclass

from advcore.classifier import Classifier
from advcore.counts import counted
from advcore.layers import LAST
from advcore.learnt import Learnt
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.representation import features_of, units_of
from advcore.separation import auroc, auroc_interval


@dataclass(frozen=True)
class AttributeScores:
    """The score of a fit `attribute_classifier` for each sample, on the network of the fit.

    Measure other samples than it was fitted on, of a data set whose labels are the attribute. The
    table `outside` compares two data sets by it, the samples of either class say.

    Columns: `sample`; `label`; `score`, the logit of the attribute.

    Attributes:
        fit: fit of kind `attribute_classifier` on the same model.
        positive: number of the class that it tells from the others.
        layer: layer that it was fitted on.
    """

    fit: Learnt
    positive: int = 1
    layer: str = LAST

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept inputs of any shape."""
        self.fit.shape_of("count")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        units = units_of(classifier, batch.inputs, self.layer)
        learnt = {
            name: self.fit[name].cpu() for name in ("mean", "spread", "projection", "weights")
        }
        if units.shape[1] != len(learnt["mean"]):
            raise ValueError(
                f"the fit {self.fit.name} has {len(learnt['mean'])} units; this layer has "
                f"{units.shape[1]}: give the fit of this model and layer"
            )
        scores = features_of(units, learnt) @ learnt["weights"].double()
        return Table({"sample": batch.indices, "label": batch.labels, "score": scores})

    def summarise(self, table: Table) -> Summary:
        scores, inside = table.numbers("score"), table.numbers("label") == self.positive
        if not inside.any() or inside.all():
            return Summary()
        low, high = auroc_interval(scores[inside], scores[~inside])
        of = f"{counted(len(scores), 'sample')}: that one of the class has the larger score"
        return Summary(
            {
                "auroc": auroc(scores[inside], scores[~inside]),
                "auroc_low": low,
                "auroc_high": high,
            },
            meanings={
                "auroc": f"area under the ROC curve over {of}",
                "auroc_low": "lower end of its 95 % interval by DeLong",
                "auroc_high": "upper end of its 95 % interval by DeLong",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: a number a network is a table, which the report has."""
        return []
