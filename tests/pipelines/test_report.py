"""What a study leaves in its folder: a report that stands alone, names that cannot meet, and the
user's own files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from studies import study_of

from advcore.networks import perceptron
from advcore.pipelines.cli import main
from advcore.pipelines.graph.reporting.facts import weights_of
from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.graph.reporting.summaries import checked, drawings
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.printing import show
from advcore.pipelines.reports.chance import Accuracy, accuracy_of
from advcore.pipelines.reports.escaping import in_markdown, visible
from advcore.pipelines.reports.text import plane_table, whole_curves
from advcore.probes import Curvature, Curve, Lines, Series, Summary
from advcore.workers.checkpoints import save_checkpoint
from advcore.workers.models import ModelSpec


@dataclass(frozen=True)
class Odd(Curvature):
    """Says <img src=x onerror=alert(1)> of itself | and [more](javascript:alert(1))."""

    fault: str = ""

    def summarise(self, table: Any) -> Any:
        if self.fault == "none":
            return None
        if self.fault == "tensor":
            return Summary({"a": torch.zeros(3)})  # type: ignore[dict-item]
        if self.fault == "raises":
            raise RuntimeError("no\nway \x1b[2J")
        name = "<b>\x1b[31m`x`|"
        return Summary(
            {name: 1.0},
            {name: Curve([0, 1], [1, 2])},
            {name: "[a](javascript:b)"},
            {name: "![c](d)"},
        )

    def charts(self, tables: Mapping[str, Any]) -> Any:
        if self.fault == "charts":
            return [replace(_chart("up"), name="../../up")]
        return [_chart("fine")]


def _chart(name: str) -> Lines:
    return Lines(name, "t", "x", "y", [Series("s", torch.arange(2.0), torch.arange(2.0))])


def _with_odd(tiny: dict[str, Any], fault: str = "") -> Report:
    tiny["probes"] = {"margins": tiny["probes"]["margins"]}
    study = study_of(tiny)
    return run_study(replace(study, probes={**study.probes, "odd": Odd(fault=fault)}))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("none", "probe odd: ValueError: summarise must give a Summary; got None"),
        (
            "tensor",
            r"probe odd: ValueError: the scalar a must be a number; got Tensor of shape \(3,\)",
        ),
        ("raises", r"probe odd: RuntimeError: no way \\x1b\[2J"),
        ("charts", "probe odd: ValueError: a name is made of letters, digits"),
    ],
)
def test_a_probe_whose_own_code_fails_fails_alone_in_one_line(
    tiny: dict[str, Any], place: Path, fault: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = _with_odd(tiny, fault)
    assert not report.complete
    assert set(report.summaries) == {"margins"}
    (problem,) = report.problems
    show(report)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("advcore:")]
    assert re.search(said, line)
    assert "Traceback" in problem
    text = (place / "out/tiny/report.md").read_text()
    assert "**Not complete**: probe odd" in text
    assert "\x1b" not in text
    assert "## margins" in text
    assert (place / "out/tiny/tables/odd/one.parquet").is_file()
    assert not (place / "out/up.png").exists()


def test_texts_of_strangers_stand_in_the_report_as_they_are_and_do_nothing(
    tiny: dict[str, Any], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = _with_odd(tiny)
    show(report)
    text, shown = (place / "out/tiny/report.md").read_text(), capsys.readouterr().out
    assert "\x1b" not in text + shown
    assert "\\x1b[31m" in shown
    assert "<img" not in text
    assert "<b>" not in text
    assert "](javascript:" not in text.replace("\\[a](javascript:", "").replace(
        "\\[more](javascript:", ""
    )
    assert "![c]" not in text
    rows = [line for line in text.splitlines() if "&lt;b&gt;" in line and line.startswith("|")]
    assert rows
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)


def test_markdown_and_terminal() -> None:
    assert in_markdown("a|b<c>&`[x](y)\n\\") == "a\\|b&lt;c&gt;&amp;\\`\\[x](y) \\\\"
    assert visible("a\x1b[2J\n\u202eb") == "a\\x1b[2J \\u202eb"
    assert visible("ε – ü") == "ε – ü"


def test_names_of_probes_and_models_cannot_meet(tiny: dict[str, Any], place: Path) -> None:
    tiny["run"]["figures"] = "png"
    torch.manual_seed(8)
    save_checkpoint(perceptron(), place / "other.safetensors", {})
    of = {
        name: {"architecture": "perceptron", "checkpoint": f"{name}.safetensors"}
        for name in ("one", "other")
    }
    tiny["models"] = {"a-b": of["one"], "b": of["other"]}
    margins = tiny["probes"]["margins"]
    tiny["probes"] = {"m": margins, "m-a": {"kind": "curvature"}, "m-a-b": margins}
    report = run_study(study_of(tiny))
    tables = [path for path in report.files if path.suffix == ".parquet"]
    assert len(set(tables)) == 6
    assert "subspace" in pq.read_table(place / "out/tiny/tables/m/a-b.parquet").column_names
    eigenvalues = pq.read_table(place / "out/tiny/tables/m-a/b.parquet").column("eigenvalues")
    assert pa.types.is_fixed_size_list(eigenvalues.type)  # plain lists, for other programs
    assert len(set(report.figures)) == len(report.figures) > 3


def test_files_of_the_users_own_stay_and_those_of_the_run_before_go(
    tiny: dict[str, Any], place: Path
) -> None:
    tiny["run"]["figures"] = "png"
    run_study(study_of(tiny))
    folder = place / "out/tiny"
    own = [
        folder / "figures/mine.png",
        folder / "tables/notes.txt",
        folder / "tables/curvature/mine.parquet",
        folder / "notes.md",
    ]
    for path in own:
        path.write_text("mine")
    outside = place / "precious.txt"
    outside.write_text("mine")
    listed = folder / ".written.json"
    listed.write_text(listed.read_text().replace("[", '["../../precious.txt", ".", ', 1))
    del tiny["probes"]["curvature"], tiny["probes"]["examples"]
    run_study(study_of(tiny))
    assert all(path.read_text() == "mine" for path in [*own, outside])
    assert not list(folder.rglob("*eigenvalues*"))
    assert [path.name for path in (folder / "tables/curvature").iterdir()] == ["mine.parquet"]
    assert not (folder / "figures/examples").exists()


def test_tables_of_a_folder_from_before_do_not_lie_beside_the_new_ones(
    tiny: dict[str, Any], place: Path
) -> None:
    tiny["run"]["figures"] = "png"
    folder = place / "out/tiny"
    old = [
        folder / "tables/margins-one.parquet",
        folder / "figures/margins.png",
        folder / "figures/curvature-eigenvalues.png",
    ]
    for path in [*old, folder / "figures/mine.png"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    run_study(study_of(tiny))
    assert not any(path.exists() for path in old)
    assert (folder / "figures/mine.png").is_file()


def test_weights_are_a_files_a_librarys_or_fresh() -> None:
    assert weights_of(ModelSpec("lenet", seed=3)) == "fresh, from seed 3"
    trained = ModelSpec("efficientnet:lite0", classes=1000, pretrained=True)
    assert weights_of(trained) == "trained ones of its library"
    assert weights_of(replace(trained, checkpoint="a|b.pt")) == r"a\|b.pt"


def test_the_report_says_all_that_is_needed_to_do_it_again(
    tiny: dict[str, Any], place: Path
) -> None:
    tiny["run"]["figures"] = "png"
    tiny["data"]["samples"] = 60
    report = run_study(study_of(tiny))
    folder = place / "out/tiny"
    text = (folder / "report.md").read_text()
    facts = dict(
        line[4:].split("**: ", 1)
        for line in text.splitlines()
        if line.startswith("- **") and "**: " in line
    )
    assert {
        "study",
        "written",
        "rows",
        "seed, precision, shard",
        "data",
        "device",
        "versions",
    } <= set(facts)
    assert "60 samples, drawn by seed 0" in facts["data"]
    assert "torch " + torch.__version__.partition("+")[0] in facts["versions"]
    networks = next(block for block in text.split("\n\n") if block.startswith("| network"))
    assert all(spec in networks for spec in ("one.safetensors", "fresh, from seed 0", "95 %"))
    for figure in report.figures:
        assert f"]({figure.relative_to(folder).as_posix()})" in text
    for name, summary in report.summaries["robustness"].items():
        assert name
        for number in (*summary.scalars, *summary.curves):
            assert number in text
            assert in_markdown(summary.meaning(number)) in text
    section = text[text.index("## robustness") :].split("## ")[1]
    (seconds,) = (line for line in section.splitlines() if line.startswith("| seconds "))
    measured = report.words["one", "robustness"]
    expected = sum(float(entry["seconds"]) for entry in measured) / 60
    assert float(seconds.split("|")[2]) == pytest.approx(expected, rel=0.01)
    assert "seconds" not in (folder / "tables/robustness/scalars.csv").read_text()
    assert "seconds" not in report.summaries["robustness"]["one"].scalars
    curves = (folder / "tables/curvature/curves.csv").read_text().splitlines()
    assert len([line for line in curves if line.startswith("one,mean_eigenvalue,")]) == 20


def test_the_accuracy_is_that_of_the_rows_and_chance_is_told_in_every_probe(
    tiny: dict[str, Any], place: Path
) -> None:
    report = run_study(study_of(tiny))
    for by_model in report.summaries.values():
        assert all("at_chance" in summary.warnings for summary in by_model.values())
    told = report.warnings["at_chance"]["one/margins"]
    accuracy = report.summaries["robustness"]["one"].scalars["accuracy"]
    assert told.startswith(f"the accuracy, {accuracy:.1%} (95 %")
    assert told.endswith("may have learnt much all the same: look at the accuracy of each class")
    assert (place / "out/tiny/report.md").read_text().count(in_markdown(told)) == 1


def test_chance_is_the_share_of_the_largest_class() -> None:
    labels = np.repeat([0, 1, 2], [60, 20, 20])
    words = [
        {"shard": "0:50", "right": "45"},
        {"shard": "50:100", "right": "35"},
        {"shard": "0:50", "right": "45"},
        {"shard": "0:9"},
    ]
    known = accuracy_of(words, labels)
    assert known == Accuracy(80, 100, 0.6, 100)
    assert not known.warning
    assert "always answers the most frequent class (60.0%)" in Accuracy(65, 100, 0.6, 100).warning
    assert Accuracy(5, 100, 0.6, 100).warning
    few = Accuracy(1, 1, 0.5, 64)
    assert not few.warning
    assert str(few) == "100.0% (95 %: 20.7% to 100.0%, 1 of 64 samples)"
    assert accuracy_of([{"shard": "0:9"}], labels) is None


def test_curves_are_whole_and_planes_are_tables() -> None:
    curve = Curve(list(range(40)), [float(i == 17) for i in range(40)])
    text = whole_curves(
        {"a": Summary({}, {"c": curve, "map": Curve(list(range(6)), [1, 2, 3, 4, 5, 6], 3)})}
    )
    assert len(text.split("\n\n")[0].splitlines()) == 42
    assert [line.split("|")[1:-1][1:] for line in text.split("\n\n")[1].splitlines()[2:]] == [
        [" 1 ", " 2 ", " 3 "],
        [" 4 ", " 5 ", " 6 "],
    ]
    assert plane_table("a", Curve([0, 1], [1, 2], 2)).splitlines()[0].split("|")[2:4] == [
        " 0 ",
        " 1 ",
    ]


def test_a_summary_must_hold_numbers_and_words() -> None:
    assert checked(Summary({"a": torch.tensor(2.5)})).scalars == {"a": 2.5}  # type: ignore[dict-item]
    for wrong, match in (
        (Summary({"a": "1"}), "the scalar a must be a number; got str"),
        (Summary({1: 1.0}), "a scalar's name must be a text; got int"),
        (
            Summary({}, {"c": Curve([1], [])}),
            "the curve c must be a Curve with one x for each y; got 1 x and 0 y",
        ),
        (
            Summary({}, {"c": Curve([1], [None])}),
            "a value of the curve c must be a number; got None",
        ),
        (Summary(warnings={"w": 3}), "w in warnings must be a text; got int"),
    ):
        with pytest.raises(ValueError, match=match):
            checked(wrong)
    with pytest.raises(ValueError, match="must differ in their names; got up, up"):
        drawings("odd", _Twice(), {})
    with pytest.raises(ValueError, match="charts must give a list of charts; got None"):
        drawings("odd", _Twice(charts_of=None), {})


@dataclass(frozen=True)
class _Twice(Curvature):
    charts_of: Any = "up"

    def charts(self, tables: Any) -> Any:
        return None if self.charts_of is None else [_chart("up"), _chart("up")]


def test_status_is_1_where_a_probe_cannot_say_what_came_of_it(
    study_file: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Curvature, "summarise", lambda self, table: None)
    assert main(["run", str(study_file)]) == 1
    assert "## margins" in (place / "out/tiny/report.md").read_text()


def test_names_of_a_studys_own_metrics_are_refused() -> None:
    taken = "'seconds' of a scalar or curve is taken by a metric of each study"
    with pytest.raises(ValueError, match=taken):
        checked(Summary({"seconds": 1.0}))
    with pytest.raises(ValueError, match="'shards' of a scalar or curve is taken"):
        checked(Summary({}, {"shards": Curve([0], [1])}))
    assert checked(Summary({"seconds/forward": 1.0})).scalars == {"seconds/forward": 1.0}
