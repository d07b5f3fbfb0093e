"""A finished study run again: at once where all is as it was, as always where anything is not."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
import yaml
from answers import answer_of, question_of

from advcore.networks import perceptron
from advcore.pipelines.cli import main
from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.reporting import saved_answer
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.machine import package_files
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.finished_run import finished_in_mlflow
from advcore.workers.checkpoints import save_checkpoint
from advcore.workers.datasets import DataSpec
from advcore.workers.datasets.origin import files

OWN = "from own_again_part import perceptron\ndef network():\n    return perceptron()\n"
PART = "from advcore.networks import perceptron as perceptron\n"
LIGHT = "import sys; from advcore.pipelines.cli import main; status = main(sys.argv[1:]); " + (
    "sys.exit(status or any(name in sys.modules for name in ('torch', 'ray', 'mlflow', "
    "'numpy', 'matplotlib')))"
)


@pytest.fixture
def finished(
    study_file: Path, place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], str]:
    """A study with a module of its own that has run, recorded in MLflow: the command, and what it
    says a second time.
    """
    monkeypatch.syspath_prepend(str(place))
    (place / "own_again.py").write_text(OWN)
    (place / "own_again_part.py").write_text(PART)
    for name in ("own_again", "own_again_part"):
        sys.modules.pop(name, None)
    study = yaml.safe_load(study_file.read_text())
    study["models"]["two"] = {"architecture": "own_again:network"}
    study["probes"] = {"curvature": {"kind": "curvature"}}
    study["run"] = {"shard_size": 8, "threads": 1, "out": str(folder)}
    study_file.write_text(yaml.safe_dump(study))
    command = ["run", str(study_file)]
    assert main(command) == 0
    told = answer_of(command)
    assert told is not None
    return command, told


def test_the_answer_needs_nothing_that_takes_seconds(
    finished: tuple[list[str], str], folder: Path
) -> None:
    command, told = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *command], env=_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, told)
    assert "nothing to compute: all 6 shards were in the store" in told
    assert "mean_top_eigenvalue" in told
    assert f"report: {folder / 'tiny/report.md'}" in told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_answer_hangs_on_all_that_the_study_came_of_and_left(
    finished: tuple[list[str], str], place: Path, folder: Path
) -> None:
    memo = json.loads((folder / "tiny/finished.json").read_text())
    assert memo["file"].keys() == {str(place / "tiny.yaml")}
    assert memo["inputs"].keys() > {
        str(place / name) for name in ("one.safetensors", "own_again.py", "own_again_part.py")
    }
    assert any("digits" in name for name in memo["inputs"])
    left = [
        path for part in ("store", "tiny") for path in (folder / part).rglob("*") if path.is_file()
    ]
    assert memo["outputs"].keys() == {
        str(path)
        for path in left
        if path.name not in ("finished.json", "progress.json", ".written.json", "advcore-store")
    }
    assert len(memo["outputs"]) == 6 + 2 + 4 + 3 + 4


@pytest.fixture
def remembered(place: Path, study_file: Path) -> list[str]:
    """The command of a study of which as much is there as an answer hangs on."""
    folder = place / "out"
    inputs = [place / "one.safetensors", place / "own_again.py"]
    outputs = [
        folder / "store/ab/abc.parquet",
        *(folder / "tiny" / name for name in ("tables/a", "figures/a", "report.md")),
    ]
    for path in (place / "own_again.py", *outputs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("CREATE TABLE runs (run_uuid, status, lifecycle_stage, artifact_uri)")
        database.execute("CREATE TABLE tags (run_uuid, key, value)")
        database.execute("INSERT INTO runs VALUES ('abc', 'FINISHED', 'active', '')")
    command = ["run", str(study_file)]
    question = question_of(command)
    saved_answer.save_answer(
        question,
        question.fingerprint(),
        saved_answer.Kept(saved_answer.stats(inputs), saved_answer.stats(outputs), "abc"),
        "said\n",
    )
    assert answer_of(command) == "said\n"
    return command


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def _other_weights(place: Path, folder: Path) -> None:
    torch.manual_seed(4)
    before = (place / "one.safetensors").stat()
    save_checkpoint(perceptron(), place / "one.safetensors", {})
    assert (place / "one.safetensors").stat().st_size == before.st_size
    os.utime(place / "one.safetensors", ns=(before.st_atime_ns, before.st_mtime_ns))


def _sql(statement: str) -> Callable[[Path, Path], None]:
    def change(place: Path, folder: Path) -> None:
        with sqlite3.connect(folder / "mlflow.db") as database:
            database.execute(statement)

    return change


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "weights of the same size and time": _other_weights,
    "a module of one's own": lambda place, folder: (place / "own_again.py").write_text(
        OWN + "# and more\n"
    ),
    "the study": lambda place, folder: (place / "tiny.yaml").write_text(
        (place / "tiny.yaml").read_text() + "\n"
    ),
    "rows": lambda place, folder: next((folder / "store").rglob("*.parquet")).unlink(),
    "a table": lambda place, folder: next((folder / "tiny/tables").glob("*")).unlink(),
    "a figure": lambda place, folder: next((folder / "tiny/figures").glob("*")).unlink(),
    "the report": lambda place, folder: (folder / "tiny/report.md").write_text("mine"),
    "MLflow's run is gone": _sql("UPDATE runs SET lifecycle_stage = 'deleted'"),
    "MLflow's run has not ended": _sql("UPDATE runs SET status = 'RUNNING'"),
    "MLflow is gone": lambda place, folder: (folder / "mlflow.db").unlink(),
    "what was remembered": lambda place, folder: (folder / "tiny/finished.json").write_text("{"),
}


@pytest.mark.parametrize("change", [*CHANGES, "the code"])
def test_what_is_not_as_it_was_is_looked_at_anew(
    remembered: list[str], place: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if change == "the code":
        monkeypatch.setattr(package_files, "pipelines", package_files.workers)
    else:
        CHANGES[change](place, place / "out")
    assert answer_of(remembered) is None


def test_a_shard_that_went_is_measured_and_the_answer_is_there_again(
    finished: tuple[list[str], str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, told = finished
    next((folder / "store").rglob("*.parquet")).unlink()
    assert main(command) == 0
    assert "1 shard measured, 5 of 6 found in the store" in capsys.readouterr().out
    assert answer_of(command) == told


def test_an_edited_part_of_ones_own_network_makes_new_rows(
    finished: tuple[list[str], str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, _ = finished
    (place / "own_again_part.py").write_text(PART + "# edited\n")
    assert answer_of(command) is None
    assert main(command) == 0
    assert "3 shards measured, 3 of 6 found in the store" in capsys.readouterr().out


def test_another_command_or_folder_is_run(
    remembered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in (
        [*remembered, "--workers", "1"],
        [*remembered, "--set", "data.samples=19"],
        [*remembered, "--out", "elsewhere"],
        ["demo"],
        ["demo", "--out=elsewhere"],
    ):
        assert answer_of(other) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert answer_of(remembered) is None


def test_a_study_that_is_not_complete_is_not_remembered(study_file: Path, place: Path) -> None:
    study = yaml.safe_load(study_file.read_text())
    (place / "own_sad.py").write_text(
        "from dataclasses import dataclass\nfrom advcore.probes import Curvature\n"
        "@dataclass(frozen=True)\nclass Sad(Curvature):\n"
        "    def measure(self, *args): raise RuntimeError('no')\n"
    )
    study["probes"] = {"c": {"kind": "own_sad:Sad"}}
    study_file.write_text(yaml.safe_dump(study))
    assert main(["run", str(study_file)]) == 1
    assert not (place / "out/tiny/finished.json").exists()


@pytest.mark.parametrize("change", ["weights of the same size and time", "the study"])
def test_what_changed_while_it_ran_is_not_remembered(
    remembered: list[str], place: Path, change: str
) -> None:
    question = question_of(remembered)
    before = question.fingerprint()
    kept = saved_answer.Kept(saved_answer.stats([place / "one.safetensors"]), {}, "")
    (place / "out/tiny/finished.json").unlink()
    CHANGES[change](place, place / "out")
    saved_answer.save_answer(question, before, kept, "said")
    assert not (place / "out/tiny/finished.json").exists()


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, object]]]:
    """A server that says of each run what it is told to, and what it was asked."""
    state: dict[str, object] = {"status": "FINISHED"}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state["path"], state["authorization"] = self.path, self.headers.get("Authorization")
            self.send_response(200 if state["status"] else 404)
            self.end_headers()
            self.wfile.write(
                json.dumps(
                    {"run": {"info": {"status": state["status"], "lifecycle_stage": "active"}}}
                ).encode()
            )

        def log_message(self, *words: object) -> None: ...

    own = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=own.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{own.server_port}", state
    own.shutdown()
    own.server_close()


def test_a_server_is_asked_with_the_users_credentials(
    server: tuple[str, dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, state = server
    assert finished_in_mlflow(f"http://user:secret@{place}", "abc") == ""
    assert state["path"] == "/api/2.0/mlflow/runs/get?run_id=abc"
    assert state["authorization"] == "Basic dXNlcjpzZWNyZXQ="
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token")
    assert finished_in_mlflow(f"http://{place}", "abc") == ""
    assert state["authorization"] == "Bearer token"
    for status in ("RUNNING", ""):
        state["status"] = status
        assert finished_in_mlflow(f"http://{place}", "abc") is None
    assert finished_in_mlflow("postgresql://user:secret@host/db", "abc") is None
    assert finished_in_mlflow("http://user:secret@127.0.0.1:1", "abc") == (
        "MLflow at http://***@127.0.0.1:1 does not answer now; all was logged there before\n"
    )


def test_where_data_come_from(tmp_path: Path) -> None:
    for name in ("mnist5k", "digits"):
        found = files(DataSpec(name))
        assert found is not None
        assert any(path.suffix == ".gz" for path in found)
    (tmp_path / "test/cat").mkdir(parents=True)
    (tmp_path / "test/cat/a.png").touch()
    assert files(DataSpec(f"imagefolder:{tmp_path}")) == [
        tmp_path,
        tmp_path / "test",
        tmp_path / "test/cat",
        tmp_path / "test/cat/a.png",
    ]
    assert files(DataSpec(f"npz:{tmp_path}/a.npz")) == [tmp_path / "a.npz"]
    assert files(DataSpec(f"tar:{tmp_path}/a.tar")) == [tmp_path / "a.tar"]
    assert files(DataSpec(f"npy:{tmp_path}/test/cat")) == files(
        DataSpec(f"tar:{tmp_path}/test/cat")
    )
    assert files(DataSpec(f"parquet:{tmp_path}/{{0..3}}.parquet")) is None
    assert files(DataSpec("torchvision:CIFAR10", folder=str(tmp_path / "test/cat"))) == [
        tmp_path / "test/cat",
        tmp_path / "test/cat/a.png",
    ]
    for elsewhere in (
        DataSpec("npz:s3://bucket/a.npz"),
        DataSpec("torchvision:CIFAR10"),
        DataSpec("fashion-mnist", folder=str(tmp_path)),
    ):
        assert files(elsewhere) is None
    shutil.rmtree(tmp_path / "test")


def test_a_claim_or_its_part_that_is_edited_is_another_study(
    tiny: dict[str, object], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(place))
    (place / "own_claim_part.py").write_text("LIMIT = 1\n")
    (place / "own_claim.py").write_text(
        "from dataclasses import dataclass\nfrom own_claim_part import LIMIT\nfrom "
        "advcore.pipelines.claims import Level\n"
        "@dataclass(frozen=True)\nclass Mine(Level): ...\n"
    )
    of = {"probe": next(iter(tiny["probes"])), "model": "one", "column": "sample"}  # type: ignore[call-overload]
    study = schema.structure(
        Study, {**tiny, "claims": {"mine": {"kind": "own_claim:Mine", "says": "x", "of": of}}}
    )
    before = prepare(study).identity
    assert prepare(study).identity == before
    (place / "own_claim_part.py").write_text("LIMIT = 2\n")
    assert prepare(study).identity != before


def test_pictures_behind_links_are_looked_at(tmp_path: Path) -> None:
    """Classes that are links to folders elsewhere, as people share them; and links that lead in a
    circle.
    """
    (tmp_path / "shared/cats").mkdir(parents=True)
    (tmp_path / "shared/cats/a.png").touch()
    (tmp_path / "data/test").mkdir(parents=True)
    (tmp_path / "data/test/cat").symlink_to(tmp_path / "shared/cats")
    found = files(DataSpec(f"imagefolder:{tmp_path / 'data'}"))
    assert found is not None
    assert tmp_path / "data/test/cat/a.png" in found
    before = saved_answer.stats(found)
    (tmp_path / "shared/cats/a.png").write_bytes(b"other")
    assert saved_answer.stats(found) != before
    (tmp_path / "data/test/round").symlink_to(tmp_path / "data")
    (tmp_path / "data/test/more").symlink_to(tmp_path / "data")
    assert files(DataSpec(f"imagefolder:{tmp_path / 'data'}")) is None
