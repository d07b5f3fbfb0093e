"""`advcore list` from the cache: without torch, and never from other files than those installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from advcore.pipelines import reference_cache
from advcore.pipelines.cli import main
from advcore.pipelines.reference import SECTIONS, all_texts
from advcore.pipelines.reference_cache import cache_file, reference_texts

LIGHT = (
    "import sys; from advcore.pipelines.cli import main; status = main(sys.argv[1:]); "
    "sys.exit(status or any(name in sys.modules for name in ('torch', 'ray', 'mlflow', 'numpy')))"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_second_call_imports_nothing_that_takes_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def called(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIGHT, *words]
        return subprocess.run(command, capture_output=True, text=True)

    first = called("list")
    assert first.returncode == 1, "the first call makes the texts from the dataclasses"
    assert first.stdout
    for words in (["list"], ["list", "pgd"], ["list", "probes"]):
        second = called(*words)
        assert (second.returncode, second.stderr) == (0, "")
        assert main(words) == 0
        assert second.stdout == capsys.readouterr().out


def test_the_cache_holds_what_the_dataclasses_say() -> None:
    made = reference_texts()
    assert cache_file().is_file()
    assert reference_texts() == made == all_texts()


def test_changed_files_of_the_package_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    reference_texts()
    cached = json.loads(cache_file().read_text())
    cached["texts"]["attacks"]["pgd"] = ["of the cache", "of the cache"]
    cache_file().write_text(json.dumps(cached))
    assert reference_texts()["attacks"]["pgd"] == ("of the cache", "of the cache")
    monkeypatch.setattr(reference_cache, "package_fingerprint", lambda: "of other files")
    assert reference_texts() == all_texts()
    assert json.loads(cache_file().read_text())["key"].endswith("of other files")


@pytest.mark.parametrize(
    "damaged", [b"", b"[]", b'{"key": 1}', b"\xff", b'{"key": "a", "texts": 1}']
)
def test_a_damaged_cache_is_made_anew(damaged: bytes) -> None:
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(damaged)
    assert reference_texts() == all_texts()


def test_a_cache_that_cannot_be_written_changes_no_answer(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cache / "advcore").write_text("a file where the folder would be")
    assert main(["list", "pgd"]) == 0
    assert capsys.readouterr().out.startswith("pgd (attacks)")


def test_each_entry_is_defined_in_the_files_that_the_cache_hangs_on() -> None:
    for known in SECTIONS.values():
        for value in known.values():
            assert value.__module__.partition(".")[0] == "advcore"


def test_a_touched_file_moves_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from advcore.pipelines.machine import package_files

    (tmp_path / "own").mkdir()
    source = tmp_path / "own/attack.py"
    source.write_text("a")
    monkeypatch.setattr(package_files.workers, "__path__", [str(tmp_path / "own")])
    before = package_files.package_fingerprint()
    os.utime(source, ns=(0, 1))
    assert package_files.package_fingerprint() != before
