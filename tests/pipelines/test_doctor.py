"""The doctor: each finding is true, says what to do, and tells no secret."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from s3_server import S3

from advcore.pipelines import doctor
from advcore.pipelines.cli import main
from advcore.pipelines.doctor import Finding, examine
from advcore.workers.datasets import arrays
from advcore.workers.errors import InputError
from advcore.workers.pool import preconditions
from advcore.workers.pool.preconditions import ask_cluster
from advcore.workers.redaction import without_secrets

NAMES = ["versions", "threads", "gpus", "ray", "mlflow", "store", "data", "disk"]


@pytest.fixture(autouse=True)
def _nothing_from_outside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def found(**settings: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine("results", patience=20, **settings)}


def test_all_is_well_on_a_machine_with_the_demo_installed(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_FREE_GIGABYTES", 0)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in NAMES]
    text = "\n".join(lines)
    for words in (
        f"torch {torch.__version__.partition(chr(43))[0]}",
        "starts a cluster on this machine",
        "the first run makes it",
        "digits",
        "GB free",
    ):
        assert words in text
    assert (place / "results" / "store").is_dir()


def test_an_existing_store_of_mlflow_is_asked(folder: Path) -> None:
    answers = {finding.name: finding for finding in examine(str(folder), patience=60)}
    assert answers["mlflow"] == Finding("mlflow", True, f"sqlite:///{folder / 'mlflow.db'}")


def test_a_store_on_s3_is_tried_out(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(store=s3.url("rows"))["store"] == Finding(
        "store", True, f"{s3.url('rows')} is writable"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    answer = found(store=s3.url("rows"))["store"]
    assert not answer.ok
    assert (
        "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        in answer.words
    )


def test_what_is_not_well_says_what_to_do(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "file").touch()
    monkeypatch.setattr(doctor, "_FREE_GIGABYTES", 1e9)
    monkeypatch.setattr(
        doctor,
        "absent",
        lambda: dict.fromkeys(("mnist5k", "digits", "fashion-mnist"), "pip install it"),
    )
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    monkeypatch.setattr(doctor, "environment_tags", lambda: {"version.ray": "not installed"})
    command = [
        "doctor",
        "--address",
        "127.0.0.1:1",
        "--tracking-uri",
        "http://127.0.0.1:1",
        "--store",
        "file/store",
    ]
    assert main(command) == 1
    out, err = capsys.readouterr()
    lines = {line.split()[1]: line for line in out.splitlines()}
    assert {name for name, line in lines.items() if line.startswith("!!")} == set(NAMES) - {"gpus"}
    for name, words in {
        "versions": "not installed: ray; install them by make .venv/ready",
        "threads": "set OMP_NUM_THREADS=",
        "ray": "no Ray at 127.0.0.1:1",
        "mlflow": "no answer; check tracking_uri",
        "store": "choose another folder",
        "data": "mnist5k is not available: pip install it",
        "disk": "choose another folder (--out)",
    }.items():
        assert words in lines[name]
    assert "Traceback" not in out + err


def test_gpus_that_torch_cannot_use_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(InputError, match="sees no GPU, although nvidia-smi is installed"):
        doctor._gpus()


@pytest.fixture
def leaky() -> Iterator[int]:
    """A server that answers every request by its credentials, as a careless proxy might; its
    port.
    """

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.end_headers()
            self.wfile.write(
                (
                    f"denied for {self.path} {self.headers.get('Authorization')} "
                    "planted-token-value"
                ).encode()
            )

        do_POST = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_no_credential_is_ever_printed(
    leaky: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "planted-token-value")
    command = [
        "doctor",
        "--store",
        "s3://key:planted-store@host/prefix",
        "--address",
        "planted-user:planted-ray@127.0.0.1:1",
    ]
    assert (
        main(
            [
                *command,
                "--tracking-uri",
                f"http://user:planted-pass@127.0.0.1:{leaky}/?password=planted-query",
            ]
        )
        == 1
    )
    out, err = capfd.readouterr()
    assert "!!  mlflow" in out
    assert "***@" in out
    assert "planted" not in out + err


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://key:planted@host/a", "https://***@host/a"),
        ("https://planted@host/a", "https://***@host/a"),
        ("at user:plan:ted@host:6379", "at ***@host:6379"),
        (
            "postgresql://host/db?user=a&password=planted&x=1",
            "postgresql://host/db?user=a&password=***&x=1",
        ),
        ("s3://b/k?X-Amz-Signature=planted", "s3://b/k?X-Amz-Signature=***"),
        ("/a/s3:/key:planted@host/b", "/a/s3://***@host/b"),
        ("said planted-secret", "said ***"),
        (
            "sqlite:////tmp/a b/mlflow.db, Ray 2.60.0: ok",
            "sqlite:////tmp/a b/mlflow.db, Ray 2.60.0: ok",
        ),
        ("/home/me/token", "/home/me/token"),
    ],
)
def test_secrets_leave_the_text_and_nothing_else_does(text: str, left: str) -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": "planted-secret",
        "RAY_AUTH_TOKEN_PATH": "/home/me/token",
        "MY_TOKEN": "1",
    }
    assert without_secrets(text, environment) == left


def test_what_hangs_or_breaks_is_one_line() -> None:
    start = time.monotonic()
    assert (
        doctor._found("slow", lambda: time.sleep(30) or "", 0.1).words
        == "no answer within 0.1 s: check that this machine can reach it"
    )
    assert time.monotonic() - start < 5

    def broken() -> str:
        raise OSError("libcudart.so:\n  not found")

    assert (
        str(doctor._found("broken", broken, 5)) == "!!  broken     OSError: libcudart.so: not found"
    )


def test_fashion_mnist_that_is_not_here_is_named_and_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_DEBIAN", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        "fashion-mnist is not available: apt install dataset-fashion-mnist" in found()["data"].words
    )
    assert not (tmp_path / ".cache").exists()


def test_a_port_that_is_no_ray_is_given_up_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(InputError, match=r"does not answer within 0\.5 s"),
    ):
        ask_cluster(f"127.0.0.1:{server.getsockname()[1]}", seconds=0.5)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('3 machines, 8 CPUs, 2 GPUs, Ray 2')", None),
        (
            "raise RuntimeError('Version mismatch: Ray 2.1')",
            "cannot connect to Ray at .*Version mismatch.*of the same version",
        ),
        (
            "import sys; sys.exit('Unauthenticated: Missing token')",
            "asks for another token.*RAY_AUTH_MODE=token",
        ),
    ],
)
def test_what_a_cluster_answers_is_told(
    code: str, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditions, "_ASK", code)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if words is None:
            assert ask_cluster(address) == "3 machines, 8 CPUs, 2 GPUs, Ray 2"
        else:
            with pytest.raises(InputError, match=words):
                ask_cluster(address)
