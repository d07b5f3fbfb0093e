"""Two drivers at once, as processes: one works, the other says who; a killed one leaves nothing
behind.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from studies import stored

from advcore.pipelines.cli import main
from advcore.pipelines.machine import lock
from advcore.pipelines.machine.lock import exclusive_lock
from advcore.workers.errors import InputError

ROOT = str(Path(__file__).parents[2])
HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from advcore.pipelines.machine.lock import exclusive_lock\n"
    "with exclusive_lock(Path(sys.argv[1]), 'study', 'tiny'):\n"
    "    print('held', flush=True); time.sleep(600)"
)


@contextmanager
def holder(out: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the study `tiny` there."""
    command = [sys.executable, "-c", HOLD, str(out)]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": ROOT}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_until_the_first_one_is_gone(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        words = (
            rf"^study tiny in .* is in use by process {process.pid} on \S+ since "
            r"20\S+ \S+: wait for its end, stop it"
        )
        with pytest.raises(InputError, match=words), exclusive_lock(tmp_path, "study", "tiny"):
            pass
        for kind, name in (("study", "other"), ("training", "tiny")):
            with exclusive_lock(tmp_path, kind, name):
                pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with exclusive_lock(tmp_path, "study", "tiny"):
        pass


def test_a_holder_who_has_not_written_himself_in_is_another_process(tmp_path: Path) -> None:
    with holder(tmp_path):
        (tmp_path / lock.FOLDER / "study-tiny").write_text("")
        with (
            pytest.raises(InputError, match="is in use by another process"),
            exclusive_lock(tmp_path, "study", "tiny"),
        ):
            pass


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    refusal = r"results /dev/null/x/tiny cannot be written \(Not a directory\): choose another"
    with pytest.raises(InputError, match=refusal):  # noqa: SIM117
        with exclusive_lock(Path("/dev/null/x"), "study", "tiny"):
            pass


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    with exclusive_lock(tmp_path, "study", "tiny"):
        assert (
            "does not support file locks (Operation not supported): start no second driver on it"
            in capsys.readouterr().err
        )


@pytest.mark.parametrize("kind", ["train", "sweep"])
def test_trainings_and_sweeps_are_held_too(
    kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, word = {"train": ("plain", "training"), "sweep": ("eps_tradeoff", "sweep")}[kind]
    with exclusive_lock(place / "out", word, name):
        assert main([kind, name, "--out", "out"]) == 2
    assert (
        f"advcore: {word} {name} in {place / 'out'} is in use by process {os.getpid()}"
        in capsys.readouterr().err
    )


@pytest.mark.slow
def test_two_drivers_and_one_that_is_killed(
    study_file: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second command ends at once with status 2; after kill -9 of the first it does the
    rest.
    """
    study = yaml.safe_load(study_file.read_text())
    study["probes"] = {"robustness": study["probes"]["robustness"]}
    study_file.write_text(yaml.safe_dump(study))
    slow = [
        "--set",
        "data.samples=60",
        "--set",
        "probes.robustness.attacks.1.steps=1000",
        "--shard-size",
        "10",
    ]
    command = ["run", str(study_file), *slow]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    first = [sys.executable, "-m", "advcore.pipelines.cli", *command]
    with subprocess.Popen(
        first, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not stored(place):
            time.sleep(0.05)
        assert main(command) == 2
        assert f"is in use by process {process.pid} on" in capsys.readouterr().err
        process.send_signal(signal.SIGKILL)
    kept = stored(place)
    assert main(command) == 0
    assert f"{len(kept)} of 12 found in the store" in capsys.readouterr().out
    assert kept.items() <= stored(place).items()
    assert len(stored(place)) == 12
