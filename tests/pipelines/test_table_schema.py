"""A file names the schema of a data set, or writes one out."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from advcore.attacks import Attack
from advcore.pipelines.settings.schema import structure, unstructure
from advcore.table_rules import TableRules
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


def test_the_guide_encodes_a_table_of_ones_own(tmp_path, monkeypatch, capsys):
    guide = Path(__file__).parents[2] / "docs/guides/tables.md"
    (code,) = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    draw, homes = np.random.RandomState(0), np.array(["own", "rent", "free"])
    raw = {"income": draw.rand(500), "home": draw.choice(homes, 500), "age": draw.rand(500) + 20}
    monkeypatch.chdir(tmp_path)
    exec(code, {"np": np, "yaml": yaml, "labels": np.zeros(500, np.int64), **raw})
    schema = structure(TableSchema, yaml.safe_load(capsys.readouterr().out))
    rows = np.load("people.npz")["images"]
    rules = TableRules.around(schema, torch.from_numpy(rows))
    assert not rules.violations(rules.rows).any()
    for column, place in schema.places():
        values = [column.words(own) for own in rules.rows[:, place]]
        if column.categories:
            assert values == raw[column.name].tolist()
        else:
            assert np.array(values, float) == pytest.approx(raw[column.name], rel=1e-3)


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
