"""The small version of a study: what it sets, what is refused, where its results lie."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from small_graph import document
from tiny_pages import HOSTILE, written

from advcore.pipelines.cli import main
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.reporting.saved_answer import Question
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import AnyStudy, GraphStudy, Study, read_study
from advcore.pipelines.reports.page import page_of, render_page
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.runs import RunSettings, read_study_run
from advcore.pipelines.settings.shipped import shipped_files
from advcore.pipelines.settings.small import Small, SmallOf
from advcore.workers.errors import InputError

MOST_MINUTES = 3.0
"""The longest that a shipped study may take in its small version, on two idle cores."""

SMALL = {"minutes": 2, "set": {"axes.seed": 1, "data_sets.test.samples": 8}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, small=SMALL, minutes=90.0)


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "study.yaml"
    path.write_text(json.dumps(document(folder / "out", **changes)))
    return path


def test_it_is_the_study_with_its_values_set(file: Path) -> None:
    whole, small = read_study(file), read_study(file, small=True)
    assert whole.name == "small"
    assert whole.minutes == 90
    assert whole.small == Small(SMALL["set"], 2)
    assert whole.small_of is None
    assert small.name == "small-small"
    assert small.minutes == 2
    assert small.small is None
    assert small.small_of == SmallOf(
        "small", ("axes.seed 1 in place of 2", "data_sets.test.samples 8 in place of 40")
    )
    assert isinstance(whole, GraphStudy)
    assert isinstance(small, GraphStudy)
    assert small.axes == {"seed": 1}
    assert small.data_sets["test"] == {"name": "digits", "samples": 8}
    assert small.models == whole.models
    assert small.probes == whole.probes


def test_values_of_the_command_line_stand_over_it(file: Path) -> None:
    own = read_study(file, ["data_sets.test.samples=5", "run.seed=4"], small=True)
    assert isinstance(own, GraphStudy)
    assert own.data_sets["test"]["samples"] == 5
    assert own.axes == {"seed": 1}
    assert own.small_of is not None
    assert own.small_of.differs[1] == "data_sets.test.samples 5 in place of 40"
    assert read_study_run(str(file), ["run.seed=4"], small=True).seed == own.run.seed == 4


def test_no_minutes_are_not_those_of_the_whole(tmp_path: Path) -> None:
    file = write(tmp_path, small={"set": {"axes.seed": 1}}, minutes=90.0)
    assert read_study(file, small=True).minutes is None


def test_the_section_moves_no_key_of_the_whole(tiny: dict[str, Any]) -> None:
    small = {"set": {"data.samples": 8}}
    plain, whole = (prepare(schema.structure(Study, tiny | own)) for own in ({}, {"small": small}))
    assert whole.identity == plain.identity
    assert [own.key for own in whole.all_tasks()] == [own.key for own in plain.all_tasks()]
    Path("tiny.yaml").write_text(json.dumps(tiny | {"small": small}))
    made = read_study("tiny.yaml", small=True)
    assert isinstance(made, Study)
    assert made.data.samples == 8
    assert prepare(made).identity != plain.identity


@pytest.mark.parametrize(
    ("small", "message"),
    [
        (None, r"study.yaml has no small version: leave --small away, or give the file a section"),
        ({"sets": {}}, r"^study\.small: unknown key 'sets'; did you mean 'set'\?"),
        ({"set": ["axes.seed"]}, r"^study\.small\.set: expected a mapping, got a list"),
        ({"set": {"models.plian.seed": 1}}, r"^small\.set models\.plian: .* did you mean 'plain'"),
        ({"set": {"axes.seed": "many"}}, r"axis seed|axes\.seed"),
        ({"set": {"axes.seed.first": 1}}, r"^study\.small\.set\.axes\.seed\.first: expected a map"),
    ],
)
def test_refused(tmp_path: Path, small: Any, message: str) -> None:
    file = write(tmp_path, **({} if small is None else {"small": small}))
    with pytest.raises(InputError, match=message) as caught:
        graph_layout(read_study(file, small=True), Loader())  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_setting_the_section_itself_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"already made when it is set; set the value itself"):
        read_study(file, ["small.set={}"], small=True)


def test_a_command_without_a_small_version_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["run"], ["plan"], ["export", "test", "--to", f"npz:{tmp_path / 'a.npz'}"]):
        name, *rest = words
        assert main([name, str(write(tmp_path)), *rest, "--small"]) == 2
        assert "has no small version" in capsys.readouterr().err


def test_results_lie_in_a_folder_of_their_own_and_say_what_differs(
    tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"probes": {"curvature": {"kind": "curvature"}}, "small": {"set": {"data.samples": 8}}}
    Path("tiny.yaml").write_text(json.dumps(tiny | own))
    study = read_study("tiny.yaml", small=True)
    folder = run_study(study).folder
    assert folder == Path("out/tiny-small").absolute()
    said = "the small version of tiny, with data.samples 8 in place of 20"
    assert f"This is {said}. Sizes that the sentences" in (folder / "report.md").read_text()
    results = json.loads((folder / "results.json").read_text())
    assert results["small_of"]["study"] == "tiny"
    page = (folder / "report.html").read_text()
    assert "This is the small version of tiny." in page
    assert "<li>data.samples 8 in place of 20</li>" in page
    assert read_study(folder / "study.yaml") == study
    assert main(["plan", "tiny.yaml", "--small"]) == 0
    told = capsys.readouterr().out
    assert said in told
    assert "to measure: 0 of 2 shards" in told


def test_saved_answers_are_told_apart(file: Path) -> None:
    folders = [
        Question.read(["run"], str(file), (), RunSettings(out="o"), small).folder.name
        for small in (False, True)
    ]
    assert folders == ["small", "small-small"]


def test_what_differs_is_escaped(tmp_path: Path) -> None:
    of = {"study": HOSTILE, "differs": [HOSTILE]}
    page = render_page(page_of(written(tmp_path / "r", small_of=of)))
    assert page.count("&lt;script&gt;alert(1)") == 2
    assert "<script>alert(1)" not in page


@cache
def shipped(name: str, small: bool) -> AnyStudy:
    return read_study(name, small=small)


@pytest.mark.parametrize("name", shipped_files("studies"))
def test_that_of_each_shipped_study_is_smaller(name: str) -> None:
    """It has shorter axes or fewer samples, the same entries, and its own minutes."""
    whole, small = shipped(name, False), shipped(name, True)
    assert small.small_of is not None
    assert small.small_of.differs
    assert small.minutes is not None
    assert whole.minutes is not None
    assert small.minutes <= min(whole.minutes, MOST_MINUTES)
    if not isinstance(whole, GraphStudy) or not isinstance(small, GraphStudy):
        assert isinstance(whole, Study)
        assert isinstance(small, Study)
        assert small.data.samples is not None
        assert whole.data.samples is not None
        assert small.data.samples < whole.data.samples
        return
    for section in ("data_sets", "models", "fits", "probes", "tables", "claims", "figures", "axes"):
        assert set(getattr(small, section)) == set(getattr(whole, section))
    for axis, values in small.axes.items():
        assert length(values) <= length(whole.axes[axis]), axis
    for data, entry in small.data_sets.items():
        most = whole.data_sets[data].get("samples")
        if isinstance(most, int):
            assert entry["samples"] <= most, data


def length(axis: Any) -> int:
    return axis if isinstance(axis, int) else len(axis)


def test_all_shipped_ones_together_take_less_than_an_hour() -> None:
    minutes = [shipped(name, True).minutes for name in shipped_files("studies")]
    assert sum(own or 0 for own in minutes) < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_files("studies"))
def test_that_of_each_shipped_study_is_laid_out_as_no_more_work(name: str) -> None:
    whole, small = shipped(name, False), shipped(name, True)
    if not isinstance(whole, GraphStudy) or not isinstance(small, GraphStudy):
        assert isinstance(whole, Study)
        assert isinstance(small, Study)
        assert small.train == whole.train
        assert small.probes == whole.probes
        return
    load = Loader()
    most, own = (graph_layout(study, load) for study in (whole, small))
    for part in ("trainings", "fits", "planned", "data"):
        assert len(getattr(own, part)) <= len(getattr(most, part)), part
    epochs = [sum(one.recipe.epochs for one in each.trainings.values()) for each in (own, most)]
    assert epochs[0] <= epochs[1]
