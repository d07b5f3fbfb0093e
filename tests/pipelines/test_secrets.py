"""Planted credentials, in the environment and in settings: in no file, no line and no record of a
study that fails in parts.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines.cli import main
from advcore.workers.redaction import plain_without_secrets, without_secrets

PLANTED = {
    "MLFLOW_TRACKING_PASSWORD": "planted-mlflow-password",
    "MLFLOW_TRACKING_USERNAME": "someone",
    "MLFLOW_TRACKING_TOKEN": "planted-mlflow-token",
    "AWS_ACCESS_KEY_ID": "planted-access-key-id",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-access-key",
    "AWS_SESSION_TOKEN": "planted-session-token",
    "AWS_ENDPOINT_URL_S3": "http://user:planted-endpoint@127.0.0.1:9",
    "RAY_AUTH_TOKEN": "planted-ray-token",
}

LEAKY = """
import os
from dataclasses import dataclass
from advcore.networks import perceptron
from advcore.probes import Curvature

def network(url=""):
    return perceptron()

@dataclass(frozen=True)
class Leaky(Curvature):
    url: str = ""

    def measure(self, classifier, batch, randomness):
        if batch.start == 8:
            raise RuntimeError(f"denied: {self.url} {dict(os.environ)}")
        return super().measure(classifier, batch, randomness)

    def summarise(self, table):
        raise RuntimeError(f"denied too: {self.url} {dict(os.environ)}")
"""


def leaks(place: Path) -> list[str]:
    """Each file below that holds a planted word, but for those in which it was planted."""
    sources = {"tiny.yaml", "own_leaky.py"}
    files = [
        path
        for path in place.rglob("*")
        if path.is_file() and path.name not in sources and path.suffix != ".pyc"
    ]
    assert any(path.name == "mlflow.db" for path in files)
    assert any(path.name == "failures.txt" for path in files)
    return [str(path) for path in files if b"planted" in path.read_bytes()]


@pytest.fixture
def leaky(study_file: Path, tiny: dict[str, Any], place: Path, folder: Path) -> list[str]:
    """The command of a study whose code and settings hold credentials and tell them."""
    (place / "own_leaky.py").write_text(LEAKY)
    url = "s3://user:planted-url-password@host/x?X-Amz-Signature=planted-signature"
    tiny["models"] = {
        "one": {"architecture": "perceptron", "checkpoint": "one.safetensors"},
        "two": {"architecture": "own_leaky:network", "arguments": {"url": url}},
    }
    tiny["probes"] = {
        "curvature": {"kind": "own_leaky:Leaky", "url": url},
        "margins": tiny["probes"]["margins"],
    }
    tiny["run"] |= {"out": str(folder), "track": True}
    study_file.write_text(yaml.safe_dump(tiny))
    return ["run", str(study_file)]


def test_no_credential_is_written_or_shown(
    leaky: list[str],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(place))
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    for flags in ([], ["--verbose"]):
        assert main([*leaky, *flags]) == 1
        out, err = capfd.readouterr()
        assert "denied" in err
        assert "planted" not in out + err
    assert leaks(place) == []


@pytest.mark.slow
def test_nor_by_workers_on_ray(leaky: list[str], place: Path) -> None:
    environment = {**os.environ, **PLANTED, "PYTHONPATH": str(Path(__file__).parents[2])}
    del environment["RAY_AUTH_TOKEN"]  # it would have to be the session's own
    command = [sys.executable, "-m", "advcore.pipelines.cli", *leaky, "--runner", "ray"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "denied" in done.stderr
    assert "planted" not in done.stdout + done.stderr
    assert leaks(place) == []


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"data": {"name": "npz:https://user:planted@host/a.npz?token=planted"}}, []),
        (
            {
                "models": {
                    "one": {
                        "architecture": "perceptron",
                        "checkpoint": "https://user:planted@host/a.safetensors",
                    }
                }
            },
            [],
        ),
        ({}, ["--tracking-uri", "http://user:planted@127.0.0.1:1"]),
        ({}, ["--tracking-uri", "postgresql://user:planted@127.0.0.1:1/db"]),
        ({}, ["--runner", "ray", "--address", "user:planted@127.0.0.1:1"]),
        ({}, ["--out", "/dev/null/planted-in-the-environment"]),
    ],
)
@pytest.mark.parametrize("verbose", [[], ["--verbose"]])
def test_no_refusal_tells_one(
    study_file: Path,
    tiny: dict[str, Any],
    changes: dict[str, Any],
    flags: list[str],
    verbose: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-in-the-environment")
    tiny["run"]["track"] = "--tracking-uri" in flags
    study_file.write_text(yaml.safe_dump({**tiny, **changes}))
    assert main(["run", str(study_file), *flags, *verbose]) == 2
    said = "".join(capfd.readouterr())
    assert "***" in said
    assert "planted" not in said


def test_what_should_not_have_happened_is_a_traceback_without_secrets(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("at https://user:planted@host")

    monkeypatch.setattr("advcore.pipelines.graph.running.driver.prepare_layout", broken)
    assert main(["run", str(study_file)]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: at https://***@host" in said
    assert "planted" not in said


def test_settings_lose_their_secrets_and_keep_their_shape() -> None:
    environment = {
        "PROXY": "http://someone:long-password@proxy:80",
        "API_KEY": "abc-def",
        "SHORT_TOKEN": "abc",
    }
    settings = {
        "a": ["x long-password y", 1, None, {"b": "abc-def"}],
        "abc": "abc",
        "uri": "http://me:you@host",
    }
    assert plain_without_secrets(settings, environment) == {
        "a": ["x *** y", 1, None, {"b": "***"}],
        "abc": "abc",
        "uri": "http://***@host",
    }
    assert without_secrets("someone:long-password", environment) == "someone:***"
