"""Studies from Python, and the files that other programs read."""

import csv
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.text import Text
from studies import study_of

from advcore.pipelines import IncompleteError, Result, Study, run
from advcore.pipelines.claims import Measured
from advcore.pipelines.reports.machine_readable import as_csv, as_latex, results_json
from advcore.probes import Curve, Summary
from advcore.workers.errors import InputError


@pytest.fixture
def done(tiny: dict[str, Any]) -> Result:
    tiny["claims"] = {
        "far": {
            "kind": "level",
            "says": "the median distance",
            "of": {
                "probe": "margins",
                "model": "one",
                "column": "distance",
                "where": {"subspace": 0},
            },
            "at_least": 0,
        }
    }
    return run(study_of(tiny, track=False, out="out"))


def test_a_study_from_python(done: Result, study_file: Path) -> None:
    assert Study.read(study_file, ["data.samples=3"]).data.samples == 3
    table = done.table("margins")
    assert isinstance(table, pd.DataFrame)
    assert list(table["model"].unique()) == ["one", "two"]
    assert table.groupby("model")["sample"].nunique().tolist() == [20, 20]
    assert "pixels in [0, 1]" in table.attrs["meanings"]["median_margin"]
    assert "`distance` (inf where none was found)" in table.attrs["columns"]
    claim = done.claims["far"]
    assert claim["says"] == "the median distance"
    assert claim["expected"] == ">= 0"
    assert claim["low"] <= claim["value"] <= claim["high"]
    assert claim["verdict"] == "yes"
    median = table.loc[(table["model"] == "one") & (table["subspace"] == 0), "distance"].median()
    curve = done.curves["margins"]["one"]["median_margin"]
    assert curve["y"][0] == pytest.approx(median, rel=0.1)  # of an even count the lower one
    assert done.scalars["margins"]["one"]["found"] <= 1
    figure = done.figure("margins")
    assert figure.axes[0].get_xlabel()
    assert figure is not done.figure("margins")
    assert figure._repr_png_().startswith(b"\x89PNG")  # a notebook shows the picture
    title = figure.axes[0].get_title(loc="left")
    assert title
    bare = done.figure("margins", head=False)
    words = [own.get_text() for own in bare.findobj(Text)]
    assert not any(title in own or "95 %" in own for own in words)
    assert bare.axes[0].get_xlabel() == figure.axes[0].get_xlabel()


def test_a_second_run_measures_nothing_and_a_folder_can_be_read(
    done: Result, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    margins = {**tiny, "probes": {"margins": tiny["probes"]["margins"]}}
    drawn = run(study_of(margins, track=False, out="out", figures="png,svg, pdf"))
    for kind in ("png", "svg", "pdf"):
        assert (drawn.folder / f"figures/margins/margins.{kind}").stat().st_size > 1000
    again = run(study_of(tiny, track=False, out="out"))
    assert again.scalars == done.scalars
    moved = shutil.copytree(done.folder, "elsewhere")
    for folder in (Path(moved), str(moved)):
        assert Result(folder).table("margins").equals(done.table("margins"))
    assert not (again.folder / "figures/margins/margins.svg").exists()  # it was not asked for


def test_what_is_not_there_is_told(done: Result, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the study has no probe 'margin'; it has: robustness, "):
        done.table("margin")
    with pytest.raises(InputError, match=r"probe margins draws no chart 'x'; it draws: margins"):
        done.figure("margins", "x")
    with pytest.raises(InputError, match=r"holds no results.json: run the study there"):
        Result(tmp_path)
    with pytest.raises(InputError, match=r"nowhere holds no results.json: run the study there"):
        Result("nowhere")
    with pytest.raises(
        InputError, match=r"run.figures: expected none, or png, svg, pdf, separated"
    ):
        run(replace(done.study, run=replace(done.study.run, figures="png,gif")))


def test_a_study_that_is_not_complete_says_so_and_holds_the_rest(
    done: Result, tiny: dict[str, Any]
) -> None:
    measured = int(done.table("margins")["sample"].iloc[0])
    tiny["probes"]["picky"] = {"kind": "studies:Picky", "sample": measured}
    with pytest.raises(IncompleteError, match=r"^tiny is not complete: one/picky: .*no curv") as it:
        run(study_of(tiny, track=False, out="out"))
    assert len(it.value.result.table("margins")) > 0
    numbers = json.loads((it.value.result.folder / "results.json").read_text())
    assert numbers["complete"] is False
    assert numbers["missing"]


def test_results_json_is_strict_and_reads_back(done: Result) -> None:
    text = (done.folder / "results.json").read_text()
    numbers = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert numbers["schema"] == 1
    assert numbers["ids"]["models"].keys() == {"one", "two"}
    assert numbers["versions"]["version.torch"]
    assert {"scalars", "curves", "meanings", "claims", "warnings", "missing"} < numbers.keys()
    with (done.folder / "tables/margins/scalars.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "one", "two"]
    assert float(rows[1][1]) == done.scalars["margins"]["one"][rows[1][0]]
    assert (done.folder / "tables/claims.tex").read_text().startswith("\\begin{tabular}{lll")


def test_numbers_that_json_lacks_are_words(tmp_path: Path) -> None:
    summary = Summary({"most": math.inf, "none": math.nan}, {"c": Curve([0.0], [-math.inf])})
    claim = study_claim()
    text = results_json(
        "s", {}, {"p": {"m": summary}}, {"c": claim}, {"c": Measured(math.nan, -1, 1)}, {}, [], {}
    )
    (tmp_path / "results.json").write_text(text)
    result = Result(tmp_path)
    assert result.scalars["p"]["m"]["most"] == math.inf
    assert math.isnan(result.scalars["p"]["m"]["none"])
    assert result.curves["p"]["m"]["c"]["y"] == [-math.inf]
    assert math.isnan(result.claims["c"]["value"])


def study_claim() -> Any:
    from studies import Warned

    return Warned()


def test_texts_that_a_spreadsheet_would_run_are_texts() -> None:
    rows = [["name", "value"], ["=1+1", -2.5], ["@x", "+y"], ["-", "plain"]]
    assert as_csv(rows) == "name,value\n'=1+1,-2.5\n'@x,'+y\n'-,plain\n"


def test_latex() -> None:
    rows = [["", "a_b"], ["50 % & $x^2$", 0.123456], ["none", math.nan], ["far", -math.inf]]
    assert as_latex(rows) == (
        "\\begin{tabular}{lr}\n\\toprule\n & a\\_b \\\\\n\\midrule\n"
        "50 \\% \\& \\$x\\textasciicircum{}2\\$ & 0.1235 \\\\\nnone & -- \\\\\n"
        "far & $-\\infty$ \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


def test_latex_writes_relations_as_signs() -> None:
    rows = [["expected"], [">= 1, <= 2, > 3"]]
    assert "$\\geq$ 1, $\\leq$ 2, \\textgreater{} 3 \\\\" in as_latex(rows)


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, advcore.pipelines.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
