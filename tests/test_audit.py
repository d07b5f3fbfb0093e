"""`make audit`: what pip-audit did not look at is never taken for well."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[1] / ".ci/audit.py")
assert SPEC is not None
assert SPEC.loader is not None
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

WELL: dict[str, Any] = {"name": "good", "version": "1", "vulns": []}
FLAWED = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "unseen", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([WELL], 0, "audited: no vulnerability is known of 1 packages"),
        ([WELL, FLAWED], 1, "bad 2: CVE-1, mended in 3"),
        ([SKIPPED, FLAWED], 1, "bad 2: CVE-1, mended in 3"),
        ([SKIPPED, WELL], 3, "NOT AUDITED: 1 of 2 packages, first unseen: not found"),
        ([], 3, "NOT AUDITED: 0 of 0 packages, first requirements.lock: it names no package"),
    ],
)
def test_the_verdict(
    packages: list[Any], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.verdict(json.dumps({"dependencies": packages}), "") == status
    assert words in "".join(capsys.readouterr())
    assert audit.verdict(json.dumps({"dependencies": packages}), "", True) == (
        status if status == 1 else 0
    )


def test_no_report_is_no_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.verdict("", "Traceback\nConnectionError: no name\n") == 3
    assert capsys.readouterr().err == "NOT AUDITED: ConnectionError: no name\n"
    assert audit.main("/no/uv", False) == 3
    assert audit.main("/no/uv", True) == 0
    assert capsys.readouterr().err.count("NOT AUDITED: [Errno 2] No such file") == 2
