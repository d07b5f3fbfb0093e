"""Results in folders of every name that a file system allows, and results that are moved."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import answer_of
from mlflow_store import client as mlflow_client

from advcore.pipelines.cli import main
from advcore.pipelines.tracking.addresses import default_uri
from advcore.pipelines.tracking.client import Client
from advcore.pipelines.tracking.finished_run import finished_in_mlflow, sqlite_path
from advcore.pipelines.tracking.record import Text
from advcore.pipelines.tracking.tracker import MLflowTracker

SIGNS = [chr(code) for code in range(1, 127) if chr(code) not in "/"]
NAMES = [
    "feature%2Fx",
    "p?q",
    "p%20q",
    "a b",
    "a#b",
    "a&b=c",
    "über ünï",
    "\N{SNOWMAN}",
    "{a}",
    "[b]",
    "a@b:c",
    "100%",
    "~",
    "$HOME",
    "a\\b",
    "a'b\"c",
    "*",
]


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_recorded_where_the_results_lie(name: str, migrated: Path, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(migrated, folder / "mlflow.db")
    run = MLflowTracker(None, folder).open("advcore", "0af", "one")
    run.start()
    run.log(Text("hello", "said.txt"))
    run.end()
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert database.execute("SELECT run_uuid FROM runs").fetchall() == [(run.id,)]
    assert len(list((folder / "mlartifacts").rglob("said.txt"))) == 1
    assert finished_in_mlflow(default_uri(folder), run.id) == ""
    assert {path.name for path in tmp_path.iterdir()} == {name}


@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
def test_every_sign_is_quoted_as_sqlalchemy_reads_it(sign: str) -> None:
    from sqlalchemy.engine import make_url

    path = Path(f"/a/x{sign}y%41/mlflow.db")
    assert sqlite_path(default_uri(path.parent)) == path
    if "\n" not in sign and "\r" not in sign:
        assert make_url(default_uri(path.parent)).database == str(path)


def test_a_study_runs_in_such_a_folder(
    study_file: Path, tiny: dict[str, Any], place: Path, migrated: Path
) -> None:
    folder = place / "a%2Fb?c d#e"
    folder.mkdir()
    shutil.copy(migrated, folder / "mlflow.db")
    tiny["probes"] = {"curvature": {"kind": "curvature"}}
    tiny["run"] |= {"out": str(folder), "track": True}
    study_file.write_text(yaml.safe_dump(tiny))
    assert main(["run", str(study_file)]) == 0
    assert "nothing to compute" in (answer_of(["run", str(study_file)]) or "")
    assert len(list((folder / "mlartifacts").rglob("report.md"))) == 1


def test_results_may_be_moved(
    study_file: Path,
    tiny: dict[str, Any],
    place: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny["probes"] = {"curvature": {"kind": "curvature"}}
    tiny["run"] |= {"out": str(folder), "track": True}
    study_file.write_text(yaml.safe_dump(tiny))
    assert main(["run", str(study_file)]) == 0
    moved = place / "moved"
    folder.rename(moved)
    study_file.write_text(
        yaml.safe_dump(
            {**tiny, "name": "other", "run": {**tiny["run"], "out": str(moved), "seed": 1}}
        )
    )
    capsys.readouterr()
    assert main(["run", str(study_file)]) == 0
    assert not folder.exists()
    assert len(list((moved / "mlartifacts").rglob("report.md"))) == 2
    own = mlflow_client(moved)
    runs = own.search_runs([own.get_experiment_by_name("advcore").experiment_id])
    for run in runs:
        assert run.info.artifact_uri.startswith((moved / "mlartifacts").as_uri())
        assert own.list_artifacts(run.info.run_id) != []
    assert main(["run", str(study_file)]) == 0
    assert "nothing to compute" in capsys.readouterr().out


def test_what_lies_elsewhere_stays_there(folder: Path, tmp_path: Path) -> None:
    """An experiment whose artifacts somebody has put elsewhere."""
    elsewhere = (tmp_path / "elsewhere").as_uri()
    Client(default_uri(folder)).ask("create_experiment", "advcore", elsewhere)
    MLflowTracker(None, folder).open("advcore", "0af", "one").log(Text("hello", "said.txt"))
    assert len(list((tmp_path / "elsewhere").rglob("said.txt"))) == 1
