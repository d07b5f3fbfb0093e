"""What is looked at and set before Ray starts: addresses, devices, environment, token."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_probes import Look, tasks

from advcore.workers.errors import InputError
from advcore.workers.pool import preconditions, ray_session
from advcore.workers.pool.preconditions import (
    check_address,
    check_gpus,
    import_paths,
    prepare_environment,
)
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.tasks import DATA


def test_settings_that_cannot_work_are_refused(dataset, tmp_path):
    for settings in (
        {"workers": 0},
        {"workers": 1, "threads": 0},
        {"workers": 1, "gpus_per_worker": 2},
    ):
        with pytest.raises(InputError, match="a Ray pool needs workers >= 1"):
            list(RayPool(str(tmp_path), **settings).run(tasks(dataset, Look()), {DATA: dataset}))
        with pytest.raises(InputError, match="a Ray pool needs workers >= 1"):
            RayPool(str(tmp_path), **settings).check()
    with pytest.raises(InputError, match="shard_seconds must be a number of seconds above 0"):
        RayPool(str(tmp_path), workers="auto", shard_seconds=0).check()


def test_a_pool_is_checked_before_ray_is_imported(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    RayPool(str(tmp_path / "store"), workers=2).check()
    with pytest.raises(InputError, match=r"1 workers with 0.5 of a GPU each do not fit"):
        RayPool(str(tmp_path / "store"), workers=1, gpus_per_worker=0.5).check()
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with pytest.raises(InputError, match=r"a Ray address is auto or HOST:PORT; got 'nowhere'"):
        RayPool(str(tmp_path / "store"), workers=1, gpus_per_worker=0.5).check()
    RayPool(str(tmp_path / "store"), workers=1, gpus_per_worker=0.5, address="auto").check()
    assert "ray" not in sys.modules
    assert not (tmp_path / "store").exists()


def test_an_address_with_nobody_there_is_refused_at_once(dataset, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(InputError, match=f"no Ray at {address}"):
        list(
            RayPool(str(tmp_path), workers=1, address=address).run(
                tasks(dataset, Look()), {DATA: dataset}
            )
        )
    assert time.monotonic() - start < 3
    for wrong in (
        "nowhere",
        "host:port",
        "http://host:8265",
        "host:99999",
        "host:\N{SUPERSCRIPT TWO}",
    ):
        with pytest.raises(InputError, match=r"a Ray address is auto or HOST:PORT"):
            check_address(wrong)
    with pytest.raises(
        InputError,
        match=r"ray://host:10001 is Ray's client: run advcore on the cluster, by `ray job submit`",
    ):
        check_address("ray://host:10001")
    for nameless in ("a..b:80", f"{80 * 'a'}:80"):
        with pytest.raises(InputError, match=r"no Ray at .* check the address"):
            check_address(nameless)
    check_address("auto")


def test_a_connection_that_ray_refuses_says_what_to_check(dataset, tmp_path, monkeypatch):
    import ray

    def refuse(**settings):
        raise ConnectionError("Could not find any running Ray instance.\nmore")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_session, "local_head", lambda: "10.0.0.1:6379")
    monkeypatch.setattr(ray_session, "ask_head", lambda address: None)
    monkeypatch.setattr(ray_session, "check_token", lambda address: None)
    with pytest.raises(
        InputError,
        match=(
            r"cannot connect to Ray at 10.0.0.1:6379 \(Could not find any running Ray "
            r"instance.\)"
        ),
    ):
        list(
            RayPool(str(tmp_path), workers=1, address="auto").run(
                tasks(dataset, Look()), {DATA: dataset}
            )
        )


def test_gpus_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_gpus(8, 0)
    check_gpus(3, 1 / 3)
    with pytest.raises(InputError, match=r"2 workers with 0.6 of a GPU each do not fit"):
        check_gpus(2, 0.6)


def test_the_environment_of_the_user_wins_and_nothing_is_set_too_late(ray_running, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    prepare_environment(local=True)  # Ray is imported: see the fixture
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ
    monkeypatch.delitem(sys.modules, "ray")
    prepare_environment(local=True)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_the_token_of_a_local_ray_is_private(tmp_path, monkeypatch):
    token = tmp_path / ".ray" / "token"
    monkeypatch.setattr(preconditions, "_TOKEN", token)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    preconditions.private_token()
    assert not token.parent.exists()
    monkeypatch.delenv("RAY_AUTH_MODE")
    preconditions.private_token()
    made = token.read_text()
    assert len(made) == 64
    assert token.stat().st_mode & 0o777 == 0o600
    token.chmod(0o644)
    preconditions.private_token()
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() == made
    assert list(token.parent.iterdir()) == [token]


def test_a_token_that_is_named_turns_authentication_on(tmp_path, monkeypatch):
    monkeypatch.setattr(preconditions, "_TOKEN", tmp_path / "token")
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    prepare_environment(local=False)
    assert "RAY_AUTH_MODE" not in os.environ
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "elsewhere"))
    prepare_environment(local=False)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    preconditions.private_token()
    assert not (tmp_path / "token").exists()


@pytest.mark.skipif(
    os.environ.get("RAY_AUTH_MODE", "token") != "token",
    reason="the user has turned authentication off",
)
def test_a_local_ray_answers_nobody_without_the_token(ray_running):
    import grpc
    import ray

    with grpc.insecure_channel(ray.get_runtime_context().gcs_address) as channel:
        call = channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetAllNodeInfo")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        token = (
            os.environ.get("RAY_AUTH_TOKEN") or Path("~/.ray/auth_token").expanduser().read_text()
        )
        assert call(b"", timeout=10, metadata=[("authorization", f"Bearer {token.strip()}")])


def test_workers_look_where_this_process_looks_but_for_packages():
    assert str(Path(__file__).parent) in import_paths()
    assert not any("site-packages" in path for path in import_paths())
