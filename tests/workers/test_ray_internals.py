"""What of Ray is not public: it is asked, and each question has a way out where Ray lacks it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from advcore.workers.pool import ray_head
from advcore.workers.pool.ray_internals import (
    FLAGS,
    accepts_without_token,
    child_processes,
    command_lines,
    head_version,
    keep_from_trials,
    noted_address,
    prestart_workers,
)

ROOT = Path(__file__).parents[2]


class OneNode:
    """A Ray whose only node can be reached by nobody."""

    def nodes(self):
        return [
            {"Alive": True, "NodeID": "n", "NodeManagerAddress": "127.0.0.1", "NodeManagerPort": 9}
        ]


def test_only_one_file_knows_what_ray_keeps_for_itself():
    private = re.compile(
        r"ray\._private|ray\._raylet|ray\.core\.generated|ray\.util\.state|ray\.thirdparty|ray\.rpc"
        r"|ray\.tune\.execution"
    )
    folders = [ROOT / name for name in ("advcore", "workers", "pipelines")]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    found = {file.name for file in files if private.search(file.read_text())}
    assert found == {"ray_internals.py"}


def test_the_processes_of_this_machine_are_seen():
    own = Path(f"/proc/{os.getpid()}/cmdline").read_bytes().split(b"\0")[:-1]
    assert [part.decode() for part in own] in list(command_lines())


def test_the_processes_that_this_one_started_are_seen():
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in {process.pid for process in child_processes()}
        child.kill()


def test_ray_still_reads_the_flags():
    import ray

    sources = [file.read_text() for file in Path(ray.__file__).parent.rglob("*.py")]
    unknown = {flag for flag in FLAGS if not any(flag in source for source in sources)}
    assert unknown == set()


@pytest.fixture
def class_cache(monkeypatch):
    from ray.tune.execution import class_cache

    given = {*class_cache.ENV_VARS_TO_PROPAGATE, "AWS_SECRET_ACCESS_KEY", "RAY_CHDIR_TO_TRIAL_DIR"}
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", given)
    return class_cache


def test_trials_are_not_handed_the_keys(class_cache, monkeypatch):
    class Trainable:
        pass

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    handed = []
    ray = type(
        "Ray", (), {"remote": lambda runtime_env: handed.append(runtime_env) or (lambda c: c)}
    )
    monkeypatch.setattr(class_cache, "ray", ray)
    class_cache._ActorClassCache().get(Trainable)
    assert handed[0]["env_vars"]["AWS_SECRET_ACCESS_KEY"] == "planted"
    assert keep_from_trials("AWS_")
    class_cache._ActorClassCache().get(Trainable)
    assert "AWS_SECRET_ACCESS_KEY" not in handed[1]["env_vars"]
    assert handed[1]["env_vars"]["RAY_CHDIR_TO_TRIAL_DIR"] == "0"


def test_a_tune_that_names_them_elsewhere_is_told_apart(class_cache, monkeypatch):
    monkeypatch.delattr(class_cache, "ENV_VARS_TO_PROPAGATE")
    assert not keep_from_trials("AWS_")
    assert not hasattr(class_cache, "ENV_VARS_TO_PROPAGATE")


def test_nobody_answers_without_a_token_where_nobody_listens():
    assert not accepts_without_token("127.0.0.1:9", 1.0)


def test_a_head_tells_its_version(ray_running):
    import ray

    address = ray.get_runtime_context().gcs_address
    assert head_version(address, 5.0) == ray.__version__
    ray_head.ask_head(address)


def test_a_ray_without_these_parts_is_left_unasked(monkeypatch):
    for name in ("grpc_utils", "utils", "services"):
        monkeypatch.setitem(sys.modules, f"ray._private.{name}", None)
    assert head_version("127.0.0.1:9", 1.0) is None
    assert noted_address() == ""
    assert list(command_lines()) == []
    assert child_processes() == set()
    prestart_workers(OneNode(), {"n": 1})
    ray_head.ask_head("127.0.0.1:9", 1.0)


def test_a_favour_that_nobody_grants_is_left():
    prestart_workers(OneNode(), {"n": 1})


def test_the_note_is_an_address_or_nothing():
    noted = noted_address()
    assert isinstance(noted, str)
    assert noted == "" or re.fullmatch(r"\S+:\d+", noted)


@pytest.mark.parametrize("other", ["1.0.0"])
def test_another_version_is_refused_with_both(other, monkeypatch):
    monkeypatch.setattr(ray_head, "head_version", lambda address, seconds: other)
    with pytest.raises(ray_head.InputError, match=f"is {other}, here it is"):
        ray_head.ask_head("127.0.0.1:9")
