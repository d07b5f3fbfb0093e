"""Folders for a while: what a killed process leaves, the next one removes; what is used stays."""

import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from advcore.workers import scratch
from advcore.workers.scratch import remove_abandoned, scratch_folder

HOLD = """
from advcore.workers.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "state").write_text("large")
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    remove_abandoned.cache_clear()
    return tmp_path


def test_gone_at_the_end(place: Path) -> None:
    with suppress(KeyError), scratch_folder() as folder:
        (folder / "below").mkdir()
        assert folder.parent == place
        raise KeyError
    assert not list(place.iterdir())


def test_left_by_a_killed_process_it_goes_at_the_next_start(place: Path) -> None:
    (place / "advcore-else").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    held = Path(holder.stdout.readline().strip())
    with scratch_folder() as mine:
        remove_abandoned.cache_clear()
        remove_abandoned(str(place))
        assert held.is_dir()  # a process uses it
        assert mine.is_dir()
    holder.kill()
    holder.communicate()
    assert (held / "state").read_text() == "large"
    remove_abandoned.cache_clear()
    with scratch_folder():
        assert not held.exists()
    assert [file.name for file in place.iterdir()] == ["advcore-else"]


def test_a_link_leads_to_nothing_that_is_removed(place: Path) -> None:
    other = place / "mine"
    other.mkdir()
    (place / f"{scratch.PREFIX}link").symlink_to(other)
    with scratch_folder():
        assert other.is_dir()


def test_one_removed_before_it_was_locked_is_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original = tempfile.mkdtemp

    def mkdtemp(prefix: str) -> str:
        made.append(original(prefix=prefix))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    with scratch_folder() as folder:
        assert [str(folder)] == made[1:]
