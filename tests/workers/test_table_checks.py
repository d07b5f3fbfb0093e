"""Rows that are none of a table's are found before any work, whichever they are."""

import numpy as np
import pytest

from advcore.attacks import PGD, MinimalNorm
from advcore.probes import Recourse, Robustness
from advcore.table_schema import TableColumn, TableSchema
from advcore.threats import Tabular
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.deferred import Unboxed
from advcore.workers.model_checks import check_threats
from advcore.workers.models import ModelSpec

SCHEMA = TableSchema((TableColumn("age"), TableColumn("home", ("rent", "own"))))
NETWORK = ModelSpec("perceptron", arguments={"channels": 3, "side": 1}, classes=2)
BY_RULES = PGD(threat=Tabular(SCHEMA))


def table(home):
    """Five rows of which the one called 13 has other entries `home`."""
    rows = np.array([[0.0, 1, 0]] * 5, np.float32)
    rows[3, 1:] = home
    return Dataset(Unboxed(rows), np.zeros(5, np.int64), np.arange(10, 15), ("no", "yes"))


@pytest.mark.parametrize("home", [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5)])
@pytest.mark.parametrize(
    "probe",
    [
        Recourse(SCHEMA),
        Recourse(SCHEMA, MinimalNorm(norm="l1", box=False)),
        Robustness(eps=(1.0,), attacks=(BY_RULES,)),
    ],
    ids=["search", "plain", "threat"],
)
def test_a_row_that_has_no_category_or_two_is_named(probe, home):
    with pytest.raises(ValueError, match="sample 13 has others in home: encode it so, or leave it"):
        check_threats(probe, NETWORK, table(home))
    check_threats(probe, NETWORK, table((0.0, 1.0)))
