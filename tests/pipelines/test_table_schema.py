"""A file names the schema of a data set, or writes one out."""

import pytest

from advcore.attacks import Attack
from advcore.pipelines.settings.schema import structure, unstructure
from advcore.table_schema import TableColumn, TableSchema
from advcore.workers.datasets.tables import table_schema
from advcore.workers.errors import InputError


def attack(schema):
    return {"kind": "pgd", "threat": {"kind": "table", "schema": schema}}


def test_a_name_stands_for_the_schema_of_a_data_set():
    made = structure(Attack, attack("german_credit"))
    assert made.threat.schema == table_schema("german_credit")
    assert unstructure(made)["threat"]["schema"] == "german_credit"
    assert structure(Attack, unstructure(made)) == made
    assert len(repr(made)) < 400


def test_a_schema_of_its_own_is_written_out():
    columns = [
        {"name": "age", "direction": "up", "low": 18, "high": 80, "center": 40, "scale": 10},
        {"name": "home", "categories": ["rent", "own"]},
    ]
    made = structure(Attack, attack({"columns": columns}))
    expected = TableColumn("age", (), "up", 18, 80, 40, 10), TableColumn("home", ("rent", "own"))
    assert made.threat.schema == TableSchema(expected)
    assert structure(Attack, unstructure(made)) == made


@pytest.mark.parametrize("name", ["mine", "german_credit"])
def test_a_schema_that_is_written_out_stays_so_under_any_name(name):
    made = structure(Attack, attack({"name": name, "columns": [{"name": "age"}]}))
    assert structure(Attack, unstructure(made)) == made
    assert made.threat.schema.columns == (TableColumn("age"),)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("digits", "expected adult, compas, german_credit, hmda or columns, got 'digits'"),
        ({"columns": []}, "a table needs at least one column; got none"),
        ({"columns": [{"name": "a", "direction": "left"}]}, "direction"),
    ],
)
def test_what_is_none_is_refused(schema, message):
    with pytest.raises(InputError, match=message):
        structure(Attack, attack(schema))
