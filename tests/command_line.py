"""Commands as tests give them: one that is refused, one for a study that is edited."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines.cli import main


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command leaves."""
    assert main(arguments) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("advcore: ")
    return lines[0]


def edit(study_file: Path, **changes: Any) -> list[str]:
    """The command for the study with some of its sections replaced."""
    study = yaml.safe_load(study_file.read_text())
    study_file.write_text(yaml.safe_dump({**study, **changes}))
    return ["run", str(study_file)]
