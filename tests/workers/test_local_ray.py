"""A Ray of one run's own starts wherever files may lie, and others do not find it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from advcore.workers.errors import InputError
from advcore.workers.pool import local_ray, ray_address
from advcore.workers.pool.local_ray import PRIVATE, TRIES, session_folder, start_local_ray

RAYLET = "/site-packages/ray/core/src/ray/raylet/raylet"


def test_ray_chooses_its_folder_where_it_can(tmp_path):
    assert session_folder({}) is None or not os.access("/tmp/ray", os.W_OK)
    assert session_folder({"TMPDIR": "/dev/shm"}) is None
    assert session_folder({"RAY_TMPDIR": "/dev/shm", "TMPDIR": 90 * "/a"}) is None


def test_a_long_folder_for_passing_files_gives_place_to_a_short_one_of_our_own(tmp_path):
    long = tmp_path / ("job" * 30)
    for chosen in (str(long), "relative"):
        folder = session_folder({"TMPDIR": chosen})
        assert folder == f"/tmp/advcore-{os.getuid()}/ray"
        assert Path(folder).parent.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_ours_is_passed_by(monkeypatch):
    """As one of that name which somebody else has made, or a link."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp", prefix="s") as first,
        tempfile.TemporaryDirectory(dir="/tmp", prefix="s") as second,
    ):
        monkeypatch.setattr(local_ray, "PLACES", (first, second))
        link = Path(first) / f"advcore-{os.getuid()}"
        link.symlink_to(second)
        own = Path(second) / f"advcore-{os.getuid()}"
        assert session_folder({"TMPDIR": f"/{100 * 'a'}"}) == f"{own}/ray"
        own.rmdir()
        own.symlink_to(first)
        with pytest.raises(
            InputError,
            match=r"no folder for Ray's session: .* set RAY_TMPDIR to a short one that can be",
        ):
            session_folder({"TMPDIR": f"/{100 * 'a'}"})


def test_a_folder_that_the_user_names_is_taken_or_refused_by_its_name(tmp_path):
    with pytest.raises(
        InputError,
        match=(
            r"is too long for sockets, which have \d+ bytes for it: set RAY_TMPDIR to a short "
            r"folder"
        ),
    ):
        session_folder({"RAY_TMPDIR": str(tmp_path / ("b" * 90))})
    (Path("/tmp") / f"file-{os.getpid()}").touch()
    try:
        with pytest.raises(InputError, match=r"cannot be written: set RAY_TMPDIR"):
            session_folder({"RAY_TMPDIR": f"/tmp/file-{os.getpid()}"})
    finally:
        (Path("/tmp") / f"file-{os.getpid()}").unlink()


def _busy(failures, reason="The current node timed out during startup."):
    started = []

    def init(**settings):
        started.append(settings)
        if len(started) <= failures:
            raise Exception(reason)

    return SimpleNamespace(init=init), started


def test_a_busy_machine_is_waited_for(monkeypatch):
    monkeypatch.setattr(local_ray, "private_token", lambda: None)
    ray, started = _busy(1)
    start_local_ray(ray, 2, 2**27)
    assert [settings["_node_name"] for settings in started] == 2 * [PRIVATE]
    ray, started = _busy(TRIES)
    with pytest.raises(
        InputError,
        match=(
            r"^Ray does not start on this machine \(The current node timed out.*\): it is too "
            r"busy, or"
        ),
    ):
        start_local_ray(ray, 2, 2**27)
    assert len(started) == TRIES
    ray, started = _busy(1, "no such thing")
    with pytest.raises(InputError, match=r"does not start on this machine \(no such thing\)"):
        start_local_ray(ray, 2, 2**27)
    assert len(started) == 1


@pytest.mark.parametrize(
    ("noted", "heads", "found"),
    [
        (None, {"1.1.1.1:1": "", "2.2.2.2:2": PRIVATE}, "1.1.1.1:1"),
        ("1.1.1.1:1", {"1.1.1.1:1": "", "0.0.0.0:2": "worker-1"}, "1.1.1.1:1"),
        (
            "3.3.3.3:3",
            {"2.2.2.2:2": PRIVATE},
            "3.3.3.3:3",
        ),  # its processes may not be seen from here
        ("2.2.2.2:2", {"2.2.2.2:2": PRIVATE}, None),
        (None, {"2.2.2.2:2": PRIVATE}, None),
        (None, {}, None),
    ],
)
def test_auto_leads_to_no_private_ray(noted, heads, found, monkeypatch):
    lines = [
        [RAYLET, f"--gcs-address={address}", f"--node-name={name}", "--head"]
        for address, name in heads.items()
    ]
    monkeypatch.setattr(
        ray_address, "command_lines", lambda: [*lines, [], ["python", "--gcs-address=9.9.9.9:9"]]
    )
    monkeypatch.setattr("ray._private.utils.read_ray_address", lambda temp_dir=None: noted)
    if found is not None:
        assert ray_address.local_head() == found
        return
    others = ", but for those that other runs" if heads else ": start one by `ray start --head`"
    with pytest.raises(InputError, match=f"^no Ray runs on this machine{others}"):
        ray_address.local_head()


def test_a_private_ray_is_seen_as_one(ray_running):
    import ray

    public, own = ray_address._running(list(ray_address.command_lines()))
    address = ray.get_runtime_context().gcs_address
    assert address in own
    assert address not in public


@pytest.mark.slow
def test_ray_starts_where_a_job_scheduler_makes_long_folders(tmp_path):
    long = tmp_path / ("slurm" * 20)
    long.mkdir()
    code = (
        "from advcore.workers.pool.ray_runner import RayPool\n"
        f"with RayPool({str(tmp_path / 'store')!r}, workers=1).session() as ray:\n"
        "    print(ray.get(ray.remote(lambda: 7).remote()))"
    )
    root = Path(__file__).parents[2]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RAY_ADDRESS", "RAY_TMPDIR")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**environment, "TMPDIR": str(long)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "7"), done.stderr
