"""What a result came out of: versions, the commit, the device."""

import subprocess
from pathlib import Path

import pytest

from advcore.pipelines.machine import environment
from advcore.pipelines.tracking.tracker import environment_tags


def test_environment_tags_say_versions_commit_and_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = environment_tags()
    assert {
        "version.torch",
        "version.ray",
        "version.mlflow",
        "version.python",
        "advcore.device",
    } <= set(tags)
    assert all(isinstance(value, str) and value for value in tags.values())
    assert environment._commit_tags(tmp_path) == {}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert environment._commit_tags(tmp_path) == {}
    (tmp_path / "file").write_text("a")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    found = environment._commit_tags(tmp_path)
    assert len(found["mlflow.source.git.commit"]) == 40
    assert found["advcore.uncommitted_changes"] == "false"
    (tmp_path / "file").write_text("b")
    assert environment._commit_tags(tmp_path)["advcore.uncommitted_changes"] == "true"
    monkeypatch.setenv("PATH", "")
    assert environment._commit_tags(tmp_path) == {}
    assert environment._version("no-such-package") == "not installed"
