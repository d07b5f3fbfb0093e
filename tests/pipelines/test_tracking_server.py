"""A study and a training against `mlflow server` with PostgreSQL behind it and artifacts that pass
through it to S3.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import postgres
import pytest
import yaml
from s3_server import S3, SECRET

RECIPE = {
    "name": "digits-perceptron",
    "model": {"architecture": "perceptron"},
    "data": {"name": "digits", "split": "train", "samples": 100},
    "recipe": {"epochs": 1},
}


@contextmanager
def mlflow_server(database: str, destination: str, folder: Path) -> Iterator[str]:
    """Its URL. What it may know, the database and the bucket, it has from its environment alone."""
    port = postgres.free_port()
    options = [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--artifacts-destination",
        destination,
    ]
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    log = folder / "server.log"
    with log.open("w") as opened:
        command = [sys.executable, "-m", "mlflow", "server", *options]
        server = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=opened,
            stderr=opened,
            start_new_session=True,
        )
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + 240
    try:
        while True:
            try:
                # not /health: the tables are made at the first question
                urllib.request.urlopen(
                    f"{url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default",
                    timeout=120,
                ).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(
                        f"the server did not start:\n{log.read_text()[-3000:]}"
                    ) from None
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # its own session: its workers, and nobody else
        server.wait(60)


def words(database: str) -> str:
    """All that MLflow keeps in the database, as one text."""
    import psycopg

    with psycopg.connect(database) as connection:
        tables = [
            row[0]
            for row in connection.execute(
                "select tablename from pg_tables where schemaname = 'public'"
            )
        ]
        return "\n".join(
            str(row) for table in tables for row in connection.execute(f'select * from "{table}"')
        )  # type: ignore[call-overload]


@pytest.mark.slow
def test_a_study_of_a_registered_model(
    tiny: dict[str, Any], place: Path, s3: S3, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (place / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    probes = {name: tiny["probes"][name] for name in ("margins", "examples")}
    study = {
        **tiny,
        "probes": probes,
        "models": {
            "registered": {
                "architecture": "perceptron",
                "checkpoint": "models:/digits-perceptron/1",
            }
        },
    }
    (place / "study.yaml").write_text(
        yaml.safe_dump({**study, "run": {**tiny["run"], "track": True}})
    )
    client = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    }  # a client needs no S3
    with (
        postgres.running() as (database, password),
        mlflow_server(database, s3.url("mlflow"), tmp_path_factory.mktemp("server")) as url,
    ):

        def advcore(*words: str) -> str:
            command = [sys.executable, "-m", "advcore.pipelines.cli", *words, "--tracking-uri", url]
            done = subprocess.run(command, capture_output=True, text=True, env=client, timeout=400)
            assert done.returncode == 0, done.stderr
            assert password not in done.stdout + done.stderr
            return done.stdout

        assert "trained, epoch 1" in advcore("train", "recipe.yaml", "--out", "elsewhere")
        assert "6 shards measured, 0 of 6 found" in advcore("run", "study.yaml")
        assert "nothing to compute: all 6 shards were in the store" in advcore("run", "study.yaml")
        check_recorded(url, place)
        told = words(database)
        objects = s3.objects("mlflow/")
    assert "digits-perceptron" in told
    for secret in (password, SECRET):
        assert secret not in told
        assert not [
            path
            for path in place.rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]
        assert not [key for key, raw in objects.items() if secret.encode() in raw]
    assert [key for key in objects if key.endswith("report.md")]
    assert [key for key in objects if key.endswith(".safetensors")]


def check_recorded(url: str, place: Path) -> None:
    """The study's runs are there and finished, with numbers, and with the very files."""
    from mlflow.artifacts import download_artifacts
    from mlflow.tracking import MlflowClient

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        client = MlflowClient(tracking_uri=url)
        experiment = client.get_experiment_by_name("advcore")
        runs = client.search_runs([experiment.experiment_id])
        assert sorted(run.info.run_name for run in runs) == [
            "registered/examples",
            "registered/margins",
            "tiny",
        ]
        assert {run.info.status for run in runs} == {"FINISHED"}
        (parent,) = [run for run in runs if run.info.run_name == "tiny"]
        assert parent.data.metrics["shards"] == 6
        assert parent.data.tags["advcore.checkpoint.registered"] == "models:/digits-perceptron/1"
        assert parent.info.artifact_uri.startswith("mlflow-artifacts:/")
        report = download_artifacts(
            artifact_uri=f"runs:/{parent.info.run_id}/report.md", tracking_uri=url
        )
    assert _but_its_minute(Path(report)) == _but_its_minute(place / "out/tiny/report.md")


def _but_its_minute(report: Path) -> list[str]:
    """The lines but for when it was written: a run that finds all done writes it again."""
    lines = report.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("- **written**: ")]
    assert len(kept) == len(lines) - 1
    return kept
