"""The search of the probe `recourse` beside DiCE's on the same refused rows of German credit.

DiCE (Mothilal et al. 2020) needs an environment of its own: dice-ml with raiutils, installed
without their pins beside advcore. Both may change the same columns; DiCE is given the ranges that
our rules allow each row, whole numbers as such, and its cheapest of four counts. Costs are ours:
standard deviations, and 1 for another category.

    python -m benchmarks.dice [ROWS] [METHOD]
"""

import sys
import time
from contextlib import redirect_stderr
from io import StringIO

import dice_ml
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from advcore import Targeted
from advcore.norms import L1
from advcore.probes import Batch, Recourse
from advcore.randomness import Randomness
from advcore.table_rules import TableRules
from advcore.table_schema import TableColumn, TableSchema
from advcore.workers.datasets import DataSpec, load

TABLE = "german_credit"


def trained(inputs: Tensor, labels: Tensor) -> nn.Module:
    """A perceptron as the recipe `table` has it."""
    torch.manual_seed(0)
    width = inputs.shape[1]
    layers = [nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)]
    network = nn.Sequential(*layers)
    steps = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.05)
    for _ in range(20):
        for rows in torch.randperm(len(inputs)).split(64):
            steps.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            steps.step()
    return network.eval()


def frame(schema: TableSchema, rows: Tensor) -> pd.DataFrame:
    """Rows in words and numbers of their own units."""
    own = {}
    for column, place in schema.places():
        part = rows[:, place]
        own[column.name] = (
            [column.categories[n] for n in part.argmax(1)]
            if column.categories
            else [as_number(column, value) for value in part[:, 0].tolist()]
        )
    return pd.DataFrame(own)


def as_number(column: TableColumn, entry: float) -> float | int:
    """A number in the column's own unit; DiCE keeps whole what is an int."""
    value = column.center + column.scale * entry
    return round(value) if column.whole else round(value, 6)


def entries(schema: TableSchema, table: pd.DataFrame) -> Tensor:
    """The rows of a frame, encoded."""
    parts = [
        torch.tensor(
            [[float(value == one) for one in column.categories] for value in table[column.name]]
            if column.categories
            else [[(float(value) - column.center) / column.scale] for value in table[column.name]]
        )
        for column, _ in schema.places()
    ]
    return torch.cat(parts, 1)


class Encoded:
    """A model of frames, as DiCE calls scikit-learn's."""

    def __init__(self, schema: TableSchema, network: nn.Module) -> None:
        self.schema, self.network = schema, network

    def predict_proba(self, table: pd.DataFrame) -> np.ndarray:
        with torch.no_grad():
            return self.network(entries(self.schema, table)).softmax(1).numpy()

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        return self.predict_proba(table).argmax(1)


def by_dice(
    schema: TableSchema,
    train: Tensor,
    labels: Tensor,
    network: nn.Module,
    rows: Tensor,
    method: str,
) -> Tensor:
    """DiCE's cheapest of four counterfactuals of each row; the row itself where it finds none."""
    whole = frame(schema, train).assign(outcome=labels.numpy())
    numeric = [column.name for column in schema.columns if not column.categories]
    data = dice_ml.Data(dataframe=whole, continuous_features=numeric, outcome_name="outcome")
    model = dice_ml.Model(model=Encoded(schema, network), backend="sklearn")
    np.random.seed(0)  # DiCE draws from it
    search = dice_ml.Dice(data, model, method=method)
    rules, made = TableRules.around(schema, rows), []
    for number in range(len(rows)):
        own = rules.take(torch.tensor([number]))
        vary, ranges = allowed(schema, own)
        try:
            with redirect_stderr(StringIO()):
                found = search.generate_counterfactuals(
                    frame(schema, rows[number : number + 1]),
                    total_CFs=4,
                    desired_class=1,
                    features_to_vary=vary,
                    permitted_range=ranges,
                )
            several = entries(schema, found.cf_examples_list[0].final_cfs_df)
        except Exception as error:  # DiCE raises where it finds none
            print(f"row {number}: {str(error)[:100]}")
            made.append(rows[number])
            continue
        alike = own.take(torch.zeros(len(several), dtype=torch.int64))
        made.append(several[alike.cost(several, L1, 1.0).argmin()])
    return torch.stack(made)


def allowed(schema: TableSchema, rules: TableRules) -> tuple[list[str], dict[str, list]]:
    """The columns that a row may change, and to what."""
    ranges: dict[str, list] = {}
    bounds = iter(zip(rules.low[0].tolist(), rules.high[0].tolist(), strict=True))
    groups = iter(rules.allowed[0])
    for column in schema.columns:
        if column.categories:
            ranges[column.name] = [
                word
                for word, own in zip(column.categories, next(groups).tolist(), strict=False)
                if own
            ]
        else:
            ranges[column.name] = [as_number(column, end) for end in next(bounds)]
    vary = [column.name for column in schema.columns if column.direction != "none"]
    return vary, {name: ranges[name] for name in vary}


def main(count: int = 30, method: str = "genetic") -> None:
    train, test = (load(DataSpec(TABLE, split)) for split in ("train", "test"))
    assert test.schema is not None
    inputs, labels = (torch.from_numpy(own) for own in (train.take(np.arange(600)), train.labels))
    network = trained(inputs, labels)
    rows = torch.from_numpy(test.take(np.arange(len(test))))
    rows = rows[network(rows).argmax(1) == 0][:count]
    rules = TableRules.around(test.schema, rows)
    start = time.process_time()
    batch = Batch(rows, torch.zeros(len(rows), dtype=torch.int64), torch.arange(len(rows)))
    ours = Recourse(test.schema).chosen
    wished = Targeted(torch.ones(len(rows), dtype=torch.int64))
    found = ours(network, rows, wished, Randomness(0, batch.indices)).images
    middle = time.process_time()
    theirs = by_dice(test.schema, inputs, labels, network, rows, method)
    times = {"ours": middle - start, f"DiCE, {method}": time.process_time() - middle}
    both = [(network(own).argmax(1) == 1) for own in (found, theirs)]
    together = both[0] & both[1]
    print(f"{TABLE}, {len(rows)} refused rows, medians over {int(together.sum())} that both reach")
    for (name, seconds), own, valid in zip(times.items(), (found, theirs), both, strict=True):
        cost = rules.cost(own, L1, 1.0)
        print(
            f"{name:14} valid {valid.float().mean():.3f} cost {cost[together].median():.3f} "
            f"changed {rules.changed(own)[together].float().mean():.2f} "
            f"rules broken {int(rules.violations(own).sum())} seconds {seconds:.1f}"
        )
    ratio = rules.cost(found, L1, 1.0)[together] / rules.cost(theirs, L1, 1.0)[together]
    least = (ratio <= 1).float().mean()
    print(f"cost ours / DiCE: median {ratio.median():.3f}, at most 1 on {least:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
