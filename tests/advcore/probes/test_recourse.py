"""Recourse: what is told of a row is true of it."""

import pytest
import torch
from torch import nn

from advcore import Randomness
from advcore.attacks import PGD, MinimalNorm, NearestUnlike
from advcore.learnt import Learnt
from advcore.probes import Batch, Recourse
from advcore.probes.table import Table
from advcore.table_schema import TableColumn, TableSchema

SCHEMA = TableSchema(
    (
        TableColumn("income", low=0, high=10, center=4, scale=2),
        TableColumn("home", ("rent", "own")),
        TableColumn("age", direction="up", low=-2, high=2),
    )
)
ROWS = torch.tensor([[-1.0, 1, 0, 0], [-2.0, 1, 0, 1], [2.0, 0, 1, 0], [-1.0, 0, 1, -1]])
"""Incomes of 2, 0, 8 and 2."""
FIT = Learnt("rows", tensors={"inputs": ROWS.roll(1, 0), "labels": torch.tensor([0, 0, 0, 1])})


class Bank(nn.Module):
    """Grants where income + 2 own > 0, in standard deviations."""

    def forward(self, rows):
        score = rows[:, 0] + 2 * rows[:, 2] - 0.5
        return torch.stack([-score, score], 1)


def measured(probe, rows=ROWS):
    batch = Batch(rows, torch.zeros(len(rows), dtype=torch.int64), torch.arange(len(rows)))
    probe.validate((4,), 2)
    return Table(probe.measure(Bank(), batch, Randomness(0, batch.indices)))


def test_a_row_of_a_known_bank():
    table = measured(Recourse(SCHEMA, steps=12, several=2, largest=4.0))
    first = table.take(torch.arange(4))
    assert first.numbers("refused").tolist() == [1, 1, 0, 0]
    assert first.numbers("valid")[:2].tolist() == [1, 1]
    assert first.numbers("valid")[2:].isnan().all()
    # 1 for a home; for the second row half a standard deviation more
    assert first.numbers("cost")[0] == pytest.approx(1, abs=0.02)
    assert first.numbers("cost")[1] == pytest.approx(1.5, abs=0.02)
    assert (
        first.words("changes")[0].startswith("home: rent -> own")
        or "home: rent -> own" in (first.words("changes")[0])
    )
    assert first.words("changes")[2:] == ["", ""]
    assert not table.numbers("broken").any()
    assert len(table["sample"]) == 8
    assert table.numbers("apart")[:2].isfinite().all()


def test_other_attacks_are_counted_and_drawn_back():
    plain = measured(Recourse(SCHEMA, MinimalNorm(norm="l2", box=False)))
    assert (plain.numbers("broken")[:2] > 0).all()
    assert plain.numbers("valid")[:2].tolist() == [1, 1]
    drawn = measured(Recourse(SCHEMA, MinimalNorm(norm="l2", box=False), projected=True))
    assert not drawn.numbers("broken").any()
    row = measured(Recourse(SCHEMA, NearestUnlike(FIT, steps=0, box=False)))
    assert row.words("changes")[0] == "income: 2 -> 8; home: rent -> own"
    assert row.numbers("cost")[0] == 4
    assert row.numbers("changed")[0] == 2
    assert row.numbers("broken")[:2].tolist() == [0, 1]  # the second would grow younger


def test_a_change_of_few_units_of_a_large_scale_is_told():
    income = TableColumn("income", low=0, high=1e6, center=2e5, scale=5e4, whole=True)
    schema = TableSchema((income, TableColumn("debts")))
    before, after = torch.tensor([-2.0, 0]), torch.tensor([-2.00008, 5e-5])
    probe = Recourse(schema)
    assert probe._words(before, after) == "income: 100000 -> 99996"
    assert probe._words(before, before) == ""


def test_the_summary_is_of_refused_rows():
    probe = Recourse(SCHEMA, NearestUnlike(FIT, steps=0, box=False))
    table = measured(probe)
    scalars = probe.summarise(table).scalars
    assert (scalars["refused"], scalars["valid"]) == (0.5, 1.0)
    assert scalars["median_cost"] == 5
    assert scalars["broken"] == 0.5
    (chart,) = probe.charts({"bank": table})
    assert [len(series.x) for series in chart.series] == [2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recourse(SCHEMA, PGD()), "recourse needs minimal-norm attacks"),
        (lambda: Recourse(SCHEMA, several=0), "several must be at least 1; got 0"),
        (lambda: Recourse(SCHEMA, wished=-1), "wished must be the number of a class; got -1"),
        (lambda: Recourse(SCHEMA, category=0.0), "category must be a positive cost; got 0"),
        (lambda: Recourse(SCHEMA, steps=0), "steps must be at least 1; got 0"),
        (lambda: Recourse(SCHEMA, largest=0.0), "largest must be above 0"),
        (lambda: Recourse(SCHEMA).validate((5,), 2), "has 4 entries; these inputs have 5"),
        (lambda: Recourse(SCHEMA, wished=2).validate((4,), 2), "below the 2 classes; got 2"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
