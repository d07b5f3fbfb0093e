"""Numbers as text."""

import math

from advcore.pipelines.claims import Level, Measured, Numbers
from advcore.pipelines.reports import tables
from advcore.probes import Curve, Summary


def test_a_table_lines_up() -> None:
    lines = tables.markdown(
        ["", "a", "long"], [["first", "1", "2"], ["x", "333", "4"]]
    ).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("|-------|")


def test_numbers_have_four_digits_and_nan_is_a_dash() -> None:
    assert [tables.format_number(value) for value in (0.123456, 1e-9, math.inf, math.nan)] == [
        "0.1235",
        "1e-09",
        "inf",
        "-",
    ]


def test_a_model_without_a_scalar_shows_a_dash() -> None:
    text = tables.scalars({"one": Summary({"a": 1.0, "b": 2.0}), "two": Summary({"a": 3.0})})
    assert text.splitlines()[-1].split() == ["|", "b", "|", "2", "|", "-", "|"]


def test_a_claim_shows_its_verdict_what_was_resampled_and_its_warnings() -> None:
    claim = Level("it is so", Numbers("p", "m", "c"), at_least=1)
    measured = Measured(
        1.2,
        0.9,
        1.5,
        "undecided",
        "256 samples, one seed",
        ("few_samples: 13 of 256 samples carry 80% of a mean",),
    )
    table, warned = tables.claims_table(
        {"so": claim, "not": claim}, {"so": measured, "not": "not measured: no rows"}
    ).split("\n\n")
    header, _, first, second = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()
    )
    assert header[3:] == ["95 % interval", "verdict", "resampled"]
    assert first == ["it is so", ">= 1", "1.2", "0.9 to 1.5", "undecided", "256 samples, one seed"]
    assert second[2:] == ["not measured: no rows", "-", "-", "-"]
    assert warned == "- **warning**, claim so, few_samples: 13 of 256 samples carry 80% of a mean"


def test_long_curves_keep_both_ends() -> None:
    text = tables.curves({"one": Summary({}, {"c": Curve(list(range(100)), list(range(100)))})})
    header = text.splitlines()[0].split("|")[2:-1]
    assert len(header) == tables.POINTS
    assert (header[0].strip(), header[-1].strip()) == ("0", "99")


def test_long_curves_keep_their_largest_value() -> None:
    curve = Curve(list(range(100)), [float(i == 37) for i in range(100)])
    assert "37" in tables.curves({"one": Summary({}, {"c": curve})}).splitlines()[0]


def test_curves_over_another_axis_get_a_table_of_their_own() -> None:
    curves = {"a": Curve([1, 2], [0.1, 0.2]), "b": Curve([1, 3], [0.1, 0.2])}
    assert tables.curves({"one": Summary({}, curves)}).count("| at") == 2


def test_warnings_stand_above_the_numbers_they_are_about() -> None:
    loud = Summary({"a": 1.0}, warnings={"zero_gradients": "0 on 12.0%: take square"})
    text = tables.report(
        "study",
        {
            "first": {"one": Summary({"a": 1.0}), "two": loud},
            "second": {"one": Summary({"b": 2.0})},
        },
    )
    assert "## first\n\n- **warning**, two, zero_gradients: 0 on 12.0%: take square\n\n|" in text
    assert text.count("warning") == 1
